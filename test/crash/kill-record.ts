/**
 * Records whose whole content follows from (seed, cycle, number).
 *
 * The key names the record, so who reads one can make it again and compare: the check of a log
 * needs no memory of what was sent. Sizes, tombstones, headers and timestamps vary.
 */

import type { RecordHeaderInput, RecordInput } from '../../src/storage/record.js';
import type { LogRecord } from '../../src/storage/record-view.js';

const KEY_BYTES = 12;
const BASE_TIMESTAMP_MS = 1_700_000_000_000;
const LARGE_BYTES_MAX = 6000;
const SMALL_BYTES_MAX = 180;

export interface RecordName {
  readonly cycle: number;
  readonly number: number;
}

/** The record `number` that the process of `cycle` sends. */
export function killRecord(seed: number, cycle: number, number: number): RecordInput {
  const key = Buffer.allocUnsafeSlow(KEY_BYTES);
  key.writeUInt32BE(cycle, 0);
  key.writeUInt32BE(number, 4);
  let state = mix(mix(mix(seed) ^ cycle) ^ number);
  key.writeUInt32BE(state, 8);
  const kind = state % 64;
  if (kind === 0) return { key, value: null, timestamp: timestampOf(number) };
  const bytes = (state >>> 8) % (kind === 1 ? LARGE_BYTES_MAX : SMALL_BYTES_MAX);
  const value = Buffer.allocUnsafeSlow(bytes);
  for (let index = 0; index < bytes; index += 4) {
    state = mix(state + index);
    // Half of each word repeats, so that codecs find something to save.
    for (let at = index; at < Math.min(index + 4, bytes); at += 1) {
      value[at] = at % 2 === 0 ? number & 255 : state >>> (8 * (at - index));
    }
  }
  const headers: RecordHeaderInput[] =
    kind === 2 ? [{ key: `h${number}`, value: String(cycle) }, { key: 'none' }] : [];
  return { key, value, headers, timestamp: timestampOf(number) };
}

/** What a stored record says it is, or undefined when its key is none of ours. */
export function nameOf(record: LogRecord): RecordName | undefined {
  const { key } = record;
  if (key?.length !== KEY_BYTES) return undefined;
  return { cycle: key.readUInt32BE(0), number: key.readUInt32BE(4) };
}

/** Whether a stored record is, in every part, the one of its name. */
export function isUnchanged(seed: number, record: LogRecord, name: RecordName): boolean {
  const expected = killRecord(seed, name.cycle, name.number);
  const { headers = [] } = expected;
  const found = record.headers;
  return (
    record.timestamp === expected.timestamp &&
    isEqual(record.key, expected.key) &&
    isEqual(record.value, expected.value) &&
    found.length === headers.length &&
    headers.every(({ key, value }, index) => {
      const other = found[index];
      return other?.key === key && isEqual(bytesOf(other?.value), value);
    })
  );
}

function isEqual(
  found: Uint8Array | null | undefined,
  expected: Uint8Array | string | null | undefined,
): boolean {
  if (found === null || found === undefined) return expected === null || expected === undefined;
  if (expected === null || expected === undefined) return false;
  return Buffer.compare(found, Buffer.from(expected)) === 0;
}

function bytesOf(value: Uint8Array | string | null | undefined): Uint8Array | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? Buffer.from(value) : value;
}

function timestampOf(number: number): number {
  return BASE_TIMESTAMP_MS + number;
}

function mix(value: number): number {
  let bits = (value + 0x9e37_79b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x21f0_aaad);
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a_2d97);
  return (bits ^ (bits >>> 15)) >>> 0;
}
