/**
 * What a log may hold after a crash, judged from what its callers were told.
 *
 * Every append is an attempt with a number; its records name the attempt and their place in it, so
 * a record that comes back tells where it belongs. The rules:
 * - what was acknowledged is there, byte for byte, at its offset; so is all that was below an end
 *   that readers were shown;
 * - an attempt is there whole or not at all, and none comes before an earlier one of its session
 *   that is missing (no hole);
 * - what was refused, or found missing once, never comes back;
 * - offsets are dense, and the start lies between the last confirmed and the last wanted one.
 *
 * `settle` turns what a recovered log showed into promises: it was served, so it must stay.
 */

import type { RecordInput } from '../../src/storage/record.js';

export type AttemptAcks = 'durable' | 'written' | 'none';

export interface Attempt {
  readonly id: number;
  /** Which opening of the log it was made in. */
  readonly session: number;
  /** Value bytes of each record. */
  readonly sizes: readonly number[];
  readonly acks: AttemptAcks;
  outcome: 'pending' | 'acknowledged' | 'absent' | 'unknown';
  baseOffset: number | undefined;
}

export interface SeenRecord {
  readonly offset: number;
  readonly text: string;
}

export interface SeenLog {
  readonly logId: string;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly records: readonly SeenRecord[];
}

/** What a violation comes to: promised and gone, never sent and there, a gap, anything else. */
export type ViolationKind = 'lost' | 'phantom' | 'hole' | 'error';

export class OracleViolation extends Error {
  override readonly name = 'OracleViolation';
  readonly kind: ViolationKind;

  constructor(
    message: string,
    options: { readonly cause?: unknown; readonly kind?: ViolationKind } = {},
  ) {
    super(message, options);
    this.kind = options.kind ?? 'error';
  }
}

const FIRST_TIMESTAMP = 1_700_000_000_000;

/** The record that attempt `id` holds at `index`: everything in it follows from its numbers. */
export function attemptRecord(attempt: Attempt, index: number): RecordInput {
  const { id, sizes } = attempt;
  const name = `${id}.${index}/`;
  const value = name.repeat(Math.ceil((sizes[index] ?? 1) / name.length)).slice(0, sizes[index]);
  return {
    key: `${name}${id % 3}`,
    value,
    headers: id % 4 === 0 ? [{ key: 'of', value: name }] : [],
    timestamp: FIRST_TIMESTAMP + id,
  };
}

interface RecordParts {
  readonly key?: unknown;
  readonly value?: unknown;
  readonly headers?: readonly { readonly key: string; readonly value?: unknown }[] | undefined;
  readonly timestamp?: number | undefined;
}

/** All of a record as one string, so that two of them compare at once; bytes as Latin-1. */
export function recordText(record: RecordParts): string {
  const headers = (record.headers ?? []).map(({ key, value }) => `${key}=${textOf(value)}`);
  return `${textOf(record.key)}|${record.timestamp}|${headers.join()}|${textOf(record.value)}`;
}

function textOf(value: unknown): string {
  return Buffer.isBuffer(value) ? value.toString('latin1') : String(value);
}

export class LogOracle {
  readonly attempts: Attempt[];
  session = 0;
  /** An opening was confirmed: the log exists from now on, with this id. */
  logId: string | undefined;
  confirmedStart = 0;
  wantedStart = 0;
  /** Exclusive ends that were shown. */
  durableEnd = 0;
  writtenEnd = 0;
  /** A full disk takes back what was accepted and promised to nobody. */
  wasDiskFull = false;

  constructor(attempts: readonly Attempt[] = []) {
    this.attempts = attempts.map((attempt) => ({ ...attempt }));
  }

  clone(): LogOracle {
    const copy = new LogOracle(this.attempts);
    copy.session = this.session;
    copy.logId = this.logId;
    copy.confirmedStart = this.confirmedStart;
    copy.wantedStart = this.wantedStart;
    copy.durableEnd = this.durableEnd;
    copy.writtenEnd = this.writtenEnd;
    copy.wasDiskFull = this.wasDiskFull;
    return copy;
  }

