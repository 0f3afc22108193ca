/**
 * Checks the two indexes of a segment against its batches, while a survey goes by.
 *
 * Every entry of the offset index must lead to a batch that ends at the offset it names. Every
 * entry of the time index must name a batch that holds the timestamp, and no earlier batch may be
 * newer. Entries rise. An index of another engine may name a later batch of the same append, and
 * its file may end in zeros that were allocated ahead.
 */

import { readInt32, readInt64 } from '../base/bytes.js';
import {
  OFFSET_ENTRY_BYTES,
  OFFSET_ENTRY_POSITION,
  OFFSET_ENTRY_RELATIVE,
  TIME_ENTRY_BYTES,
  TIME_ENTRY_RELATIVE,
  TIME_ENTRY_TIMESTAMP,
} from '../index/index-format.js';

export interface IndexFault {
  /** Of the entry, in the index file. */
  readonly position: number;
  readonly reason: string;
  readonly expected?: number;
  readonly actual?: number;
}

/** A batch as the survey saw it. */
export interface SeenBatch {
  readonly position: number;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly maxTimestamp: number;
  readonly isEmpty: boolean;
}

/** Faults beyond the first few say nothing new. */
const FAULTS_MAX = 8;

/** What was allocated ahead and not used: whole entries of zeros at the end. */
export function withoutZeroEntries(bytes: Uint8Array, entryBytes: number): Uint8Array {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, Math.ceil(end / entryBytes) * entryBytes);
}

export class OffsetIndexCheck {
  readonly #bytes: Uint8Array;
  readonly #baseOffset: number;
  readonly #isExact: boolean;
  readonly #faults: IndexFault[] = [];
  #at = 0;

  constructor(bytes: Uint8Array, baseOffset: number, isExact: boolean) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
    this.#isExact = isExact;
    noteOrder(this.#faults, bytes, OFFSET_ENTRY_BYTES, (at, before) => {
      if (readInt32(bytes, at + OFFSET_ENTRY_RELATIVE) < 0) return false;
      if (before === undefined) return true;
      return (
        this.#relative(at) > this.#relative(before) && this.#position(at) > this.#position(before)
      );
    });
  }

  batch(seen: SeenBatch): void {
    this.#missUpTo(seen.position);
    while (this.#hasEntry() && this.#position(this.#at) === seen.position) {
      const expected = seen.lastOffset;
      const actual = this.#baseOffset + this.#relative(this.#at);
      if (this.#isExact ? actual !== expected : actual < expected) {
        const reason = 'the entry names another offset than the batch it leads to';
        this.#note({ position: this.#at, reason, expected, actual });
      }
      this.#at += OFFSET_ENTRY_BYTES;
    }
  }

  /** Entries that lead into [from, to) are forgiven: what was there is damaged. */
  skip(from: number, to: number): void {
    this.#missUpTo(from);
    while (this.#hasEntry() && this.#position(this.#at) < to) this.#at += OFFSET_ENTRY_BYTES;
  }

  end(): readonly IndexFault[] {
    this.#missUpTo(Number.POSITIVE_INFINITY);
    return this.#faults;
  }

  #missUpTo(position: number): void {
    while (this.#hasEntry() && this.#position(this.#at) < position) {
      const actual = this.#position(this.#at);
      this.#note({ position: this.#at, reason: 'no batch starts where the entry leads', actual });
      this.#at += OFFSET_ENTRY_BYTES;
    }
  }

  #note(fault: IndexFault): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(fault);
  }

  #hasEntry(): boolean {
    return this.#at + OFFSET_ENTRY_BYTES <= this.#bytes.length;
  }

  #relative(at: number): number {
    return readInt32(this.#bytes, at + OFFSET_ENTRY_RELATIVE);
  }

  #position(at: number): number {
    return readInt32(this.#bytes, at + OFFSET_ENTRY_POSITION);
  }
}

export class TimeIndexCheck {
  readonly #bytes: Uint8Array;
  readonly #baseOffset: number;
  readonly #faults: IndexFault[] = [];
  #at = 0;
  #newestBefore = -1;
  #isDamaged = false;

  constructor(bytes: Uint8Array, baseOffset: number) {
    this.#bytes = bytes;
    this.#baseOffset = baseOffset;
    noteOrder(this.#faults, bytes, TIME_ENTRY_BYTES, (at, before) => {
      if (!(this.#timestamp(at) >= 0) || this.#relative(at) < 0) return false;
      if (before === undefined) return true;
      return (
        this.#timestamp(at) > this.#timestamp(before) && this.#relative(at) > this.#relative(before)
      );
    });
  }

  batch(seen: SeenBatch): void {
    this.#missUpTo(seen.baseOffset);
    while (this.#hasEntry() && this.#offset() <= seen.lastOffset) {
      const timestamp = this.#timestamp(this.#at);
      if (seen.isEmpty || timestamp !== seen.maxTimestamp) {
        this.#note('the batch does not hold the timestamp', timestamp, seen.maxTimestamp);
      } else if (this.#newestBefore > timestamp) {
        this.#note('an earlier batch is newer', timestamp, this.#newestBefore);
      }
      this.#at += TIME_ENTRY_BYTES;
    }
    if (!seen.isEmpty) this.#newestBefore = Math.max(this.#newestBefore, seen.maxTimestamp);
  }

  /** Behind damage entries may name what is gone: from here on they are not judged. */
  skip(): void {
    this.#isDamaged = true;
  }

  end(): readonly IndexFault[] {
    this.#missUpTo(Number.POSITIVE_INFINITY);
    return this.#faults;
  }

  #missUpTo(offset: number): void {
    while (this.#hasEntry() && this.#offset() < offset) {
      this.#note('no batch holds the offset of the entry', this.#offset(), undefined);
      this.#at += TIME_ENTRY_BYTES;
    }
  }

  #note(reason: string, expected: number, actual: number | undefined): void {
    if (this.#isDamaged || this.#faults.length >= FAULTS_MAX) return;
    const fault = { position: this.#at, reason, expected };
    this.#faults.push(actual === undefined ? fault : { ...fault, actual });
  }

  #hasEntry(): boolean {
    return this.#at + TIME_ENTRY_BYTES <= this.#bytes.length;
  }

  #offset(): number {
    return this.#baseOffset + this.#relative(this.#at);
  }

  #relative(at: number): number {
    return readInt32(this.#bytes, at + TIME_ENTRY_RELATIVE);
  }

  #timestamp(at: number): number {
    return readInt64(this.#bytes, at + TIME_ENTRY_TIMESTAMP);
  }
}

/** Notes the first entry that does not rise above the one before, and a file of partial entries. */
function noteOrder(
  faults: IndexFault[],
  bytes: Uint8Array,
  entryBytes: number,
  isInOrder: (at: number, before: number | undefined) => boolean,
): void {
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    if (isInOrder(at, at === 0 ? undefined : at - entryBytes)) continue;
    faults.push({ position: at, reason: 'the entry does not rise above the one before' });
    break;
  }
  const rest = bytes.length % entryBytes;
  if (rest === 0) return;
  const position = bytes.length - rest;
  faults.push({ position, reason: 'the last entry is not whole', expected: 0, actual: rest });
}
