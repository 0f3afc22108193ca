/**
 * A bounded first-in, first-out buffer with a fixed array behind it.
 *
 * When it is full, `push` refuses and the caller applies its policy: wait, or an error. A slot is
 * cleared as its value leaves, so the buffer never keeps a value alive that it no longer holds.
 */

import { assert } from './assert.js';

/** Any value but `undefined`, which stands for nothing. */
export class RingBuffer<T extends NonNullable<unknown> | null> {
  readonly capacity: number;
  readonly #slots: (T | undefined)[];
  #first = 0;
  #count = 0;

  constructor(capacity: number) {
    assert(Number.isSafeInteger(capacity), 'the capacity is a whole number');
    assert(capacity >= 1, 'a ring buffer holds at least one value');
    this.capacity = capacity;
    this.#slots = new Array<T | undefined>(capacity).fill(undefined);
  }

  get count(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get isFull(): boolean {
    return this.#count === this.capacity;
  }

  /** Adds the newest value; false, and no change, when the buffer is full. */
  push(value: T): boolean {
    if (this.#count === this.capacity) return false;
    this.#slots[this.#slot(this.#count)] = value;
    this.#count += 1;
    return true;
  }

  /** Takes the oldest value out; undefined when there is none. */
  shift(): T | undefined {
    if (this.#count === 0) return undefined;
    const value = this.#slots[this.#first];
    this.#slots[this.#first] = undefined;
    this.#first = this.#slot(1);
    this.#count -= 1;
    return value;
  }

  /** The oldest value, which stays; undefined when there is none. */
  peek(): T | undefined {
    return this.#count === 0 ? undefined : this.#slots[this.#first];
  }

  /** The value at `index`, 0 being the oldest; it must be there. */
  at(index: number): T {
    assert(index >>> 0 === index, 'the index is a whole number from 0 on');
    assert(index < this.#count, 'the index lies within the buffer');
    return this.#slots[this.#slot(index)] as T;
  }

  #slot(index: number): number {
    const slot = this.#first + index;
    return slot < this.capacity ? slot : slot - this.capacity;
  }
}
