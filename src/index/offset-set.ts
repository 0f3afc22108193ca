/**
 * A set of offsets in a range, as one bit each, in a fixed piece of shared memory.
 *
 * Compaction notes in it which records of the dirty range have a later one of their key: the walk
 * that fills the key map finds that out by the way, and whoever cleans the same records then looks
 * up a bit that lies beside the last one instead of a key that lies anywhere.
 *
 * All state lies in the memory, which is empty when it is all zeros.
 */

import { assert } from '../base/assert.js';

export class OffsetSet {
  /** The first offset that the set can hold. */
  readonly from: number;
  /** Exclusive: what is at or beyond it cannot be held. */
  readonly end: number;
  readonly #bits: Uint8Array;

  /** Attaches to what `memory` holds of the offsets from `from` on, eight to a byte. */
  constructor(memory: SharedArrayBuffer, from: number) {
    this.#bits = new Uint8Array(memory);
    this.from = from;
    this.end = from + this.#bits.length * 8;
  }

  /** The memory that holds the offsets `[from, end)`. */
  static bytesOf(from: number, end: number): number {
    return Math.ceil((end - from) / 8);
  }

  /** Whether the set can hold the offset. */
  covers(offset: number): boolean {
    return offset >= this.from && offset < this.end;
  }

  clear(): void {
    this.#bits.fill(0);
  }

  /** Takes an offset; one that is not covered is passed over. */
  add(offset: number): void {
    if (!this.covers(offset)) return;
    const bit = offset - this.from;
    const at = Math.floor(bit / 8);
    this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (bit & 7));
  }

  /** Whether an offset that is covered is in the set. */
  has(offset: number): boolean {
    const bit = offset - this.from;
    const bits = this.#bits[Math.floor(bit / 8)];
    assert(bits !== undefined, 'the offset is covered');
    return (bits & (1 << (bit & 7))) !== 0;
  }
}