  /** Equal for oracles that judge alike what a crash may leave. */
  key(): string {
    const { logId, confirmedStart, wantedStart, durableEnd, writtenEnd } = this;
    const outcomes = this.attempts.map(
      ({ outcome, session, baseOffset }) => `${outcome[0]}${outcome[1]}${session}@${baseOffset}`,
    );
    const ends = [logId, confirmedStart, wantedStart, durableEnd, writtenEnd, this.wasDiskFull];
    return `${ends.join()}/${outcomes.join()}`;
  }

  newAttempt(sizes: readonly number[], acks: AttemptAcks): Attempt {
    const attempt: Attempt = {
      id: this.attempts.length,
      session: this.session,
      sizes,
      acks,
      outcome: 'pending',
      baseOffset: undefined,
    };
    this.attempts.push(attempt);
    return attempt;
  }

  /** Notes the ends that an open log shows now. */
  noteEnds(durableEnd: number, writtenEnd: number): void {
    this.durableEnd = Math.max(this.durableEnd, durableEnd);
    this.writtenEnd = Math.max(this.writtenEnd, writtenEnd);
  }

  /** A power cut takes what was written and not synced; the death of the process takes nothing. */
  losePower(): void {
    this.writtenEnd = this.durableEnd;
    for (const attempt of this.attempts) {
      const { outcome, acks, baseOffset, sizes } = attempt;
      if (outcome !== 'acknowledged' || acks === 'durable') continue;
      if ((baseOffset ?? 0) + sizes.length > this.durableEnd) attempt.outcome = 'unknown';
    }
  }

  /** A disk that lied may have lost anything; what is shown must still be true. */
  forgive(): void {
    this.logId = undefined;
    this.confirmedStart = 0;
    this.durableEnd = 0;
    this.writtenEnd = 0;
    for (const attempt of this.attempts) {
      if (attempt.outcome === 'acknowledged') attempt.outcome = 'unknown';
    }
  }

  /** Throws unless the log may look like this after a loss; which attempts are there. */
  check(seen: SeenLog): Map<number, number> {
    const { startOffset, endOffset } = seen;
    const isMade = this.logId !== undefined;
    demand(!isMade || seen.logId === this.logId, `the log is another one: ${seen.logId}`, 'lost');
    const { confirmedStart, wantedStart } = this;
    demand(
      startOffset >= confirmedStart && startOffset <= wantedStart,
      `start ${startOffset} is not within ${confirmedStart} to ${wantedStart}`,
    );
    const promised = this.writtenEnd;
    demand(endOffset >= promised, `end ${endOffset} lies below the promised ${promised}`, 'lost');
    const bases = this.#basesOf(seen);
    for (const attempt of this.attempts) this.#checkAttempt(attempt, bases, seen);
    return bases;
  }

  /** What readers are shown while the log is in use: true bytes, in order, without a gap. */
  checkShown(seen: SeenLog): void {
    demand(seen.records.length >= seen.endOffset - seen.startOffset, 'durable records are hidden');
    this.#basesOf({ ...seen, endOffset: seen.startOffset + seen.records.length });
  }

  /** What was seen is promised from now on; what was not, never comes back. */
  settle(seen: SeenLog): void {
    const bases = this.check(seen);
    for (const attempt of this.attempts) {
      const baseOffset = bases.get(attempt.id);
      if (baseOffset !== undefined) {
        attempt.outcome = 'acknowledged';
        attempt.baseOffset = baseOffset;
      } else if (!isBelow(attempt, seen.startOffset)) attempt.outcome = 'absent';
    }
    this.logId = seen.logId;
    this.confirmedStart = seen.startOffset;
    this.wantedStart = seen.startOffset;
    this.durableEnd = seen.endOffset;
    this.writtenEnd = seen.endOffset;
  }

