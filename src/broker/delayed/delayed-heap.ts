/**
 * Entries in memory, in no order but that the first one is at hand: a binary heap in columns.
 *
 * 24 bytes an entry. The columns grow by doubling; whoever adds bounds how many there are.
 */

import { assert } from '../../base/assert.js';
import type { EntryCursor } from './delayed-entry.js';
import { SortedEntries } from './delayed-sorted.js';

const CAPACITY_INITIAL = 256;

export class DelayedHeap implements EntryCursor {
  #dues = new Float64Array(CAPACITY_INITIAL);
  #ids = new Float64Array(CAPACITY_INITIAL);
  #locations = new Float64Array(CAPACITY_INITIAL);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get isLoaded(): boolean {
    return true;
  }

  get floorMs(): number {
    return this.#count === 0 ? Number.POSITIVE_INFINITY : this.dueMs;
  }

  get dueMs(): number {
    return this.#dues[0] as number;
  }

  get id(): number {
    return this.#ids[0] as number;
  }

  get location(): number {
    return this.#locations[0] as number;
  }

  async load(): Promise<void> {
    // It is all in memory.
  }

  push(dueMs: number, id: number, location: number): void {
    if (this.#count === this.#dues.length) this.#grow();
    let slot = this.#count;
    this.#count += 1;
    while (slot > 0) {
      const parent = (slot - 1) >>> 1;
      if (this.#isBefore(parent, dueMs, id, location)) break;
      this.#move(parent, slot);
      slot = parent;
    }
    this.#put(slot, dueMs, id, location);
  }

  /** Takes the first entry out. */
  step(): void {
    assert(this.#count > 0, 'there is an entry');
    this.#count -= 1;
    const last = this.#count;
    if (last === 0) return;
    const dueMs = this.#dues[last] as number;
    const id = this.#ids[last] as number;
    const location = this.#locations[last] as number;
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= last) break;
      const right = child + 1;
      if (right < last && this.#isSlotBefore(right, child)) child = right;
      if (!this.#isBefore(child, dueMs, id, location)) break;
      this.#move(child, slot);
      slot = child;
    }
    this.#put(slot, dueMs, id, location);
  }

  /** Takes all entries out, sorted. */
  drain(): SortedEntries {
    const count = this.#count;
    const sorted = new SortedEntries(count);
    while (this.#count > 0) {
      sorted.push(this.dueMs, this.id, this.location);
      this.step();
    }
    // What a burst has needed is not kept.
    this.#dues = new Float64Array(CAPACITY_INITIAL);
    this.#ids = new Float64Array(CAPACITY_INITIAL);
    this.#locations = new Float64Array(CAPACITY_INITIAL);
    return sorted;
  }

  #isSlotBefore(slot: number, other: number): boolean {
    const dueMs = this.#dues[other] as number;
    return this.#isBefore(
      slot,
      dueMs,
      this.#ids[other] as number,
      this.#locations[other] as number,
    );
  }

  #isBefore(slot: number, dueMs: number, id: number, location: number): boolean {
    const due = this.#dues[slot] as number;
    if (due !== dueMs) return due < dueMs;
    const known = this.#ids[slot] as number;
    return known === id ? (this.#locations[slot] as number) > location : known < id;
  }

  #move(from: number, to: number): void {
    this.#put(
      to,
      this.#dues[from] as number,
      this.#ids[from] as number,
      this.#locations[from] as number,
    );
  }

  #put(slot: number, dueMs: number, id: number, location: number): void {
    this.#dues[slot] = dueMs;
    this.#ids[slot] = id;
    this.#locations[slot] = location;
  }

  #grow(): void {
    const capacity = this.#dues.length * 2;
    this.#dues = grown(this.#dues, capacity);
    this.#ids = grown(this.#ids, capacity);
    this.#locations = grown(this.#locations, capacity);
  }
}

function grown(column: Float64Array<ArrayBuffer>, capacity: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(capacity);
  larger.set(column);
  return larger;
}
