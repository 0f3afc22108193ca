/**
 * The baseline of sequential reads: chunks of whole batches through `node:fs`, the next one being
 * read while this one is worked on, into two buffers that are used in turn.
 */

import { close, open, read } from 'node:fs';
import { promisify } from 'node:util';
import { verifyCrc } from '../src/storage/batch-header.js';
import { batchStarts, type FinishedBytes } from './finished-bytes.js';

const openFile = promisify(open);
const closeFile = promisify(close);

interface Chunk {
  readonly position: number;
  readonly count: number;
  /** Where the batches start in the chunk. */
  readonly starts: readonly number[];
}

interface FileChunks {
  readonly path: string;
  readonly chunks: readonly Chunk[];
}

export class RawReader {
  readonly #files: readonly FileChunks[];
  readonly #buffers: readonly [Buffer, Buffer];

  constructor(finished: FinishedBytes, chunkBytes: number) {
    this.#files = finished.segments.map(({ path, start, end }) => {
      const starts = batchStarts(finished.bytes, start, end).map((at) => at - start);
      return { path, chunks: chunksOf(starts, chunkBytes) };
    });
    const largest = Math.max(
      ...this.#files.flatMap(({ chunks }) => chunks.map(({ count }) => count)),
    );
    this.#buffers = [Buffer.allocUnsafeSlow(largest), Buffer.allocUnsafeSlow(largest)];
  }

  async run(checkCrcs: boolean): Promise<void> {
    let turn = 0;
    for (const { path, chunks } of this.#files) {
      const file = await openFile(path, 'r');
      let reading = readChunk(file, this.#buffer(turn), chunks[0]);
      for (const [index, chunk] of chunks.entries()) {
        await reading;
        const buffer = this.#buffer(turn);
        turn += 1;
        reading = readChunk(file, this.#buffer(turn), chunks[index + 1]);
        if (!checkCrcs) continue;
        for (const start of chunk.starts) {
          if (!verifyCrc(buffer, start)) throw new Error('a batch does not verify');
        }
      }
      await reading;
      await closeFile(file);
    }
  }

  #buffer(turn: number): Buffer {
    return this.#buffers[turn % 2 === 0 ? 0 : 1];
  }
}

/** Whole batches, as many as fit; `starts` ends with the end of the last batch. */
function chunksOf(starts: readonly number[], chunkBytes: number): readonly Chunk[] {
  const chunks: Chunk[] = [];
  let first = 0;
  for (let batch = 1; batch < starts.length; batch += 1) {
    const position = starts[first] ?? 0;
    const isLast = batch + 1 === starts.length;
    if (!isLast && (starts[batch + 1] ?? 0) - position <= chunkBytes) continue;
    const inChunk = starts.slice(first, batch).map((start) => start - position);
    chunks.push({ position, count: (starts[batch] ?? 0) - position, starts: inChunk });
    first = batch;
  }
  return chunks;
}

function readChunk(file: number, target: Buffer, chunk: Chunk | undefined): Promise<void> {
  if (chunk === undefined) return Promise.resolve();
  const { position, count } = chunk;
  return new Promise((resolve, reject) => {
    read(file, target, 0, count, position, (error, got) => {
      if (error !== null) reject(error);
      else if (got !== count) reject(new Error('the file became shorter'));
      else resolve();
    });
  });
}
