/**
 * What the headers of a dead letter say, and the message that it was.
 */

import type { LogRecord, RecordHeader, RecordHeaderInput } from '../../storage/main.js';
import { DEAD_LETTER_PREFIX } from '../process/process-dead-letter.js';
import { groupIn, keptHeaders, userHeaders } from '../queue/queue-headers.js';

export interface DeadLetterNote {
  /** The queue that the message was given up in; absent for other topics. */
  readonly queue: string | undefined;
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Of the original, in milliseconds since 1970. */
  readonly timestamp: number | undefined;
  readonly group: string | undefined;
  readonly reason: string;
  /** Of the error, else its name. */
  readonly code: string | undefined;
  /** When it was given up, in milliseconds since 1970. */
  readonly timeMs: number;
  readonly attempts: number;
  readonly deliveries: number | undefined;
  readonly failures: number | undefined;
  /** Parts of the message that the letter does not have. */
  readonly omitted: string | undefined;
}

/** A message that is sent to a queue once more. */
export interface RedrivenMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeaderInput[];
  readonly priority: number;
  readonly group: string | undefined;
  readonly ttlMs: number | undefined;
  /** At once, whatever the queue's own delay is. */
  readonly delayMs: 0;
}

/** Undefined for a message that is no dead letter. */
export function noteIn(headers: readonly RecordHeader[]): DeadLetterNote | undefined {
  const texts = new Map<string, string>();
  for (const { key, value } of headers) {
    if (key.startsWith(DEAD_LETTER_PREFIX)) {
      texts.set(key.slice(DEAD_LETTER_PREFIX.length), String(value ?? ''));
    }
  }
  const topic = texts.get('topic');
  if (topic === undefined) return undefined;
  return {
    queue: texts.get('queue'),
    topic,
    partition: numberOf(texts.get('partition')) ?? 0,
    offset: numberOf(texts.get('offset')) ?? 0,
    timestamp: numberOf(texts.get('timestamp')),
    group: texts.get('group'),
    reason: texts.get('reason') ?? '',
    code: texts.get('code'),
    timeMs: numberOf(texts.get('time')) ?? 0,
    attempts: numberOf(texts.get('attempts')) ?? 0,
    deliveries: numberOf(texts.get('deliveries')),
    failures: numberOf(texts.get('failures')),
    omitted: texts.get('omitted'),
  };
}

/** As it was sent; its time to live begins anew. The priority is one that the target has. */
export function messageToSend(
  { key, value, headers }: LogRecord,
  partition: number,
  partitions: number,
): RedrivenMessage {
  const note = noteIn(headers);
  const ttl = headers.find((header) => header.key === `${DEAD_LETTER_PREFIX}ttl`)?.value;
  return {
    key,
    value,
    headers: movedHeaders(headers),
    priority: Math.min(note?.partition ?? partition, partitions - 1),
    group: groupIn(headers),
    ttlMs: ttl === null || ttl === undefined ? undefined : numberOf(ttl.toString('latin1')),
    delayMs: 0,
  };
}

/** Without those of the dead letter, and those that a queue adds. */
export function sentHeaders(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  return userHeaders(headers).filter(({ key }) => !key.startsWith(DEAD_LETTER_PREFIX));
}

/** The same, with what exchanges and requests have added: where it came from, where replies go. */
export function movedHeaders(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  return keptHeaders(headers).filter(({ key }) => !key.startsWith(DEAD_LETTER_PREFIX));
}

function numberOf(text: string | undefined): number | undefined {
  const parsed = Number(text);
  return text !== undefined && Number.isSafeInteger(parsed) && parsed >= 0 ? parsed : undefined;
}
