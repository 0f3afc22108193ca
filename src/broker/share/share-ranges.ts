/**
 * A set of offsets that mostly come in long runs: chunks of 16,384 of them, each as runs or bits.
 *
 * A chunk without members is not there, and all full ones are one object, so a run of any length
 * costs 16 bytes for each 16,384 offsets, and the worst mixture an eighth of a byte for each.
 * The chunk that was used last is found at once, others by bisection.
 */

import { assert } from '../../base/assert.js';
import { limits } from '../../base/limits.js';
import { CHUNK_OFFSETS, RangeChunk } from './share-range-chunk.js';

/** Stands for every full chunk; never changed. */
const FULL = new RangeChunk();
FULL.set(0, CHUNK_OFFSETS, true);

export interface OffsetRange {
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

export class OffsetRanges {
  /** The numbers of the chunks that are there, rising, and the chunks. */
  readonly #numbers: number[] = [];
  readonly #chunks: RangeChunk[] = [];
  /** The chunk that was used last. */
  #last = 0;
  #count = 0;

  /** How many offsets belong to the set. */
  get count(): number {
    return this.#count;
  }

  has(offset: number): boolean {
    const number = Math.floor(offset / CHUNK_OFFSETS);
    const at = this.#indexOf(number);
    if (this.#numbers[at] !== number) return false;
    return chunkAt(this.#chunks, at).has(offset - number * CHUNK_OFFSETS);
  }

  add(first: number, end: number = first + 1): void {
    assert(first >= 0 && end <= limits.offsetMax + 1, 'offsets are in bounds');
    this.#set(first, end, true);
  }

  remove(first: number, end: number = first + 1): void {
    this.#set(first, end, false);
  }

  /** The first member at or behind `offset`, or undefined. */
  firstMember(offset: number): number | undefined {
    const number = Math.floor(offset / CHUNK_OFFSETS);
    for (let at = this.#indexOf(number); at < this.#numbers.length; at += 1) {
      const base = (this.#numbers[at] as number) * CHUNK_OFFSETS;
      const found = chunkAt(this.#chunks, at).firstMember(Math.max(0, offset - base));
      if (found < CHUNK_OFFSETS) return base + found;
    }
    return undefined;
  }

  /** The first offset at or behind `offset` that is no member. */
  firstMissing(offset: number): number {
    let number = Math.floor(offset / CHUNK_OFFSETS);
    let missing = offset;
    for (let at = this.#indexOf(number); this.#numbers[at] === number; at += 1) {
      const base = number * CHUNK_OFFSETS;
      const found = chunkAt(this.#chunks, at).firstMissing(missing - base);
      missing = base + found;
      if (found < CHUNK_OFFSETS) return missing;
      number += 1;
    }
    return missing;
  }

  /** Takes the first member out; undefined when there is none. */
  shift(): number | undefined {
    const number = this.#numbers[0];
    if (number === undefined) return undefined;
    const offset = number * CHUNK_OFFSETS + chunkAt(this.#chunks, 0).firstMember(0);
    this.#set(offset, offset + 1, false);
    return offset;
  }

  /** The first member; undefined when there is none. */
  get first(): number | undefined {
    const number = this.#numbers[0];
    if (number === undefined) return undefined;
    return number * CHUNK_OFFSETS + chunkAt(this.#chunks, 0).firstMember(0);
  }

  /** Frees what lies wholly below `offset`; offsets below it may remain members. */
  trim(offset: number): void {
    const number = Math.floor(offset / CHUNK_OFFSETS);
    if ((this.#numbers[0] ?? number) >= number) return;
    const dropped = this.#indexOf(number);
    for (let at = 0; at < dropped; at += 1) this.#count -= chunkAt(this.#chunks, at).count;
    this.#numbers.splice(0, dropped);
    this.#chunks.splice(0, dropped);
    this.#last = 0;
  }

  /** The runs of members from `offset` on, rising. The set is not changed meanwhile. */
  *ranges(offset = 0): Generator<OffsetRange> {
    let first = this.firstMember(offset);
    while (first !== undefined) {
      const end = this.firstMissing(first);
      yield { first, end };
      first = this.firstMember(end);
    }
  }

  /** The runs of [first, end) that are not members. The set is not changed meanwhile. */
  *missing(first: number, end: number): Generator<OffsetRange> {
    let from = this.firstMissing(first);
    while (from < end) {
      const until = Math.min(end, this.firstMember(from) ?? end);
      yield { first: from, end: until };
      from = this.firstMissing(until);
    }
  }

  #set(first: number, end: number, isMember: boolean): void {
    assert(first < end, 'a range is not empty');
    for (let from = first; from < end; ) {
      const number = Math.floor(from / CHUNK_OFFSETS);
      const base = number * CHUNK_OFFSETS;
      const until = Math.min(end, base + CHUNK_OFFSETS);
      this.#setInChunk(number, from - base, until - base, isMember);
      from = until;
    }
  }

  #setInChunk(number: number, first: number, end: number, isMember: boolean): void {
    const at = this.#indexOf(number);
    if (this.#numbers[at] !== number) {
      if (!isMember) return;
      this.#numbers.splice(at, 0, number);
      this.#chunks.splice(at, 0, new RangeChunk());
    }
    let chunk = chunkAt(this.#chunks, at);
    if (chunk === FULL) {
      if (isMember) return;
      chunk = new RangeChunk();
      chunk.set(0, CHUNK_OFFSETS, true);
      this.#chunks[at] = chunk;
    }
    const before = chunk.count;
    chunk.set(first, end, isMember);
    this.#count += chunk.count - before;
    if (chunk.count === CHUNK_OFFSETS) this.#chunks[at] = FULL;
    if (chunk.count > 0) return;
    this.#numbers.splice(at, 1);
    this.#chunks.splice(at, 1);
  }

  /** Where the chunk stands, or would. */
  #indexOf(number: number): number {
    const numbers = this.#numbers;
    if (numbers[this.#last] === number) return this.#last;
    let low = 0;
    let high = numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((numbers[middle] as number) < number) low = middle + 1;
      else high = middle;
    }
    this.#last = low;
    return low;
  }
}

function chunkAt(chunks: readonly RangeChunk[], at: number): RangeChunk {
  const chunk = chunks[at];
  assert(chunk !== undefined, 'the chunk is there');
  return chunk;
}
