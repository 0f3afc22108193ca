/**
 * What one call acquired, in columns that are used again: the caller makes a block for a consumer
 * and gives it to every call. The block holds until it is given to the next one.
 */

import { assert } from '../../base/assert.js';

export class AcquiredBlock {
  readonly capacity: number;
  readonly offsets: Float64Array;
  /** With the offset the fencing token of the delivery. */
  readonly receipts: Float64Array;
  /** Deliveries of the message, this one included. */
  readonly deliveries: Uint32Array;
  /** Deliveries of it that have failed. */
  readonly failures: Uint16Array;
  #count = 0;

  constructor(capacity: number) {
    assert(Number.isSafeInteger(capacity) && capacity >= 1, 'a block has room for a message');
    this.capacity = capacity;
    this.offsets = new Float64Array(capacity);
    this.receipts = new Float64Array(capacity);
    this.deliveries = new Uint32Array(capacity);
    this.failures = new Uint16Array(capacity);
  }

  get count(): number {
    return this.#count;
  }

  clear(): void {
    this.#count = 0;
  }

  add(offset: number, receipt: number, deliveries: number, failures: number): void {
    const at = this.#count;
    assert(at < this.capacity, 'the block has room');
    this.offsets[at] = offset;
    this.receipts[at] = receipt;
    this.deliveries[at] = deliveries;
    this.failures[at] = failures;
    this.#count = at + 1;
  }
}
