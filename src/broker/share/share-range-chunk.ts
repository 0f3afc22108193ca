/**
 * Which of 16,384 offsets in a row belong to a set: as runs, or as bits when there are many runs.
 *
 * Runs are the rising positions at which membership changes, from outside to inside first. They
 * split and merge as offsets come and go. From 1,024 such positions on, 2 KiB of bits take less.
 * `has` and the two searches cost the logarithm of the runs; a change moves at most 2 KiB.
 */

import { assert } from '../../base/assert.js';

export const CHUNK_OFFSETS = 16_384;

const TOGGLES_MAX = 1_024;
const TOGGLES_INITIAL = 4;
const WORD_BITS = 32;
const WORDS = CHUNK_OFFSETS / WORD_BITS;
const NO_TOGGLES = new Uint16Array(0);

export class RangeChunk {
  /** How many belong to the set. */
  #count = 0;
  #toggles: Uint16Array = NO_TOGGLES;
  #toggleCount = 0;
  /** Instead of the toggles. */
  #bits: Uint32Array | undefined;

  get count(): number {
    return this.#count;
  }

  has(position: number): boolean {
    if (this.#bits !== undefined) return isSet(this.#bits, position);
    return (this.#togglesBefore(position + 1) & 1) === 1;
  }

  /** Puts all of [first, end) into the set, or takes them out of it. */
  set(first: number, end: number, isMember: boolean): void {
    assert(first >= 0 && first < end, 'a range is not empty');
    assert(end <= CHUNK_OFFSETS, 'the range lies in the chunk');
    if (this.#bits === undefined && !this.#setRuns(first, end, isMember)) this.#useBits();
    if (this.#bits !== undefined) this.#setBits(this.#bits, first, end, isMember);
  }

  /** The first member at or behind a position, or CHUNK_OFFSETS. */
  firstMember(position: number): number {
    return this.#first(position, 1);
  }

  /** The first at or behind a position that is no member, or CHUNK_OFFSETS. */
  firstMissing(position: number): number {
    return this.#first(position, 0);
  }

  #first(position: number, wanted: 0 | 1): number {
    if (position >= CHUNK_OFFSETS) return CHUNK_OFFSETS;
    if (this.#bits !== undefined) return firstBit(this.#bits, position, wanted);
    const before = this.#togglesBefore(position + 1);
    if ((before & 1) === wanted) return position;
    return before < this.#toggleCount ? (this.#toggles[before] as number) : CHUNK_OFFSETS;
  }

  /** How many toggles lie before `position`. */
  #togglesBefore(position: number): number {
    const toggles = this.#toggles;
    let low = 0;
    let high = this.#toggleCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((toggles[middle] as number) < position) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** False, and no change, when there would be too many runs. */
  #setRuns(first: number, end: number, isMember: boolean): boolean {
    const outside = isMember ? 0 : 1;
    const low = this.#togglesBefore(first);
    const high = this.#togglesBefore(end + 1);
    const putsFirst = (low & 1) === outside;
    const putsEnd = (high & 1) === outside;
    const added = (putsFirst ? 1 : 0) + (putsEnd ? 1 : 0);
    const toggleCount = this.#toggleCount - (high - low) + added;
    if (toggleCount > TOGGLES_MAX) return false;
    const members = this.#membersBetween(first, end, low, high);
    this.#moveToggles(high, low + added, toggleCount);
    const toggles = this.#toggles;
    let at = low;
    if (putsFirst) {
      toggles[at] = first;
      at += 1;
    }
    if (putsEnd) toggles[at] = end;
    this.#count += isMember ? end - first - members : -members;
    return true;
  }

  /** Members in [first, end), whose toggles are [low, high). */
  #membersBetween(first: number, end: number, low: number, high: number): number {
    let members = 0;
    let from = first;
    for (let at = low; at < high; at += 1) {
      const toggle = this.#toggles[at] as number;
      if ((at & 1) === 1) members += toggle - from;
      from = toggle;
    }
    return (high & 1) === 1 ? members + end - from : members;
  }

  /** Puts the toggles that were from `from` on to `to`, where they end at `toggleCount`. */
  #moveToggles(from: number, to: number, toggleCount: number): void {
    const toggles = this.#toggles;
    if (toggleCount > toggles.length) {
      const room = Math.min(TOGGLES_MAX, Math.max(TOGGLES_INITIAL, 2 * toggleCount));
      const grown = new Uint16Array(room);
      grown.set(toggles.subarray(0, Math.min(from, to)));
      grown.set(toggles.subarray(from, this.#toggleCount), to);
      this.#toggles = grown;
    } else if (from !== to) {
      toggles.copyWithin(to, from, this.#toggleCount);
    }
    this.#toggleCount = toggleCount;
  }

  #useBits(): void {
    const bits = new Uint32Array(WORDS);
    for (let at = 0; at < this.#toggleCount; at += 2) {
      const end = at + 1 < this.#toggleCount ? (this.#toggles[at + 1] as number) : CHUNK_OFFSETS;
      for (let position = this.#toggles[at] as number; position < end; position += 1) {
        bits[position >>> 5] = (bits[position >>> 5] as number) | (1 << (position & 31));
      }
    }
    this.#bits = bits;
    this.#toggles = NO_TOGGLES;
    this.#toggleCount = 0;
  }

  #setBits(bits: Uint32Array, first: number, end: number, isMember: boolean): void {
    for (let position = first; position < end; position += 1) {
      if (isSet(bits, position) === isMember) continue;
      bits[position >>> 5] = (bits[position >>> 5] as number) ^ (1 << (position & 31));
      this.#count += isMember ? 1 : -1;
    }
    if (this.#count !== 0 && this.#count !== CHUNK_OFFSETS) return;
    // All or none is one run or none.
    this.#bits = undefined;
    this.#toggles = Uint16Array.of(0, CHUNK_OFFSETS);
    this.#toggleCount = this.#count === 0 ? 0 : 2;
  }
}

function isSet(bits: Uint32Array, position: number): boolean {
  return (((bits[position >>> 5] as number) >>> (position & 31)) & 1) === 1;
}

function firstBit(bits: Uint32Array, position: number, wanted: 0 | 1): number {
  const flip = wanted === 1 ? 0 : -1;
  let at = position >>> 5;
  let word = ((bits[at] as number) ^ flip) & (-1 << (position & 31));
  while (word === 0) {
    at += 1;
    if (at === WORDS) return CHUNK_OFFSETS;
    word = (bits[at] as number) ^ flip;
  }
  return at * WORD_BITS + (31 - Math.clz32(word & -word));
}
