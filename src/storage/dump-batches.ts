/**
 * Dumps a `.log` file: every batch, on demand every record, and every range that is neither.
 *
 * Nothing is expected of the file but its format: offsets may skip and epochs may be what they
 * like, as in a file that was taken from another log. Behind damage it goes on at the next batch.
 */

import type { FileSystem } from '../base/file-system.js';
import { Batch } from './batch.js';
import { inspectBatch } from './batch-decoder.js';
import { HEADER_BYTES } from './batch-format.js';
import { batchBytes } from './batch-header.js';
import { createBatchMemory } from './batch-memory.js';
import { type FoundBatch, searchBatches } from './batch-scan.js';
import { bytesFields, type DumpLine, problem } from './dump-line.js';
import { FileWindow } from './verify-window.js';

export async function* dumpBatches(
  fileSystem: FileSystem,
  path: string,
  baseOffset: number,
  withRecords: boolean,
): AsyncGenerator<DumpLine, void, undefined> {
  const file = await fileSystem.open(path);
  try {
    const to = await file.size();
    const window = new FileWindow(file, to);
    let position = 0;
    let nextOffset = baseOffset;
    /** What lies behind the first damage: searched once, however much there is. */
    let found: readonly FoundBatch[] | undefined;
    while (position < to) {
      const outcome = await lookAt(window, position, to);
      if (outcome !== 'batch') {
        found ??= await searchBatches(file, { from: position + 1, to }, 0);
        const end = nextOf(found, position) ?? to;
        yield problem(path, position, outcome, { bytes: end - position });
        position = end;
        continue;
      }
      const start = window.startOf(position);
      const count = batchBytes(window.bytes, start);
      // The window's memory is used again, and a consumer may take its time.
      const bytes = Buffer.from(window.bytes.subarray(start, start + count));
      const batch = new Batch(createBatchMemory(bytes, path, position), 0);
      yield batchLine(batch, position);
      if (batch.baseOffset < nextOffset) {
        const expected = `at least ${nextOffset}`;
        const actual = batch.baseOffset;
        yield problem(path, position, 'the offset does not rise', { expected, actual });
      }
      if (withRecords) yield* dumpRecords(batch, path, position);
      nextOffset = batch.nextOffset;
      position += count;
    }
  } finally {
    await file.close();
  }
}

async function lookAt(window: FileWindow, position: number, to: number): Promise<string> {
  for (let loads = 0; ; loads += 1) {
    const available = window.available(position);
    const start = window.startOf(position);
    const isThere = available >= HEADER_BYTES;
    const outcome = isThere ? inspectBatch(window.bytes, start, available) : 'need-more-bytes';
    if (outcome !== 'need-more-bytes' || loads === 2) {
      return outcome === 'need-more-bytes' ? 'the file ends within a batch' : outcome;
    }
    const count = isThere ? batchBytes(window.bytes, start) : HEADER_BYTES;
    if (position + count > to) return 'the file ends within a batch';
    await window.load(position, count);
  }
}

/** Where the next batch behind `position` starts, by halving. */
function nextOf(found: readonly FoundBatch[], position: number): number | undefined {
  let low = 0;
  let high = found.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((found[middle]?.position ?? 0) <= position) low = middle + 1;
    else high = middle;
  }
  return found[low]?.position;
}

function batchLine(batch: Batch, position: number): DumpLine {
  const hasProducer = batch.producerId !== -1;
  return {
    type: 'batch',
    position,
    bytes: batch.bytes,
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    count: batch.count,
    maxTimestamp: batch.maxTimestamp,
    epoch: batch.epoch,
    codec: batch.codec,
    isControl: batch.isControl ? true : undefined,
    isTransactional: batch.isTransactional ? true : undefined,
    producerId: hasProducer ? batch.producerId : undefined,
    producerEpoch: hasProducer ? batch.producerEpoch : undefined,
    baseSequence: hasProducer ? batch.baseSequence : undefined,
  };
}

function* dumpRecords(
  batch: Batch,
  path: string,
  position: number,
): Generator<DumpLine, void, undefined> {
  try {
    for (const { offset, timestamp, key, value, headers } of batch) {
      yield {
        type: 'record',
        offset,
        timestamp,
        ...bytesFields('key', key),
        ...bytesFields('value', value),
        headers:
          headers.length === 0
            ? undefined
            : headers.map((header) => ({
                key: header.key,
                ...bytesFields('value', header.value),
              })),
      };
    }
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'MillraceError') throw error;
    yield problem(path, position, error.message);
  }
}
