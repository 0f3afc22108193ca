/**
 * Records for the benchmarks: built before anything is timed, all different.
 *
 * The values are views of one buffer filled by a small generator with a fixed seed: every run has
 * the same records, and neither side profits from repeated bytes.
 */

import { crc32c } from '../src/base/crc32c.js';
import type { RecordInput } from '../src/storage/main.js';

export interface Records {
  readonly all: readonly RecordInput[];
  readonly valueBytes: number;
  /** CRC-32C of all values, one after the other. */
  readonly checksum: number;
}

export function makeRecords(
  count: number,
  valueBytes: number,
  timestampOf?: (index: number) => number,
): Records {
  const bytes = Buffer.allocUnsafeSlow(count * valueBytes);
  fill(bytes);
  const all = Array.from({ length: count }, (_, index): RecordInput => {
    const value = bytes.subarray(index * valueBytes, (index + 1) * valueBytes);
    return timestampOf === undefined ? { value } : { value, timestamp: timestampOf(index) };
  });
  return { all, valueBytes, checksum: crc32c(bytes, 0, bytes.length) };
}

/** CRC-32C of the values, one after the other. */
export function checksumOf(records: readonly RecordInput[]): number {
  let checksum = 0;
  for (const { value } of records) {
    if (value instanceof Uint8Array) checksum = crc32c(value, 0, value.length, checksum);
  }
  return checksum;
}

/** Groups of `batch` records; the last one may be smaller. */
export function inBatches(
  records: readonly RecordInput[],
  batch: number,
): readonly (readonly RecordInput[])[] {
  const batches: (readonly RecordInput[])[] = [];
  for (let start = 0; start < records.length; start += batch) {
    batches.push(records.slice(start, start + batch));
  }
  return batches;
}

export function hex(checksum: number): string {
  return checksum.toString(16).padStart(8, '0');
}

/** Marsaglia's xorshift32: plenty for bytes that must only differ. */
function fill(bytes: Buffer): void {
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  let state = 0x9e37_79b9;
  for (let index = 0; index < words.length; index += 1) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  bytes.fill(state & 255, words.length * 4);
}
