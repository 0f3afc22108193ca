/**
 * A deduplication id as it lies in a record: one header, written in the same batch as the record.
 *
 * So id and record are one atomic write: a crash leaves both or neither, whatever the moment. The
 * value is plain text, `<last 8 digits of the topic's id>:<milliseconds since 1970>:<id>`. The
 * time is that of the send, because a record's own timestamp is up to the program; the topic's id
 * is there because headers are copied from topic to topic, and an id counts in its own topic only.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { isName } from '../../base/options.js';

/** Readers see it among the headers of the record. */
export const DEDUPLICATION_HEADER = 'millrace-deduplication-id';

const TOPIC_DIGITS = 8;
/** Bytes in front of the id: the topic's digits, a time of at most 16 digits, two colons. */
const PREFIX_BYTES_MAX = TOPIC_DIGITS + 16 + 2;
/** It would not come back from the log as it was given. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export interface StoredId {
  readonly id: string;
  /** When it was sent, milliseconds since 1970. */
  readonly sentMs: number;
}

/** Throws OPTION_INVALID for what cannot be an id. */
export function checkDeduplicationId(id: unknown): asserts id is string {
  const bytesMax = limits.deduplicationIdBytesMax;
  if (isName(id, bytesMax) && !LONE_SURROGATE.test(id)) return;
  const expected = `a text of 1 to ${bytesMax} UTF-8 bytes`;
  throw createError('OPTION_INVALID', { option: 'deduplicationId', expected });
}

export function encodeStoredId(topicId: string, { id, sentMs }: StoredId): string {
  return `${topicId.slice(-TOPIC_DIGITS)}:${sentMs}:${id}`;
}

/** The id in the value of a header; undefined when it is of another topic, or none. */
export function decodeStoredId(topicId: string, value: Buffer | null): StoredId | undefined {
  if (value === null || value.length > PREFIX_BYTES_MAX + limits.deduplicationIdBytesMax) {
    return undefined;
  }
  const text = value.toString();
  if (!text.startsWith(`${topicId.slice(-TOPIC_DIGITS)}:`)) return undefined;
  const timeEnd = text.indexOf(':', TOPIC_DIGITS + 1);
  const id = text.slice(timeEnd + 1);
  const sentMs = Number(text.slice(TOPIC_DIGITS + 1, Math.max(timeEnd, TOPIC_DIGITS + 1)) || -1);
  return id !== '' && Number.isSafeInteger(sentMs) && sentMs >= 0 ? { id, sentMs } : undefined;
}