  /** Base offsets of the attempts whose records are there, by attempt. */
  #basesOf(seen: SeenLog): Map<number, number> {
    const bases = new Map<number, number>();
    let offset = seen.startOffset;
    let previous: { attempt: Attempt; index: number } | undefined;
    for (const record of seen.records) {
      demand(
        record.offset === offset,
        `offset ${record.offset} where ${offset} comes next`,
        'hole',
      );
      const [id, index] = (record.text.split('/')[0] ?? '').split('.').map(Number);
      const attempt = this.attempts[id ?? -1];
      const name = `offset ${offset}: record ${id}.${index}`;
      if (attempt === undefined || index === undefined) {
        throw new OracleViolation(`${name} is new`, { kind: 'phantom' });
      }
      const expected = recordText(attemptRecord(attempt, index));
      demand(record.text === expected, `${name} has other bytes`, 'phantom');
      const isSame = previous?.attempt === attempt;
      if (isSame) demand(index === (previous?.index ?? 0) + 1, `${name} is out of order`, 'hole');
      else {
        demand(index === 0 || previous === undefined, `${name} has no beginning`, 'hole');
        this.#checkEnd(previous, name);
        demand((previous?.attempt.id ?? -1) < attempt.id, `${name} comes after a later append`);
        bases.set(attempt.id, offset - index);
      }
      previous = { attempt, index };
      offset += 1;
    }
    this.#checkEnd(previous, 'the end');
    demand(
      offset === seen.endOffset,
      `records end at ${offset}, the log at ${seen.endOffset}`,
      'lost',
    );
    return bases;
  }

  #checkEnd(previous: { attempt: Attempt; index: number } | undefined, name: string): void {
    if (previous === undefined) return;
    const { attempt, index } = previous;
    const isWhole = index === attempt.sizes.length - 1;
    demand(isWhole, `${name} comes behind a part of append ${attempt.id}`, 'hole');
  }

  #checkAttempt(attempt: Attempt, bases: ReadonlyMap<number, number>, seen: SeenLog): void {
    const { id, outcome, baseOffset } = attempt;
    const base = bases.get(id);
    if (base !== undefined) {
      demand(outcome !== 'absent', `append ${id} was refused and is there, at ${base}`, 'phantom');
      const isSame = baseOffset === undefined || baseOffset === base;
      demand(isSame, `append ${id} was given ${baseOffset} and lies at ${base}`);
      const hole = this.attempts.find(
        (other) => other.id < id && this.#isHole(other, attempt, bases, seen.startOffset),
      );
      demand(hole === undefined, `append ${id} is there, and not ${hole?.id} before it`, 'hole');
      return;
    }
    if (outcome !== 'acknowledged' || isBelow(attempt, seen.startOffset)) return;
    throw new OracleViolation(`append ${id} was acknowledged at ${baseOffset} and is not there`, {
      kind: 'lost',
    });
  }

  /** Whether `other` had to be there for `later` to be there. */
  #isHole(
    other: Attempt,
    later: Attempt,
    bases: ReadonlyMap<number, number>,
    startOffset: number,
  ): boolean {
    const { outcome, acks, baseOffset } = other;
    if (outcome === 'absent' || bases.has(other.id) || other.session !== later.session)
      return false;
    if (this.wasDiskFull && outcome === 'unknown' && acks === 'none') return false;
    if (baseOffset !== undefined) return !isBelow(other, startOffset);
    // One that never got to know its offset may lie below the start, before the first one seen.
    return startOffset === 0 || other.id > (bases.keys().next().value ?? -1);
  }
}

function isBelow(attempt: Attempt, startOffset: number): boolean {
  const { baseOffset, sizes } = attempt;
  return baseOffset !== undefined && baseOffset + sizes.length <= startOffset;
}

function demand(holds: boolean, text: string, kind: ViolationKind = 'error'): void {
  if (!holds) throw new OracleViolation(text, { kind });
}
