/**
 * Which messages somebody who looks after a queue means.
 */

import { createError } from '../../base/errors.js';
import type { LogRecord } from '../../storage/main.js';
import { type DeadLetterNote, noteIn } from './queue-triage-letter.js';

export interface TriageFilter<Message> {
  /** Text in the reason of the dead letter. */
  readonly reason?: string | undefined;
  /** The code of the dead letter. */
  readonly code?: string | undefined;
  readonly key?: string | undefined;
  /** There is such a header, with this value if one is given. */
  readonly header?: { readonly key: string; readonly value?: string | undefined } | undefined;
  /** Given up, or else sent, at this time or later; milliseconds since 1970. */
  readonly afterMs?: number | undefined;
  /** Before this time. */
  readonly beforeMs?: number | undefined;
  /** Asked last. */
  readonly where?: ((message: Message) => boolean) | undefined;
}

const texts = ['reason', 'code', 'key'] as const;
const times = ['afterMs', 'beforeMs'] as const;
const known: readonly string[] = [...texts, ...times, 'header', 'where'];

/** Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function checkFilter(filter: TriageFilter<never>): void {
  if (typeof filter !== 'object' || filter === null) throw invalid('filter', 'an object');
  for (const option of Object.keys(filter)) {
    if (!known.includes(option)) throw createError('OPTION_UNKNOWN', { option, where: 'filter' });
  }
  for (const option of texts) {
    const value = filter[option];
    if (value !== undefined && typeof value !== 'string') throw invalid(option, 'a text');
  }
  for (const option of times) {
    const value = filter[option];
    if (value !== undefined && !Number.isFinite(value)) throw invalid(option, 'milliseconds');
  }
  if (filter.where !== undefined && typeof filter.where !== 'function') {
    throw invalid('where', 'a function');
  }
  const { header } = filter;
  if (header === undefined) return;
  const isHeader = typeof header === 'object' && header !== null && typeof header.key === 'string';
  if (isHeader && ['string', 'undefined'].includes(typeof header.value)) return;
  throw invalid('header', 'a key, and perhaps a value');
}

/** All but `where`. */
export function matches(filter: TriageFilter<never>, record: LogRecord): boolean {
  const { reason, code, key, header, afterMs, beforeMs } = filter;
  if (key !== undefined && record.key?.toString() !== key) return false;
  if (header !== undefined) {
    const { value } = header;
    const isThere = record.headers.some(
      (one) => one.key === header.key && (value === undefined || one.value?.toString() === value),
    );
    if (!isThere) return false;
  }
  if (
    reason === undefined &&
    code === undefined &&
    afterMs === undefined &&
    beforeMs === undefined
  ) {
    return true;
  }
  const note = noteIn(record.headers);
  if (reason !== undefined && note?.reason.includes(reason) !== true) return false;
  if (code !== undefined && note?.code !== code) return false;
  const timeMs = timeOf(record, note);
  return timeMs >= (afterMs ?? -Infinity) && timeMs < (beforeMs ?? Infinity);
}

/** When it was given up, or else sent. */
export function timeOf(record: LogRecord, note = noteIn(record.headers)): number {
  return note?.timeMs ?? record.timestamp;
}

/** The errors of a queue's messages, counted. */
export interface ErrorGroup<Message> {
  readonly reason: string;
  readonly code: string | undefined;
  readonly count: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** The first one that was seen. */
  readonly sample: Message;
}

type Counted<Message> = {
  -readonly [Field in keyof ErrorGroup<Message>]: ErrorGroup<Message>[Field];
};

/** Groups that are told apart; what comes beyond them is one more group. */
const GROUPS_MAX = 1_000;

export class ErrorGroups<Message> {
  readonly #groups = new Map<string, Counted<Message>>();
  #messages = 0;

  get messages(): number {
    return this.#messages;
  }

  /** Those with the most messages first. */
  get list(): readonly ErrorGroup<Message>[] {
    return [...this.#groups.values()].sort((one, other) => other.count - one.count);
  }

  add(record: LogRecord, sampleOf: () => Message): void {
    const note = noteIn(record.headers);
    const timeMs = timeOf(record, note);
    const group = this.#groupOf(note, sampleOf);
    this.#messages += 1;
    group.count += 1;
    group.firstMs = Math.min(group.firstMs, timeMs);
    group.lastMs = Math.max(group.lastMs, timeMs);
  }

  #groupOf(note: DeadLetterNote | undefined, sampleOf: () => Message): Counted<Message> {
    const { reason = 'no dead letter', code } = note ?? {};
    const text = `${code ?? ''}\n${reason}`;
    const known = this.#groups.get(text);
    if (known !== undefined) return known;
    if (this.#groups.size < GROUPS_MAX) return this.#begin(text, reason, code, sampleOf);
    return this.#groups.get('') ?? this.#begin('', 'other reasons', undefined, sampleOf);
  }

  #begin(
    text: string,
    reason: string,
    code: string | undefined,
    sampleOf: () => Message,
  ): Counted<Message> {
    const bounds = { firstMs: Infinity, lastMs: -Infinity };
    const group = { reason, code, count: 0, ...bounds, sample: sampleOf() };
    this.#groups.set(text, group);
    return group;
  }
}

function invalid(option: string, expected: string): Error {
  return createError('OPTION_INVALID', { option, expected, where: 'filter' });
}
