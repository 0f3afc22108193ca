/**
 * Chunks: the memory into which a reader reads, and when it may be used again.
 *
 * A chunk is fresh memory until its batches are gone. When every batch handed out was walked with
 * a cursor and none gave records away, nobody holds a view, and another chunk is read into the same
 * memory. A batch that is held is gone when it is released. Under `MILLRACE_DEBUG=1` released bytes
 * are overwritten, so that a view kept too long shows itself at once.
 */

import type { Batch } from './batch.js';
import { type BatchMemory, createBatchMemory } from './batch-memory.js';
import { giveReadMemory } from './read-memory.js';

/** What debug mode writes over released memory. */
export const RELEASED_BYTE = 0xdb;

export class ReadChunk {
  readonly memory: BatchMemory;
  /** Readable bytes in the memory. */
  readonly count: number;
  /** Where the next batch starts in the memory. */
  start = 0;
  #last: Batch | undefined;
  #lastStart = 0;
  #isKept = false;

  constructor(bytes: Buffer, count: number, file: string, filePosition: number) {
    this.memory = createBatchMemory(bytes, file, filePosition);
    this.count = count;
  }

  /** The position in the file of the next batch. */
  get position(): number {
    return this.memory.filePosition + this.start;
  }

  /** Makes the batch at `start`, which was inspected, and steps behind it. */
  give(batch: Batch): void {
    this.#last = batch;
    this.#lastStart = this.start;
    this.start += batch.bytes;
  }

  /** The consumer has asked for what comes next: the last batch has ended if it was borrowed. */
  step(isDebug: boolean): void {
    const last = this.#last;
    if (last === undefined) return;
    this.#last = undefined;
    // It is done with later, and says so itself.
    if (last.isHeld) return;
    if (!last.isBorrowed) this.#isKept = true;
    if (isDebug && !this.#isKept && !this.memory.escaped) {
      this.memory.bytes.fill(RELEASED_BYTE, this.#lastStart, this.#lastStart + last.bytes);
    }
  }

  /** Ends the chunk; its memory is used again once nobody can hold a view of it. */
  end(isDebug: boolean): void {
    const { memory } = this;
    if (this.#isKept) return;
    const free = (): void => {
      if (memory.escaped) return;
      memory.ended = true;
      if (isDebug) memory.bytes.fill(RELEASED_BYTE);
      giveReadMemory(memory.bytes);
    };
    if (memory.holds === 0) free();
    else memory.freed = free;
  }
}
