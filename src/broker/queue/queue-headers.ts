/**
 * The headers that a queue adds to a message, and what it reads in them. A plain message has none.
 *
 *     millrace-group              the group that it is in order with
 *     millrace-ttl                how long it may wait, in milliseconds from its timestamp, as text
 *     millrace-deduplication-id   see `deduplication-header.ts`
 *     millrace-delayed            see `delayed-header.ts`
 *
 * Programs cannot send these by themselves. Headers of this prefix, also those of exchanges and of
 * requests, are not among the headers of a message that programs see.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { LogRecord, RecordHeader, RecordHeaderInput } from '../../storage/main.js';
import { DELAYED_HEADER } from '../delayed/delayed-header.js';
import { DEDUPLICATION_HEADER } from '../producer/deduplication-header.js';

export const GROUP_HEADER = 'millrace-group';
export const TTL_HEADER = 'millrace-ttl';

const own: readonly string[] = [GROUP_HEADER, TTL_HEADER, DEDUPLICATION_HEADER, DELAYED_HEADER];
const PREFIX = 'millrace-';
const TTL_DIGITS_MAX = 16;

/** Throws OPTION_INVALID for what only the queue itself may write. */
export function checkUserHeaders(headers: unknown): void {
  // What is no list of headers is refused when the record is checked.
  if (!Array.isArray(headers)) return;
  for (const header of headers) {
    if (typeof header !== 'object' || header === null || !('key' in header)) continue;
    if (!own.includes(header.key)) continue;
    const expected = 'other headers than those of the queue';
    throw createError('OPTION_INVALID', { option: 'headers', expected, actual: header.key });
  }
}

/** What the program gave, and behind it what the queue adds; undefined when there is nothing. */
export function headersToSend(
  given: readonly RecordHeaderInput[] | undefined,
  { group, ttlMs }: { readonly group?: string | undefined; readonly ttlMs?: number | undefined },
): readonly RecordHeaderInput[] | undefined {
  if (group === undefined && ttlMs === undefined) return given;
  const headers = [...(given ?? [])];
  if (group !== undefined) headers.push({ key: GROUP_HEADER, value: group });
  if (ttlMs !== undefined) headers.push({ key: TTL_HEADER, value: String(ttlMs) });
  return headers;
}

/** As the program that sent the message gave them. */
export function userHeaders(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  if (!headers.some(({ key }) => key.startsWith(PREFIX))) return headers;
  return headers.filter(({ key }) => !key.startsWith(PREFIX));
}

/** Without those of this queue: what a message keeps when it is sent on. */
export function keptHeaders(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  if (!headers.some(({ key }) => own.includes(key))) return headers;
  return headers.filter(({ key }) => !own.includes(key));
}

export function groupIn(headers: readonly RecordHeader[]): string | undefined {
  return textIn(headers, GROUP_HEADER);
}

export function textIn(headers: readonly RecordHeader[], name: string): string | undefined {
  return headerIn(headers, name)?.toString();
}

/** Undefined without one, and for what is no time. */
export function ttlMsIn(headers: readonly RecordHeader[]): number | undefined {
  const value = headerIn(headers, TTL_HEADER);
  if (value === undefined || value.length > TTL_DIGITS_MAX) return undefined;
  const text = value.toString('latin1');
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/**
 * What orders messages in a queue that is first in, first out: the group, else the key; those that
 * have neither are one group too. The two kinds are kept apart.
 */
export function orderKeyOf(record: LogRecord): string {
  const group = groupIn(record.headers);
  if (group !== undefined) return `g${group}`;
  const { keyText } = record;
  return keyText === undefined ? '' : `k${keyText}`;
}

/** Bytes of key, value and headers, as `LogRecord.contentBytes` counts them, or a few less. */
export function contentBytesOf(record: {
  readonly key?: Uint8Array | string | null | undefined;
  readonly value?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
}): number {
  let bytes = bytesIn(record.key) + bytesIn(record.value);
  for (const { key, value } of record.headers ?? []) bytes += bytesIn(key) + bytesIn(value);
  return bytes;
}

/** The same of a record that was read. */
export function storedBytesOf(record: LogRecord): number {
  const { key, value, headers } = record;
  return contentBytesOf({ key, value, headers });
}

function bytesIn(part: Uint8Array | string | null | undefined): number {
  if (part === null || part === undefined) return 0;
  return typeof part === 'string' ? Buffer.byteLength(part) : part.length;
}

function headerIn(headers: readonly RecordHeader[], name: string): Buffer | undefined {
  if (headers.length === 0) return undefined;
  return headers.find(({ key }) => key === name)?.value ?? undefined;
}

/** Throws OPTION_INVALID for what cannot be the name of a group. */
export function checkGroupName(group: unknown): asserts group is string {
  const max = limits.queueGroupBytesMax;
  const isName = typeof group === 'string' && group !== '' && Buffer.byteLength(group) <= max;
  if (isName) return;
  const expected = `a text of 1 to ${max} UTF-8 bytes`;
  throw createError('OPTION_INVALID', { option: 'group', expected });
}
