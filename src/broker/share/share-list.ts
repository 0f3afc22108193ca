/**
 * A list of slots, joined by their links: first in, first out. A slot is in one list at most.
 */

import { assert } from '../../base/assert.js';
import { type DeliverySlots, NONE } from './share-slots.js';

export class SlotList {
  readonly #slots: DeliverySlots;
  #first = NONE;
  #last = NONE;
  #count = 0;

  constructor(slots: DeliverySlots) {
    this.#slots = slots;
  }

  get count(): number {
    return this.#count;
  }

  push(slot: number): void {
    this.#slots.setLink(slot, NONE);
    if (this.#last === NONE) this.#first = slot;
    else this.#slots.setLink(this.#last, slot);
    this.#last = slot;
    this.#count += 1;
  }

  /** Puts a slot before all others. */
  unshift(slot: number): void {
    this.#slots.setLink(slot, this.#first);
    if (this.#first === NONE) this.#last = slot;
    this.#first = slot;
    this.#count += 1;
  }

  /** Takes the first slot out; NONE when there is none. */
  shift(): number {
    const slot = this.#first;
    if (slot === NONE) return NONE;
    this.#first = this.#slots.linkOf(slot);
    if (this.#first === NONE) this.#last = NONE;
    this.#count -= 1;
    assert(this.#count >= 0, 'the list knows its length');
    return slot;
  }

  /** Takes out all of which `isKept` says no. */
  filter(isKept: (slot: number) => boolean): void {
    for (let left = this.#count; left > 0; left -= 1) {
      const slot = this.shift();
      if (isKept(slot)) this.push(slot);
    }
  }
}
