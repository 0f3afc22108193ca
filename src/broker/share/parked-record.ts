/**
 * How a parked message lies in the log of its topic's parked messages.
 *
 *     key      <partition>/<offset>/<group>
 *     value    flags 1 B (1: it has a key, 2: it has a value), key length 4 B, key, value
 *
 * Headers and time are those of the message. The log is compacted: a message that is done with gets
 * a tombstone, and what was parked twice counts once.
 */

import { readUint32, writeUint32 } from '../../base/bytes.js';
import { createError } from '../../base/errors.js';
import type { LogRecord, RecordInput } from '../../storage/main.js';

export interface ParkedPlace {
  readonly partition: number;
  readonly offset: number;
  readonly group: string;
}

const HEAD_BYTES = 5;
const HAS_KEY = 1;
const HAS_VALUE = 2;
const KEY = /^(0|[1-9]\d{0,5})\/(0|[1-9]\d{0,15})\/(.+)$/s;

/** What parking adds to a record, in bytes, at the most. */
export const PARKED_BYTES_MAX = 1_024;

export function parkedKey({ partition, offset, group }: ParkedPlace): string {
  return `${partition}/${offset}/${group}`;
}

/** Throws LOG_CORRUPT. */
export function placeOfKey(key: string | undefined): ParkedPlace {
  const [, partition, offset, group] = KEY.exec(key ?? '') ?? [];
  const place = { partition: Number(partition), offset: Number(offset), group: group ?? '' };
  if (group !== undefined && Number.isSafeInteger(place.offset)) return place;
  throw createError('LOG_CORRUPT', { key: key ?? null, expected: 'the place of a parked message' });
}

export function parkedInput(place: ParkedPlace, record: LogRecord): RecordInput {
  const { key, value, headers, timestamp } = record;
  const head = Buffer.alloc(HEAD_BYTES);
  head[0] = (key === null ? 0 : HAS_KEY) | (value === null ? 0 : HAS_VALUE);
  writeUint32(head, 1, key?.length ?? 0);
  return {
    key: parkedKey(place),
    value: Buffer.concat([head, key ?? Buffer.alloc(0), value ?? Buffer.alloc(0)]),
    headers,
    ...(timestamp >= 0 ? { timestamp } : {}),
  };
}

/** The message as it was, with its own offset. Throws LOG_CORRUPT. */
export function unparked(offset: number, parked: LogRecord): LogRecord {
  const { value } = parked;
  const flags = value?.[0] ?? 0;
  const keyBytes = value === null || value.length < HEAD_BYTES ? -1 : readUint32(value, 1);
  const isWhole = value !== null && keyBytes >= 0 && HEAD_BYTES + keyBytes <= value.length;
  if (!isWhole || flags > (HAS_KEY | HAS_VALUE)) {
    throw createError('LOG_CORRUPT', { offset, expected: 'a parked message' });
  }
  return parked.inner({
    offset,
    start: HEAD_BYTES,
    keyBytes: (flags & HAS_KEY) === 0 ? -1 : keyBytes,
    hasValue: (flags & HAS_VALUE) !== 0,
  });
}
