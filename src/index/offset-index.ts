/**
 * The sparse offset index of one segment: last offset of a batch -> position of that batch.
 *
 * Entries rise strictly in both columns. The log appends an entry for a batch once more than
 * `indexIntervalBytes` have gone by since the batch of the last entry, and one for every batch in a
 * compacted segment. The index lives in memory as two columns of 32-bit numbers; `encode` gives
 * Kafka's file bytes and `decode` takes them back, refusing anything that does not rise.
 *
 * It never opens a file and never repairs itself: a doubtful index is dropped and rebuilt.
 */

import { assert } from '../base/assert.js';
import { readInt32, writeInt32 } from '../base/bytes.js';
import {
  ENTRY_VALUE_MAX,
  OFFSET_ENTRY_BYTES,
  OFFSET_ENTRY_POSITION,
  OFFSET_ENTRY_RELATIVE,
} from './index-format.js';

const INITIAL_ENTRIES = 64;

export class OffsetIndex {
  #relatives: Int32Array;
  #positions: Int32Array;
  #count = 0;

  constructor(capacity: number = INITIAL_ENTRIES) {
    const entries = Math.max(1, capacity);
    this.#relatives = new Int32Array(entries);
    this.#positions = new Int32Array(entries);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the encoded file. */
  get bytes(): number {
    return this.#count * OFFSET_ENTRY_BYTES;
  }

  /** Position of the last indexed batch, or 0 when nothing is indexed. */
  get lastPosition(): number {
    return this.#count === 0 ? 0 : this.position(this.#count - 1);
  }

  relative(slot: number): number {
    assert(slot >= 0 && slot < this.#count, 'index slot in range');
    return this.#relatives[slot] as number;
  }

  position(slot: number): number {
    assert(slot >= 0 && slot < this.#count, 'index slot in range');
    return this.#positions[slot] as number;
  }

  append(relativeLast: number, position: number): void {
    assert(relativeLast >= 0 && relativeLast <= ENTRY_VALUE_MAX, 'relative offset fits');
    assert(position >= 0 && position <= ENTRY_VALUE_MAX, 'position fits');
    const count = this.#count;
    if (count > 0) {
      assert(relativeLast > (this.#relatives[count - 1] as number), 'offsets rise in the index');
      assert(position > (this.#positions[count - 1] as number), 'positions rise in the index');
    }
    if (count === this.#relatives.length) this.#grow();
    this.#relatives[count] = relativeLast;
    this.#positions[count] = position;
    this.#count = count + 1;
  }

  /** The last slot whose batch ends at or before `relative`, or -1. */
  floor(relative: number): number {
    return floorOf(this.#relatives, this.#count, relative);
  }

  /** The last slot whose batch starts at or before `position`, or -1. */
  floorByPosition(position: number): number {
    return floorOf(this.#positions, this.#count, position);
  }

  /** Forgets the entries of batches that start at or beyond `position`. */
  truncate(position: number): void {
    this.#count = this.floorByPosition(position - 1) + 1;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.bytes);
    for (let slot = 0; slot < this.#count; slot++) {
      const at = slot * OFFSET_ENTRY_BYTES;
      writeInt32(bytes, at + OFFSET_ENTRY_RELATIVE, this.#relatives[slot] as number);
      writeInt32(bytes, at + OFFSET_ENTRY_POSITION, this.#positions[slot] as number);
    }
    return bytes;
  }

  /** Takes file bytes back; `'invalid'` when they are not whole, strictly rising entries. */
  static decode(bytes: Uint8Array, segmentBytes: number): OffsetIndex | 'invalid' {
    if (bytes.length % OFFSET_ENTRY_BYTES !== 0) return 'invalid';
    const count = bytes.length / OFFSET_ENTRY_BYTES;
    const index = new OffsetIndex(count);
    let lastRelative = -1;
    let lastPosition = -1;
    for (let slot = 0; slot < count; slot++) {
      const at = slot * OFFSET_ENTRY_BYTES;
      const relative = readInt32(bytes, at + OFFSET_ENTRY_RELATIVE);
      const position = readInt32(bytes, at + OFFSET_ENTRY_POSITION);
      if (relative <= lastRelative || position <= lastPosition) return 'invalid';
      if (position >= segmentBytes) return 'invalid';
      index.append(relative, position);
      lastRelative = relative;
      lastPosition = position;
    }
    return index;
  }

  #grow(): void {
    const relatives = new Int32Array(this.#relatives.length * 2);
    const positions = new Int32Array(this.#positions.length * 2);
    relatives.set(this.#relatives);
    positions.set(this.#positions);
    this.#relatives = relatives;
    this.#positions = positions;
  }
}

/** The last slot of a rising column whose value is at most `target`, or -1. */
function floorOf(column: Int32Array, count: number, target: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((column[middle] as number) <= target) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
