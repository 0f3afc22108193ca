/**
 * Walks the batches of a segment file from a position on, and proves each before it is counted.
 *
 * Beyond what a batch says of itself (lengths, magic, checksum), it must continue the log: its
 * base offset is the next one, or rises where gaps are legal, and its epoch is the one that the
 * epoch table gives for that offset. Together these cover every header byte that Kafka's CRC
 * leaves out.
 *
 * Memory is one chunk, or one batch when that is larger. Recovery, index rebuild, verify, repair
 * and dump all walk with this.
 */

import { assert } from '../base/assert.js';
import type { ReadableFile } from '../base/file-system.js';
import { inspectBatch } from './batch-decoder.js';
import { HEADER_BYTES, MAGIC, MAGIC_POSITION } from './batch-format.js';
import {
  batchBaseOffset,
  batchBytes,
  batchEpoch,
  batchLastOffset,
  batchNextOffset,
} from './batch-header.js';
import type { Epochs } from './epochs.js';

const CHUNK_BYTES = 1024 * 1024;

/** What the next batch must be. */
export interface BatchExpectation {
  readonly nextOffset: number;
  readonly hasGaps: boolean;
  /** Absent when the bytes come from another engine: any epoch is then fine. */
  readonly epochs: Epochs | undefined;
  /** The largest offset that the segment's indexes can number. */
  readonly offsetMax?: number;
}

export interface InvalidBatch {
  readonly kind: 'invalid';
  /** Position of the first byte that is not part of a valid batch. */
  readonly position: number;
  readonly nextOffset: number;
  readonly reason: string;
  readonly expected: string | number | undefined;
  readonly actual: string | number | undefined;
}

export type ScanResult =
  | { readonly kind: 'complete'; readonly position: number; readonly nextOffset: number }
  | InvalidBatch;

/**
 * Called with memory that is used again afterwards; `position` is the batch's place in the file.
 */
export type VisitBatch = (bytes: Buffer, start: number, count: number, position: number) => void;

export interface ScanRange {
  readonly from: number;
  /** Where the bytes end; a batch that goes beyond is invalid. */
  readonly to: number;
}

export interface BatchFault {
  readonly reason: string;
  readonly expected?: string | number;
  readonly actual?: string | number;
}

/** Whether the batch at `start`, whose own checks passed, continues the log; undefined when so. */
export function continuityFault(
  bytes: Uint8Array,
  start: number,
  expectation: BatchExpectation,
): BatchFault | undefined {
  const baseOffset = batchBaseOffset(bytes, start);
  const { nextOffset, hasGaps, epochs } = expectation;
  if (hasGaps ? baseOffset < nextOffset : baseOffset !== nextOffset) {
    return { reason: 'offset does not continue', expected: nextOffset, actual: baseOffset };
  }
  const expected = expectation.offsetMax ?? Number.POSITIVE_INFINITY;
  const lastOffset = batchLastOffset(bytes, start);
  if (lastOffset > expected) {
    return { reason: 'the offset lies beyond the segment', expected, actual: lastOffset };
  }
  const epoch = epochs?.at(baseOffset) ?? -1;
  const actual = batchEpoch(bytes, start);
  if (epoch !== -1 && epoch !== actual) {
    return { reason: 'epoch is not that of the offset', expected: epoch, actual };
  }
  return undefined;
}

export async function scanBatches(
  file: ReadableFile,
  range: ScanRange,
  expectation: BatchExpectation,
  visit: VisitBatch,
): Promise<ScanResult> {
  let memory = Buffer.allocUnsafeSlow(Math.max(HEADER_BYTES, Math.min(CHUNK_BYTES, range.to)));
  let position = range.from;
  let { nextOffset } = expectation;
  while (position < range.to) {
    const wanted = Math.min(memory.length, range.to - position);
    const available = await readFully(file, memory, wanted, position);
    let start = 0;
    for (;;) {
      const outcome = inspectBatch(memory, start, available - start);
      if (start === available) break;
      if (outcome === 'need-more-bytes' && position + available < range.to) break;
      const fault: BatchFault | undefined =
        outcome === 'batch'
          ? continuityFault(memory, start, { ...expectation, nextOffset })
          : { reason: outcome };
      if (fault !== undefined) return invalid(position + start, nextOffset, fault);
      const count = batchBytes(memory, start);
      nextOffset = batchNextOffset(memory, start);
      visit(memory, start, count, position + start);
      start += count;
    }
    if (available < wanted) {
      return invalid(position + start, nextOffset, { reason: 'the file ends early' });
    }
    if (start === 0) {
      // One batch is larger than the memory; its length was checked against the bound.
      const count = batchBytes(memory, 0);
      assert(count > memory.length, 'the batch did not fit');
      // A length that the file does not have is no reason for memory.
      if (count > range.to - position) {
        return invalid(position, nextOffset, { reason: 'need-more-bytes' });
      }
      memory = Buffer.allocUnsafeSlow(count);
    }
    position += start;
  }
  return { kind: 'complete', position, nextOffset };
}

async function readFully(
  file: ReadableFile,
  target: Uint8Array,
  count: number,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < count) {
    const got = await file.read(target, done, count - done, position + done);
    if (got === 0) break;
    done += got;
  }
  return done;
}

function invalid(position: number, nextOffset: number, fault: BatchFault): InvalidBatch {
  const { reason, expected, actual } = fault;
  return { kind: 'invalid', position, nextOffset, reason, expected, actual };
}

/** A valid batch somewhere behind damage. */
export interface FoundBatch {
  readonly position: number;
  readonly bytes: number;
  readonly baseOffset: number;
  readonly nextOffset: number;
}

/**
 * Searches [from, to) for whole batches by magic and checksum, since lengths are lost behind
 * damage. Found batches have offsets of at least `offsetMin`; they do not overlap.
 */
export async function searchBatches(
  file: ReadableFile,
  range: ScanRange,
  offsetMin: number,
): Promise<readonly FoundBatch[]> {
  const found: FoundBatch[] = [];
  let memory = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let position = range.from;
  while (position + HEADER_BYTES <= range.to) {
    const wanted = Math.min(memory.length, range.to - position);
    const available = await readFully(file, memory, wanted, position);
    const isLast = available < wanted || position + available >= range.to;
    let start = 0;
    while (start + HEADER_BYTES <= available) {
      // Most bytes are told apart by this one, without a call.
      if (memory[start + MAGIC_POSITION] !== MAGIC) {
        start += 1;
        continue;
      }
      const outcome = inspectBatch(memory, start, available - start);
      if (outcome === 'need-more-bytes' && !isLast && batchBaseOffset(memory, start) >= offsetMin) {
        if (position + start + batchBytes(memory, start) <= range.to) break;
      }
      if (outcome !== 'batch' || batchBaseOffset(memory, start) < offsetMin) {
        start += 1;
        continue;
      }
      const bytes = batchBytes(memory, start);
      const baseOffset = batchBaseOffset(memory, start);
      const nextOffset = batchNextOffset(memory, start);
      found.push({ position: position + start, bytes, baseOffset, nextOffset });
      start += bytes;
    }
    if (isLast) break;
    if (start === 0) memory = Buffer.allocUnsafeSlow(batchBytes(memory, 0));
    position += start;
  }
  return found;
}
