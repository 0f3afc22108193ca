/**
 * What a compacted log may hold, judged from what was appended, what was promised, and which
 * offsets a cleaner was given. The rules, for whatever a reader is shown between start and end:
 *
 *   - every record has the offset and the content that it was appended with, in order, once;
 *   - the latest value of each key is there; of a key whose latest record is a tombstone, either
 *     the tombstone is there or nothing is;
 *   - a record that is missing was given to a cleaner, and is superseded by one that is durable, or
 *     is a tombstone whose horizon has passed, or has no key, or was aborted;
 *   - the mark of a transaction is there as long as a record of it is;
 *   - what was found missing once never comes back.
 *
 * After a loss, the log ends at the end of an append, at or behind every end that was shown.
 */

import { OracleViolation, recordText } from '../support/log-oracle.js';

/** What was appended at one offset. */
export interface ModelRecord {
  readonly key: string | null;
  readonly text: string;
  readonly timestamp: number;
  readonly isTombstone: boolean;
  /** Of a transaction that was aborted. */
  isAborted: boolean;
  /** The mark of a transaction, with the offsets of its records. */
  readonly marks?: readonly number[] | undefined;
  /** A cleaner was given it, with its key mapped. */
  isCleanable: boolean;
  /** No horizon of it is earlier, and every one has passed then. */
  horizonMs: number | undefined;
  mustGoMs: number | undefined;
  isGone: boolean;
}

export interface SeenKeyed {
  readonly offset: number;
  readonly text: string;
  readonly timestamp: number;
}

export interface OracleCounts {
  tombstonesDropped: number;
  markersDropped: number;
  superseded: number;
  keylessDropped: number;
  abortedDropped: number;
}

/** One reading of the log; times are of the wall clock. */
export interface KeyedRead {
  readonly start: number;
  readonly end: number;
  readonly durableEnd: number;
  readonly sinceMs: number;
}

export class KeyedOracle {
  /** By offset; undefined where nothing was ever appended. */
  readonly records: (ModelRecord | undefined)[] = [];
  /** Offsets at which the log may end after a loss. */
  readonly #ends = new Set<number>([0]);
  readonly #counts: OracleCounts;
  logId: string | undefined;
  durableEnd = 0;
  writtenEnd = 0;
  confirmedStart = 0;
  wantedStart = 0;
  /** The longest time that any pass was told to keep tombstones. */
  #retentionMs = 0;

  constructor(counts: OracleCounts) {
    this.#counts = counts;
  }

  /** Takes what is appended at `offset`, as a whole or not at all. */
  append(offset: number, records: readonly (ModelRecord | undefined)[]): void {
    demand(offset === this.records.length, `appended at ${offset}, not ${this.records.length}`);
    this.records.push(...records);
    this.#ends.add(this.records.length);
  }

  noteEnds(durableEnd: number, writtenEnd: number): void {
    demand(durableEnd >= this.durableEnd, `the durable end fell to ${durableEnd}`);
    this.durableEnd = durableEnd;
    this.writtenEnd = Math.max(this.writtenEnd, writtenEnd);
  }

  /** A power cut takes what was written and not synced; the death of the process takes nothing. */
  losePower(): void {
    this.writtenEnd = this.durableEnd;
  }

  /** Offsets that readers may miss from now on, as far as their records allow it. */
  noteCleaning(from: number, end: number, nowMs: number, retentionMs: number): void {
    this.#retentionMs = Math.max(this.#retentionMs, retentionMs);
    for (let offset = from; offset < Math.min(end, this.records.length); offset += 1) {
      const record = this.records[offset];
      if (record === undefined) continue;
      record.isCleanable = true;
      record.horizonMs = Math.min(
        record.horizonMs ?? Number.POSITIVE_INFINITY,
        nowMs + retentionMs,
      );
    }
  }

