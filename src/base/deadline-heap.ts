/**
 * Values with a time each, the earliest first: a binary heap.
 *
 * Adding and taking the earliest cost the logarithm of the count. Values of the same time come in
 * the order in which they were added. The caller bounds how many there are, and says what time it
 * is.
 */

import { assert } from './assert.js';

interface Entry<T> {
  readonly value: T;
  readonly dueMs: number;
  /** Rises with each entry: the order among equal times. */
  readonly turn: number;
}

export class DeadlineHeap<T extends NonNullable<unknown>> {
  readonly #entries: Entry<T>[] = [];
  #turns = 0;

  get count(): number {
    return this.#entries.length;
  }

  /** The earliest time; undefined when there is none. */
  get nextMs(): number | undefined {
    return this.#entries[0]?.dueMs;
  }

  push(value: T, dueMs: number): void {
    assert(!Number.isNaN(dueMs), 'a time is a number');
    const entry = { value, dueMs, turn: this.#turns };
    this.#turns += 1;
    const entries = this.#entries;
    let slot = entries.length;
    while (slot > 0) {
      const parent = (slot - 1) >>> 1;
      const above = entries[parent] as Entry<T>;
      if (isBefore(above, entry)) break;
      entries[slot] = above;
      slot = parent;
    }
    entries[slot] = entry;
  }

  /** Takes the earliest value out when its time has come. */
  takeDue(nowMs: number): T | undefined {
    const first = this.#entries[0];
    if (first === undefined || first.dueMs > nowMs) return undefined;
    const last = this.#entries.pop() as Entry<T>;
    if (this.#entries.length > 0) this.#sink(last);
    return first.value;
  }

  /** Puts `entry` where the first one was, and as deep as it belongs. */
  #sink(entry: Entry<T>): void {
    const entries = this.#entries;
    const count = entries.length;
    let slot = 0;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= count) break;
      const right = child + 1;
      if (right < count && isBefore(entries[right] as Entry<T>, entries[child] as Entry<T>)) {
        child = right;
      }
      const below = entries[child] as Entry<T>;
      if (isBefore(entry, below)) break;
      entries[slot] = below;
      slot = child;
    }
    entries[slot] = entry;
  }
}

function isBefore(one: Entry<unknown>, other: Entry<unknown>): boolean {
  return one.dueMs === other.dueMs ? one.turn < other.turn : one.dueMs < other.dueMs;
}
