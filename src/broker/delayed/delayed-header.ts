/**
 * What a message carries while it waits: when it is due, and where it goes.
 *
 *     form       1 byte: 1
 *     due        6 bytes, big-endian: wall time in milliseconds since 1970
 *     partition  2 bytes, big-endian: of the queue's topic
 *     id         8 bytes, big-endian: of a copy, the id of the message; all ones when it is none
 *
 * The id of a message is the offset at which it was sent. When it enters, the header tells it as
 * text, `d` and the offset, which takes no more room: what fits while it waits fits when it enters.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { RecordHeader, RecordHeaderInput } from '../../storage/main.js';
import { DUE_MS_MAX } from './delayed-entry.js';

export const DELAYED_HEADER = 'millrace-delayed';

const FORM = 1;
const HEADER_BYTES = 17;
const DUE_BYTES = 6;
const NO_ID = 0xffff_ffff_ffff_ffffn;
const ID = /^d(0|[1-9]\d{0,15})$/;

export interface DelayedPlace {
  readonly dueMs: number;
  readonly partition: number;
  /** Of a copy; undefined of a message as it was sent. */
  readonly id: number | undefined;
}

export function delayedHeader({ dueMs, partition, id }: DelayedPlace): RecordHeaderInput {
  const value = Buffer.alloc(HEADER_BYTES);
  value[0] = FORM;
  value.writeUIntBE(dueMs, 1, DUE_BYTES);
  value.writeUInt16BE(partition, 1 + DUE_BYTES);
  value.writeBigUInt64BE(id === undefined ? NO_ID : BigInt(id), 3 + DUE_BYTES);
  return { key: DELAYED_HEADER, value };
}

/** Throws LOG_CORRUPT when the record was not written to wait, FORMAT_UNSUPPORTED. */
export function readDelayedHeader(headers: readonly RecordHeader[], offset: number): DelayedPlace {
  const value = headers.find(({ key }) => key === DELAYED_HEADER)?.value;
  const form = value?.[0] ?? 0;
  if (form > FORM)
    throw createError('FORMAT_UNSUPPORTED', { offset, expected: FORM, actual: form });
  if (value?.length !== HEADER_BYTES || form !== FORM) throw damaged(offset);
  const dueMs = value.readUIntBE(1, DUE_BYTES);
  const id = value.readBigUInt64BE(3 + DUE_BYTES);
  const isCopy = id !== NO_ID;
  if (dueMs > DUE_MS_MAX || (isCopy && id >= BigInt(offset))) throw damaged(offset);
  return {
    dueMs,
    partition: value.readUInt16BE(1 + DUE_BYTES),
    id: isCopy ? Number(id) : undefined,
  };
}

/** The header of a message that has entered. */
export function enteredHeader(id: number): RecordHeaderInput {
  return { key: DELAYED_HEADER, value: delayedIdText(id) };
}

/** The id of a delayed message as text. */
export function delayedIdText(id: number): string {
  return `d${id}`;
}

/** The id that the text stands for; undefined when it is none of a delayed message. */
export function delayedIdOf(text: string): number | undefined {
  const id = Number(ID.exec(text)?.[1]);
  return Number.isSafeInteger(id) && id <= limits.offsetMax ? id : undefined;
}

/**
 * The number of a message that waits, or has waited and has entered; undefined of others. Throws as
 * `readDelayedHeader`.
 */
export function waitingNumber(
  headers: readonly RecordHeader[],
  offset: number,
  isWaiting: boolean,
): number | undefined {
  if (isWaiting) return readDelayedHeader(headers, offset).id ?? offset;
  const text = headers.find(({ key }) => key === DELAYED_HEADER)?.value?.toString();
  return text === undefined ? undefined : delayedIdOf(text);
}

function damaged(offset: number): Error {
  return createError('LOG_CORRUPT', { offset, expected: 'a message with a delay' });
}
