/**
 * What each consumer of a share group has in flight in a partition: messages and their bytes.
 */

import { assert } from '../../base/assert.js';

/** Consumers have numbers below this one. */
const OWNERS_MAX = 65_536;

const OWNERS_INITIAL = 16;

export class DeliveryOwners {
  #counts = new Uint32Array(OWNERS_INITIAL);
  #bytes = new Float64Array(OWNERS_INITIAL);

  countOf(owner: number): number {
    return this.#counts[owner] ?? 0;
  }

  bytesOf(owner: number): number {
    return this.#bytes[owner] ?? 0;
  }

  /** A lease begins (1) or ends (-1). */
  change(owner: number, count: 1 | -1 | 0, bytes: number): void {
    if (owner >= this.#counts.length) this.#grow(owner);
    const counts = (this.#counts[owner] as number) + count;
    const total = (this.#bytes[owner] as number) + bytes;
    assert(counts >= 0, 'a consumer gives up only what it has');
    assert(total >= 0, 'the bytes of a lease are what they were');
    this.#counts[owner] = counts;
    this.#bytes[owner] = total;
  }

  #grow(owner: number): void {
    assert(owner < OWNERS_MAX, 'the number of a consumer is in bounds');
    let room = this.#counts.length;
    while (room <= owner) room *= 2;
    const counts = new Uint32Array(room);
    const bytes = new Float64Array(room);
    counts.set(this.#counts);
    bytes.set(this.#bytes);
    this.#counts = counts;
    this.#bytes = bytes;
  }
}
