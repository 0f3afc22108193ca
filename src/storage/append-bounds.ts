/**
 * Checks what is appended, before anything is placed: valid records within the limits.
 *
 * The bound is cheap and never too small; only when it exceeds a limit is the exact size computed.
 */

import { assert } from '../base/assert.js';
import { createError } from '../base/errors.js';
import { HEADER_BYTES, RECORD_OVERHEAD_BYTES_MAX } from './batch-format.js';
import { checkRecord } from './batch-record-check.js';
import { recordBytes } from './batch-record-size.js';
import type { RecordInput } from './record.js';

export interface AppendLimits {
  /** A log that is compacted takes records with a key only. */
  readonly cleanup: 'delete' | 'compact' | 'compact,delete';
  readonly recordBytesMax: number;
  readonly batchBytesMax: number;
}

/** What {@link checkOne} has found of each record of a list. */
export interface CheckedRecords {
  /** What each of them was held against. */
  readonly limits: AppendLimits;
  /** The sum of the bounds. */
  readonly bytes: number;
}

const isDebug = process.env['MILLRACE_DEBUG'] === '1';

/** The two lengths of a header, at their longest. */
const HEADER_OVERHEAD_MAX = 10;
/** A UTF-16 unit takes at most three bytes in UTF-8. */
const BYTES_PER_UNIT_MAX = 3;

/** A bound of the encoded bytes of one record, batch header not included. Throws typed errors. */
export function checkOne(record: RecordInput, limits: AppendLimits, index: number): number {
  checkRecord(record);
  if (limits.cleanup !== 'delete' && (record.key === undefined || record.key === null)) {
    throw createError('KEY_REQUIRED', { index, cleanup: limits.cleanup });
  }
  const bound = recordBound(record);
  if (bound <= limits.recordBytesMax) return bound;
  const exact = exactBytes(record);
  if (exact > limits.recordBytesMax) {
    throw createError('RECORD_TOO_LARGE', {
      index,
      expected: `at most ${limits.recordBytesMax} bytes`,
      actual: exact,
    });
  }
  return exact + RECORD_OVERHEAD_BYTES_MAX;
}

/** The same for the records of one append, which become one batch. */
export function checkRecords(records: readonly RecordInput[], limits: AppendLimits): number {
  if (!Array.isArray(records) || records.length === 0) {
    throw createError('RECORD_INVALID', {
      field: 'records',
      reason: 'an append takes a list of at least one record',
      actual: Array.isArray(records) ? 'an empty list' : typeof records,
    });
  }
  let bound = 0;
  for (let index = 0; index < records.length; index++) {
    const record = records[index];
    if (record === undefined) {
      throw createError('RECORD_INVALID', { field: 'records', reason: 'a hole', actual: index });
    }
    bound += checkOne(record, limits, index);
  }
  if (bound + HEADER_BYTES > limits.batchBytesMax && records.length > 1) {
    const exact = records.reduce((sum, record) => sum + exactBytes(record), HEADER_BYTES);
    if (exact > limits.batchBytesMax) {
      throw createError('BATCH_TOO_LARGE', {
        records: records.length,
        expected: `at most ${limits.batchBytesMax} bytes`,
        actual: exact,
      });
    }
  }
  return bound;
}

/**
 * The same for records that may have been checked one by one. Those are not looked at again when
 * the limits were these, and all of them together fit in a batch for certain.
 */
export function boundOf(
  records: readonly RecordInput[],
  limits: AppendLimits,
  checked: CheckedRecords | undefined,
): number {
  if (checked === undefined || records.length === 0 || !isWithin(checked, limits)) {
    return checkRecords(records, limits);
  }
  const { bytes } = checked;
  if (isDebug) assert(checkRecords(records, limits) <= bytes, 'checked records have their bound');
  return bytes;
}

function isWithin({ limits: known, bytes }: CheckedRecords, limits: AppendLimits): boolean {
  return (
    known.cleanup === limits.cleanup &&
    known.recordBytesMax === limits.recordBytesMax &&
    bytes + HEADER_BYTES <= limits.batchBytesMax
  );
}

function recordBound(record: RecordInput): number {
  let bound = RECORD_OVERHEAD_BYTES_MAX + bytesBound(record.key) + bytesBound(record.value);
  const { headers } = record;
  if (headers !== undefined) {
    for (const header of headers) {
      bound += HEADER_OVERHEAD_MAX + header.key.length * BYTES_PER_UNIT_MAX;
      bound += bytesBound(header.value);
    }
  }
  return bound;
}

function bytesBound(bytes: Uint8Array | string | null | undefined): number {
  if (bytes === null || bytes === undefined) return 0;
  return typeof bytes === 'string' ? bytes.length * BYTES_PER_UNIT_MAX : bytes.length;
}

function exactBytes(record: RecordInput): number {
  return recordBytes(record.key, record.value, record.headers);
}
