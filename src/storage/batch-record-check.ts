/**
 * Says whether a caller's record can be stored, before anything is written.
 *
 * The encoder trusts its input: this check, once per record at the door, is what makes that right.
 * It costs a few comparisons for a record without headers. Sizes are not its business: the limit of
 * a log is compared with `recordBytes`.
 */

import { createError, type MillraceError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import type { RecordHeaderInput, RecordInput } from './record.js';

/** Throws `RECORD_INVALID`, which names the field, what was found and what is asked for. */
export function checkRecord(record: RecordInput): void {
  if (typeof record !== 'object' || record === null) {
    throw invalid('record', 'an object', record);
  }
  const { key, value, headers, timestamp } = record;
  if (!isBytesInput(key)) throw invalid('key', 'bytes, a string or null', key);
  if (!isBytesInput(value)) throw invalid('value', 'bytes, a string or null', value);
  if (timestamp !== undefined && !isTimestamp(timestamp)) {
    throw invalid('timestamp', 'a whole number of milliseconds, 0 or more', timestamp);
  }
  if (headers !== undefined) checkHeaders(headers);
}

/** Whether `value` is a time that a record may carry. */
export function isTimestamp(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function checkHeaders(headers: readonly RecordHeaderInput[]): void {
  if (!Array.isArray(headers)) throw invalid('headers', 'an array', headers);
  if (headers.length > limits.recordHeadersMax) {
    throw invalid('headers', `at most ${limits.recordHeadersMax} headers`, headers.length);
  }
  for (let index = 0; index < headers.length; index += 1) {
    const header: unknown = headers[index];
    if (typeof header !== 'object' || header === null) {
      throw invalid(`headers[${index}]`, 'an object', header);
    }
    const { key, value } = header as { key?: unknown; value?: unknown };
    if (typeof key !== 'string') throw invalid(`headers[${index}].key`, 'a string', key);
    if (!isBytesInput(value)) {
      throw invalid(`headers[${index}].value`, 'bytes, a string or null', value);
    }
  }
}

function isBytesInput(input: unknown): boolean {
  return (
    input === undefined ||
    input === null ||
    typeof input === 'string' ||
    input instanceof Uint8Array
  );
}

function invalid(field: string, expected: string, actual: unknown): MillraceError {
  return createError('RECORD_INVALID', { field, expected, actual: describe(actual) });
}

/** Enough to recognise the value by: never its content, which may be large or secret. */
function describe(actual: unknown): string | number | boolean | null {
  if (actual === null || typeof actual === 'number' || typeof actual === 'boolean') return actual;
  if (typeof actual !== 'object') return typeof actual;
  return actual.constructor?.name ?? 'object';
}
