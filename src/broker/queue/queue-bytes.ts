/**
 * How many bytes the messages of a queue have that are not done with.
 *
 * Those that were sent here are known exactly, four bytes of memory for each while it is not done
 * with. The others, found when the queue was opened or brought by transactions and producers of
 * its topic, count with the average of a sample of the log.
 */

import { assert } from '../../base/assert.js';

const CHUNK = 4_096;

interface Chunk {
  /** By offset; 0: unknown, or done with. One is added, so that a message of no bytes is known. */
  readonly sizes: Uint32Array;
  known: number;
}

export class QueueBytes {
  /** By partition, then by offset divided by the size of a chunk. */
  readonly #chunks: Map<number, Chunk>[] = [];
  #bytes = 0;
  #count = 0;

  /** Messages whose bytes are known, and what they come to. */
  get known(): { readonly count: number; readonly bytes: number } {
    return { count: this.#count, bytes: this.#bytes };
  }

  /** The bytes of `unfinished` messages, when those that are not known have so many each. */
  total(unfinished: number, averageBytes: number): number {
    return this.#bytes + Math.max(0, unfinished - this.#count) * averageBytes;
  }

  add(partition: number, offset: number, bytes: number): void {
    const chunks = this.#of(partition);
    const number = Math.floor(offset / CHUNK);
    const chunk = chunks.get(number) ?? { sizes: new Uint32Array(CHUNK), known: 0 };
    const at = offset % CHUNK;
    assert(chunk.sizes[at] === 0, 'a message is counted once');
    chunks.set(number, chunk);
    chunk.sizes[at] = bytes + 1;
    chunk.known += 1;
    this.#count += 1;
    this.#bytes += bytes;
  }

  /** The message is done with; what is not known has no effect. */
  remove(partition: number, offset: number): void {
    const chunks = this.#of(partition);
    const number = Math.floor(offset / CHUNK);
    const chunk = chunks.get(number);
    const size = chunk?.sizes[offset % CHUNK] ?? 0;
    if (chunk === undefined || size === 0) return;
    chunk.sizes[offset % CHUNK] = 0;
    chunk.known -= 1;
    this.#count -= 1;
    this.#bytes -= size - 1;
    if (chunk.known === 0) chunks.delete(number);
  }

  /** Everything that is known below `offset` is done with. */
  removeBelow(partition: number, offset: number): void {
    for (const [number, chunk] of this.#of(partition)) {
      const base = number * CHUNK;
      if (base >= offset) continue;
      const end = Math.min(CHUNK, offset - base);
      for (let at = 0; at < end && chunk.known > 0; at += 1) this.remove(partition, base + at);
    }
  }

  #of(partition: number): Map<number, Chunk> {
    while (this.#chunks.length <= partition) this.#chunks.push(new Map());
    const chunks = this.#chunks[partition];
    assert(chunks !== undefined, 'a partition has its chunks');
    return chunks;
  }
}
