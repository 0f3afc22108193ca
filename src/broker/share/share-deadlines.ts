/**
 * When leases end and delays pass: the earliest time of each 64 slots, in a tree of minima.
 *
 * A heap of all slots would take 8 bytes for each; this takes a quarter of one, and a search of 64
 * slots when a block's time has come. The time of a block is a lower bound: a lease that is
 * extended or acknowledged leaves it as it is, and the next search corrects it.
 *
 * Times are kept as whole milliseconds from an origin, rounded up, so nothing is early. After 24
 * days the origin is moved on.
 */

import { assert } from '../../base/assert.js';
import { type DeliverySlots, FREE, NONE } from './share-slots.js';
import { LEASED, WAITING } from './share-states.js';

const BLOCK_BITS = 6;
const BLOCK_SLOTS = 64;
const SPAN_MS = 2 ** 31;
const LEAVES_INITIAL = 64;

/** The longest lease and the longest delay, in milliseconds: 24 days. */
export const DELIVERY_TIME_MS_MAX = 24 * 24 * 60 * 60 * 1000;
assert(DELIVERY_TIME_MS_MAX < SPAN_MS, 'a due time fits in 32 bits');

export class DeliveryDeadlines {
  readonly #slots: DeliverySlots;
  #originMs: number;
  /** How many blocks the tree has room for: a power of two. */
  #leaves = LEAVES_INITIAL;
  /** The node `n` holds the least of `2n` and `2n + 1`; the blocks begin at `leaves`. */
  #tree = new Uint32Array(2 * LEAVES_INITIAL).fill(NONE);

  constructor(slots: DeliverySlots, nowMs: number) {
    this.#slots = slots;
    this.#originMs = nowMs;
  }

  /** The earliest time at which something can be due, or before it; undefined: nothing is. */
  get nextMs(): number | undefined {
    const least = this.#tree[1] as number;
    return least === NONE ? undefined : this.#originMs + least;
  }

  /** The monotonic time at which the slot is due. */
  dueMsOf(slot: number): number {
    return this.#originMs + this.#slots.dueOf(slot);
  }

  /** Sets when a slot is due; it is leased or waiting now. */
  set(slot: number, nowMs: number, afterMs: number): void {
    assert(afterMs >= 0 && afterMs <= DELIVERY_TIME_MS_MAX, 'the time is in bounds');
    this.#moveOrigin(nowMs);
    this.#slots.setDue(slot, Math.ceil(Math.max(0, nowMs - this.#originMs) + afterMs));
    this.restore(slot);
  }

  /** Takes a slot's time into account again, as it was set. */
  restore(slot: number): void {
    const block = slot >>> BLOCK_BITS;
    if (block >= this.#leaves) this.#grow(block);
    const due = this.#slots.dueOf(slot);
    const tree = this.#tree;
    for (let node = this.#leaves + block; node > 0 && due < (tree[node] as number); node >>>= 1) {
      tree[node] = due;
    }
  }

  /**
   * Calls `due` for slots whose time has come, which ends their phase, until `wanted` of them (up
   * to 63 more) or all have been.
   */
  sweep(nowMs: number, wanted: number, due: (slot: number) => void): void {
    this.#moveOrigin(nowMs);
    const now = nowMs - this.#originMs;
    let found = 0;
    while (found < wanted) {
      const least = this.#tree[1] as number;
      if (least === NONE || least > now) return;
      found += this.#sweepBlock(this.#firstBlock(least), now, due);
    }
  }

  #sweepBlock(block: number, now: number, due: (slot: number) => void): number {
    const slots = this.#slots;
    const first = block * BLOCK_SLOTS;
    const end = Math.min(first + BLOCK_SLOTS, slots.end);
    let found = 0;
    let least = NONE;
    for (let slot = first; slot < end; slot += 1) {
      if (!this.#isTimed(slot)) continue;
      const at = slots.dueOf(slot);
      if (at > now) {
        if (at < least) least = at;
        continue;
      }
      due(slot);
      found += 1;
    }
    this.#setBlock(block, least);
    return found;
  }

  #isTimed(slot: number): boolean {
    const phase = this.#slots.phaseOf(slot);
    return phase === LEASED || phase === WAITING;
  }

  /** The first block whose time is the least of all. */
  #firstBlock(least: number): number {
    let node = 1;
    while (node < this.#leaves) {
      node *= 2;
      if (this.#tree[node] !== least) node += 1;
    }
    return node - this.#leaves;
  }

  #setBlock(block: number, due: number): void {
    const tree = this.#tree;
    let node = this.#leaves + block;
    tree[node] = due;
    for (node >>>= 1; node > 0; node >>>= 1) {
      tree[node] = Math.min(tree[2 * node] as number, tree[2 * node + 1] as number);
    }
  }

  #grow(block: number): void {
    const before = this.#tree.subarray(this.#leaves);
    while (block >= this.#leaves) this.#leaves *= 2;
    this.#tree = new Uint32Array(2 * this.#leaves).fill(NONE);
    this.#tree.set(before, this.#leaves);
    this.#sumUp();
  }

  #sumUp(): void {
    const tree = this.#tree;
    for (let node = this.#leaves - 1; node > 0; node -= 1) {
      tree[node] = Math.min(tree[2 * node] as number, tree[2 * node + 1] as number);
    }
  }

  #moveOrigin(nowMs: number): void {
    if (nowMs - this.#originMs < SPAN_MS) return;
    const passedMs = Math.floor(nowMs - this.#originMs);
    this.#originMs += passedMs;
    const slots = this.#slots;
    this.#tree.fill(NONE);
    for (let slot = 0; slot < slots.end; slot += 1) {
      if (slots.phaseOf(slot) === FREE) continue;
      slots.setDue(slot, Math.max(0, slots.dueOf(slot) - passedMs));
      if (!this.#isTimed(slot)) continue;
      const leaf = this.#leaves + (slot >>> BLOCK_BITS);
      this.#tree[leaf] = Math.min(this.#tree[leaf] as number, slots.dueOf(slot));
    }
    this.#sumUp();
  }
}
