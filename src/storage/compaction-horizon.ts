/**
 * Gives the records of a batch a delete horizon: their timestamps are rewritten against it.
 *
 * A batch with a horizon carries it in the field of the base timestamp, so every timestamp delta
 * becomes the distance to the horizon. All else of a record is copied as it is. The records were
 * walked before: their lengths are sound.
 */

import { ATTRIBUTE_LOG_APPEND_TIME, RECORD_ATTRIBUTES_BYTES } from './batch-format.js';
import { batchAttributes, batchBaseTimestamp, batchMaxTimestamp } from './batch-header.js';
import {
  readVarint,
  readVarlong,
  varintEnd,
  varlongBytes,
  writeCount,
  writeVarlong,
} from './varint.js';

/** A delta grows to ten bytes at the most, and the length before it by four. */
const GROWTH_BYTES_MAX = 13;

/** A compressor may do worse than the one before: for each byte, this much more. */
const RECOMPRESSION_GROWTH_MAX = 0.25;

/** The memory that the rewritten records need at most. */
export function horizonBytesMax(bytes: number, count: number): number {
  return bytes + count * GROWTH_BYTES_MAX;
}

/** By how much a batch of this size and number of records may grow on the disk. */
export function horizonGrowthMax(bytes: number, count: number): number {
  return count * GROWTH_BYTES_MAX + Math.ceil(bytes * RECOMPRESSION_GROWTH_MAX);
}

/**
 * Writes the records `bytes[start, end)` of the batch whose header is at `position` of `header` to
 * `target`, from `at` on, and returns the position behind them. `'inexact'` when a timestamp of
 * foreign bytes is beyond what a number holds: such a batch cannot be given a horizon.
 */
export function rewriteTimestamps(
  header: Uint8Array,
  position: number,
  bytes: Buffer,
  start: number,
  end: number,
  horizonMs: number,
  target: Buffer,
  at: number,
): number | 'inexact' {
  const isAppendTime = (batchAttributes(header, position) & ATTRIBUTE_LOG_APPEND_TIME) !== 0;
  const base = isAppendTime
    ? batchMaxTimestamp(header, position)
    : batchBaseTimestamp(header, position);
  while (start < end) {
    const length = readVarint(bytes, start, end);
    const bodyStart = varintEnd(bytes, start);
    const recordEnd = bodyStart + length;
    const deltaStart = bodyStart + RECORD_ATTRIBUTES_BYTES;
    const delta = readVarlong(bytes, deltaStart, recordEnd);
    const deltaEnd = varintEnd(bytes, deltaStart);
    const timestamp = isAppendTime ? base : base + delta;
    const distance = timestamp - horizonMs;
    if (!isExact(base) || !isExact(delta) || !isExact(timestamp) || !isExact(distance)) {
      return 'inexact';
    }
    const oldBytes = deltaEnd - deltaStart;
    at = writeCount(target, at, length - oldBytes + varlongBytes(distance));
    target[at] = bytes[bodyStart] as number;
    at = writeVarlong(target, at + RECORD_ATTRIBUTES_BYTES, distance);
    bytes.copy(target, at, deltaEnd, recordEnd);
    at += recordEnd - deltaEnd;
    start = recordEnd;
  }
  return at;
}

function isExact(value: number): boolean {
  return Number.isSafeInteger(value);
}
