/**
 * A dead letter: the record as it was, and in headers where it came from and what became of it.
 *
 *     dead-letter-topic, -partition, -offset   where the record is
 *     dead-letter-timestamp                    its time, milliseconds since 1970
 *     dead-letter-queue                        the queue that had it; absent for other topics
 *     dead-letter-group                        whose handler failed
 *     dead-letter-attempts                     how often it was tried
 *     dead-letter-deliveries, -failures        of a share group: how often it was given out, and
 *                                              how many of those have failed
 *     dead-letter-reason                       the message of the last error, cut to 1,000 letters
 *     dead-letter-code                         its code, else its name; absent without one
 *     dead-letter-time                         when it was given up, milliseconds since 1970
 *     dead-letter-ttl                          `millrace-ttl` as it was: letters do not expire
 *     dead-letter-omitted                      what was left out because the topic does not take it
 *
 * Values are text. A record that was a dead letter before loses those headers of then.
 */

import { hasCode } from '../../base/errors.js';
import {
  type AppendLimits,
  checkOne,
  type LogRecord,
  type RecordHeaderInput,
  type RecordInput,
} from '../../storage/main.js';

/** Why a record was given up: what letters are grouped by. */
export interface DeadLetterCause {
  readonly reason: string;
  readonly code?: string | undefined;
}

export interface DeadLetterFacts {
  readonly topic: string;
  readonly partition: number;
  readonly group: string;
  readonly queue?: string | undefined;
  readonly attempts: number;
  readonly deliveries?: number | undefined;
  readonly failures?: number | undefined;
  readonly cause: DeadLetterCause;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
}

export const DEAD_LETTER_PREFIX = 'dead-letter-';
/** The time to live of a queue's message, which would count on in the dead letters. */
const TTL_HEADER = 'millrace-ttl';
const REASON_CHARACTERS_MAX = 1_000;
const CODE_CHARACTERS_MAX = 100;

/** What these headers add to a record, in bytes, at the most. */
export const DEAD_LETTER_BYTES_MAX = 8 * 1024;

/** What is left out, more and more, until a topic with smaller records takes the letter. */
const omissions = [[], ['value', 'headers'], ['value', 'headers', 'key']] as const;

type Omission = (typeof omissions)[number][number];

/**
 * The record to send to a topic that takes what `limits` say. Throws KEY_REQUIRED for a record
 * without a key, when the topic compacts; RECORD_TOO_LARGE when nothing is small enough for it.
 */
export function deadLetterOf(
  record: LogRecord,
  facts: DeadLetterFacts,
  limits: AppendLimits,
): RecordInput {
  let refusal: unknown;
  for (const omitted of omissions) {
    const letter = letterWithout(omitted, record, facts);
    try {
      checkOne(letter, limits, 0);
      return letter;
    } catch (error) {
      refusal ??= error;
      const isTooMuch = hasCode(error, 'RECORD_TOO_LARGE') || hasCode(error, 'RECORD_INVALID');
      if (!isTooMuch) throw error;
    }
  }
  throw refusal;
}

function letterWithout(
  omitted: readonly Omission[],
  record: LogRecord,
  facts: DeadLetterFacts,
): RecordInput {
  const isThere = (part: Omission): boolean => !omitted.includes(part);
  const { key, value, headers, timestamp } = record;
  const kept = headers.filter((header) => !isReplaced(header.key));
  return {
    key: isThere('key') ? key : null,
    value: isThere('value') ? value : null,
    headers: [
      ...(isThere('headers') ? kept : []),
      ...factHeaders(record, facts),
      ...(omitted.length > 0 ? [header('omitted', omitted.join(', '))] : []),
    ],
    ...(timestamp >= 0 ? { timestamp } : {}),
  };
}

function factHeaders(record: LogRecord, facts: DeadLetterFacts): RecordHeaderInput[] {
  const { topic, partition, group, queue, attempts, deliveries, failures, timeMs } = facts;
  const { reason, code } = facts.cause;
  const ttl = record.headers.find(({ key }) => key === TTL_HEADER)?.value?.toString();
  return [
    header('topic', topic),
    header('partition', partition),
    header('offset', record.offset),
    header('timestamp', record.timestamp),
    ...known('queue', queue),
    header('group', group),
    header('attempts', attempts),
    ...known('deliveries', deliveries),
    ...known('failures', failures),
    header('reason', reason),
    ...known('code', code),
    header('time', timeMs),
    ...known('ttl', ttl),
  ];
}

function isReplaced(key: string): boolean {
  return key === TTL_HEADER || key.startsWith(DEAD_LETTER_PREFIX);
}

function known(name: string, value: string | number | undefined): RecordHeaderInput[] {
  return value === undefined ? [] : [header(name, value)];
}

function header(name: string, value: string | number): RecordHeaderInput {
  return { key: `${DEAD_LETTER_PREFIX}${name}`, value: String(value) };
}

/** The cause in what a handler threw. */
export function causeOf(error: unknown): DeadLetterCause {
  return { reason: reasonOf(error), code: codeOf(error) };
}

/** What a handler throws is not ours: nothing of it is run but what text needs. */
function reasonOf(error: unknown): string {
  try {
    const text = error instanceof Error ? error.message : String(error);
    return String(text).slice(0, REASON_CHARACTERS_MAX);
  } catch {
    return 'an error that has no text';
  }
}

function codeOf(error: unknown): string | undefined {
  try {
    if (typeof error !== 'object' || error === null) return undefined;
    if ('code' in error && typeof error.code === 'string') return cut(error.code);
    if ('name' in error && typeof error.name === 'string') return cut(error.name);
    return undefined;
  } catch {
    return undefined;
  }
}

function cut(text: string): string {
  return text.slice(0, CODE_CHARACTERS_MAX);
}