  /** A log was opened after a loss, or after a close, and shows these ends. */
  settle(start: number, end: number): void {
    const promised = this.writtenEnd;
    demand(end >= promised, `the end ${end} lies below the promised ${promised}`);
    demand(end <= this.records.length, `the end ${end} lies beyond all that was appended`);
    demand(this.#ends.has(end), `the end ${end} lies within an append`);
    const { confirmedStart, wantedStart } = this;
    demand(
      start >= confirmedStart && start <= wantedStart,
      `start ${start} is not within ${confirmedStart} to ${wantedStart}`,
    );
    this.records.length = end;
    for (const other of this.#ends) if (other > end) this.#ends.delete(other);
    this.durableEnd = end;
    this.writtenEnd = end;
    this.confirmedStart = start;
  }

  /**
   * Checks everything between `start` and `end`, which was read from `sinceMs` to `nowMs`; by then
   * the log was durable up to `durableEnd`.
   */
  check(seen: readonly SeenKeyed[], read: KeyedRead, isCommitted: boolean, nowMs: number): void {
    const { start, end, durableEnd, sinceMs } = read;
    const latest = this.#latestBelow(durableEnd);
    let next = start;
    const shown = new Set<string>();
    const offsets = new Set<number>();
    for (const { offset, text } of seen) {
      demand(offset >= next, `offset ${offset} where ${next} or more comes next`);
      demand(offset < end, `offset ${offset} lies beyond the end ${end}`);
      const record = this.#checkShown(offset, text, isCommitted);
      this.#checkMissing(next, offset, latest, isCommitted, nowMs);
      if (record.key !== null && !record.isAborted) shown.add(record.key);
      offsets.add(offset);
      next = offset + 1;
    }
    this.#checkMissing(next, end, latest, isCommitted, nowMs);
    for (const [key, offset] of latest) {
      const record = this.records[offset];
      // Whoever reads for longer than tombstones are kept may meet a value and miss its deletion.
      const wasThere = (record?.horizonMs ?? 0) >= sinceMs;
      const isHidden = (record?.isGone === true && !wasThere) || offset < start;
      demand(!(isHidden && shown.has(key)), `${key} was deleted at ${offset} and has a value`);
    }
    if (!isCommitted) this.#checkMarks(offsets, start, end);
  }

  /** One record of a reader: what it says is true, whatever was cleaned meanwhile. */
  checkShown(offset: number, text: string, isCommitted: boolean): void {
    const record = this.records[offset];
    demand(record !== undefined, `offset ${offset} was never appended`);
    demand(record?.text === text, `offset ${offset} has other content: ${text.slice(0, 80)}`);
    demand(!(isCommitted && record?.isAborted === true), `offset ${offset} was aborted`);
  }

  /**
   * What a compaction that ended at `nowMs` has to have done to what lay below `upper` when it was
   * asked for: no record is left that a later one below `upper` supersedes.
   */
  checkCleaned(seen: readonly SeenKeyed[], upper: number, askedMs: number, nowMs: number): void {
    const latest = this.#latestBelow(upper);
    for (const { offset } of seen) {
      if (offset >= upper) break;
      const record = this.records[offset];
      if (record === undefined || record.marks !== undefined) continue;
      demand(!record.isAborted, `offset ${offset} was aborted, compacted, and is there`);
      demand(record.key !== null, `offset ${offset} has no key, was compacted, and is there`);
      const last = latest.get(record.key ?? '');
      demand(last === offset, `offset ${offset} is superseded by ${last}, compacted, and is there`);
      if (!record.isTombstone) continue;
      const { mustGoMs } = record;
      const isOverdue = mustGoMs !== undefined && askedMs > mustGoMs;
      demand(!isOverdue, `the tombstone at ${offset} had to go at ${mustGoMs}`);
      record.mustGoMs ??= nowMs + this.#retentionMs;
    }
  }

  #checkShown(offset: number, text: string, isCommitted: boolean): ModelRecord {
    this.checkShown(offset, text, isCommitted);
    const record = this.records[offset];
    if (record === undefined) throw new OracleViolation(`offset ${offset} was never appended`);
    demand(!record.isGone, `offset ${offset} was gone and came back`);
    return record;
  }

  #checkMissing(
    from: number,
    to: number,
    latest: ReadonlyMap<string, number>,
    isCommitted: boolean,
    nowMs: number,
  ): void {
    for (let offset = from; offset < to; offset += 1) {
      const record = this.records[offset];
      if (record === undefined || record.isGone) continue;
      if (isCommitted && (record.isAborted || record.marks !== undefined)) continue;
      demand(record.isCleanable, `offset ${offset} is missing, and no cleaner had it`);
      this.#countMissing(offset, record, latest, nowMs);
      record.isGone = true;
    }
  }

  #countMissing(
    offset: number,
    record: ModelRecord,
    latest: ReadonlyMap<string, number>,
    nowMs: number,
  ): void {
    const hasExpired = record.horizonMs !== undefined && nowMs > record.horizonMs;
    if (record.isAborted) this.#counts.abortedDropped += 1;
    else if (record.marks !== undefined) {
      demand(hasExpired, `the mark at ${offset} is missing before its horizon`);
      this.#counts.markersDropped += 1;
    } else if (record.key === null) this.#counts.keylessDropped += 1;
    else if ((latest.get(record.key) ?? -1) > offset) this.#counts.superseded += 1;
    else {
      demand(record.isTombstone, `offset ${offset} is the latest of ${record.key} and is missing`);
      demand(hasExpired, `the tombstone at ${offset} is missing before its horizon`);
      this.#counts.tombstonesDropped += 1;
    }
  }

  #checkMarks(seen: ReadonlySet<number>, start: number, end: number): void {
    for (let offset = start; offset < end; offset += 1) {
      const { marks } = this.records[offset] ?? {};
      if (marks === undefined || seen.has(offset)) continue;
      const left = marks.find((data) => data >= start && seen.has(data));
      demand(left === undefined, `the mark at ${offset} is gone, and ${left} of it is not`);
    }
  }

  /** The offset of the last record of each key, aborted ones left out. */
  #latestBelow(end: number): Map<string, number> {
    const latest = new Map<string, number>();
    for (let offset = 0; offset < end; offset += 1) {
      const record = this.records[offset];
      if (record === undefined || record.isAborted || record.marks !== undefined) continue;
      if (record.key !== null) latest.set(record.key, offset);
    }
    return latest;
  }
}

/** A record as the model keeps it. */
export function modelRecord(
  record: Parameters<typeof recordText>[0],
  more: { readonly isAborted?: boolean; readonly marks?: readonly number[] } = {},
): ModelRecord {
  const { key, value, timestamp = 0 } = record;
  return {
    key: key === null || key === undefined ? null : String(key),
    text: more.marks === undefined ? recordText(record) : '',
    timestamp,
    isTombstone: value === null,
    isAborted: more.isAborted ?? false,
    marks: more.marks,
    isCleanable: false,
    horizonMs: undefined,
    mustGoMs: undefined,
    isGone: false,
  };
}

export function demand(holds: boolean, text: string): asserts holds {
  if (!holds) throw new OracleViolation(text);
}
