/**
 * The sparse time index of one segment: largest timestamp so far -> the batch that holds it.
 *
 * An entry (T, O) says: no record up to the moment of the entry is newer than T, and the batch that
 * ends at offset O holds a record of time T. Timestamps rise strictly and offsets rise. So every
 * record at or after a time t lies at or after the batch of the last entry with T < t.
 *
 * An empty batch (what compaction or a repair leaves) never makes an entry.
 */

import { assert } from '../base/assert.js';
import { readInt32, readInt64, writeInt32, writeInt64 } from '../base/bytes.js';
import {
  ENTRY_VALUE_MAX,
  TIME_ENTRY_BYTES,
  TIME_ENTRY_RELATIVE,
  TIME_ENTRY_TIMESTAMP,
} from './index-format.js';

const INITIAL_ENTRIES = 64;

export class TimeIndex {
  #timestamps: Float64Array;
  #relatives: Int32Array;
  #count = 0;

  constructor(capacity: number = INITIAL_ENTRIES) {
    const entries = Math.max(1, capacity);
    this.#timestamps = new Float64Array(entries);
    this.#relatives = new Int32Array(entries);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of the encoded file. */
  get bytes(): number {
    return this.#count * TIME_ENTRY_BYTES;
  }

  /** The largest indexed timestamp, or -1 when nothing is indexed. */
  get lastTimestamp(): number {
    return this.#count === 0 ? -1 : (this.#timestamps[this.#count - 1] as number);
  }

  timestamp(slot: number): number {
    assert(slot >= 0 && slot < this.#count, 'index slot in range');
    return this.#timestamps[slot] as number;
  }

  relative(slot: number): number {
    assert(slot >= 0 && slot < this.#count, 'index slot in range');
    return this.#relatives[slot] as number;
  }

  /** Adds an entry when `timestamp` is larger than all before; otherwise does nothing. */
  appendIfLarger(timestamp: number, relativeLast: number): void {
    assert(relativeLast >= 0 && relativeLast <= ENTRY_VALUE_MAX, 'relative offset fits');
    if (timestamp <= this.lastTimestamp) return;
    const count = this.#count;
    if (count > 0) {
      assert(relativeLast > (this.#relatives[count - 1] as number), 'offsets rise in the index');
    }
    if (count === this.#relatives.length) this.#grow();
    this.#timestamps[count] = timestamp;
    this.#relatives[count] = relativeLast;
    this.#count = count + 1;
  }

  /** The last slot whose timestamp is smaller than `timestamp`, or -1. */
  before(timestamp: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timestamps[middle] as number) < timestamp) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.bytes);
    for (let slot = 0; slot < this.#count; slot++) {
      const at = slot * TIME_ENTRY_BYTES;
      writeInt64(bytes, at + TIME_ENTRY_TIMESTAMP, this.#timestamps[slot] as number);
      writeInt32(bytes, at + TIME_ENTRY_RELATIVE, this.#relatives[slot] as number);
    }
    return bytes;
  }

  /** Takes file bytes back; `'invalid'` when they are not whole, rising entries. */
  static decode(bytes: Uint8Array): TimeIndex | 'invalid' {
    if (bytes.length % TIME_ENTRY_BYTES !== 0) return 'invalid';
    const count = bytes.length / TIME_ENTRY_BYTES;
    const index = new TimeIndex(count);
    let lastTimestamp = -1;
    let lastRelative = -1;
    for (let slot = 0; slot < count; slot++) {
      const at = slot * TIME_ENTRY_BYTES;
      const timestamp = readInt64(bytes, at + TIME_ENTRY_TIMESTAMP);
      const relative = readInt32(bytes, at + TIME_ENTRY_RELATIVE);
      if (!(timestamp > lastTimestamp) || relative <= lastRelative) return 'invalid';
      index.appendIfLarger(timestamp, relative);
      lastTimestamp = timestamp;
      lastRelative = relative;
    }
    return index;
  }

  #grow(): void {
    const timestamps = new Float64Array(this.#timestamps.length * 2);
    const relatives = new Int32Array(this.#relatives.length * 2);
    timestamps.set(this.#timestamps);
    relatives.set(this.#relatives);
    this.#timestamps = timestamps;
    this.#relatives = relatives;
  }
}
