/**
 * Which priorities of a queue are taken from next. Partition p of its topic holds priority p.
 *
 *     strict     the highest one that has messages; lower ones wait for it
 *     weighted   each gets turns in proportion to its weight, priority + 1, while it has messages
 *
 * Weighted turns are dealt out smoothly: each round adds its weight to a level's credit, the level
 * with the most credit goes first, and what it hands out is paid by all. So a level that is never
 * first still collects, and none starves. Credit is bounded and lost while there are no messages:
 * whoever was away has no claim on the past.
 */

import { assert } from '../../base/assert.js';
import type { PartitionPicker } from './queue-group.js';

/** A level's credit stays within this many rounds of its weight. */
const CREDIT_ROUNDS_MAX = 4_096;

export function priorityPicker(order: 'strict' | 'weighted'): PartitionPicker {
  return order === 'strict' ? strictPicker : new WeightedPicker();
}

const strictPicker: PartitionPicker = Object.freeze({
  order(ready: readonly boolean[], into: Uint16Array): number {
    let count = 0;
    for (let level = ready.length - 1; level >= 0; level -= 1) {
      if (ready[level] !== true) continue;
      into[count] = level;
      count += 1;
    }
    return count;
  },
  taken(): void {},
});

class WeightedPicker implements PartitionPicker {
  /** By level. */
  readonly #credits: number[] = [];
  /** What the levels that were ready last weigh together. */
  #weight = 0;
  /** Whether each level was ready last. */
  readonly #isReady: boolean[] = [];

  order(ready: readonly boolean[], into: Uint16Array): number {
    let count = 0;
    this.#weight = 0;
    for (let level = 0; level < ready.length; level += 1) {
      const isReady = ready[level] === true;
      this.#isReady[level] = isReady;
      if (!isReady) {
        this.#credits[level] = 0;
        continue;
      }
      this.#weight += weightOf(level);
      into[count] = level;
      count += 1;
    }
    this.#sort(into, count);
    return count;
  }

  /** `count` messages of the level were handed out: as many turns. */
  taken(partition: number, count: number): void {
    assert(count >= 0, 'what was taken is counted');
    if (this.#weight === 0) return;
    for (let level = 0; level < this.#isReady.length; level += 1) {
      if (this.#isReady[level] !== true) continue;
      const weight = weightOf(level);
      const max = weight * CREDIT_ROUNDS_MAX;
      this.#credits[level] = Math.min(max, (this.#credits[level] ?? 0) + weight * count);
    }
    const paid = (this.#credits[partition] ?? 0) - this.#weight * count;
    this.#credits[partition] = Math.max(-this.#weight * CREDIT_ROUNDS_MAX, paid);
  }

  /** By what each would have after one more round; the higher level first among equals. */
  #sort(into: Uint16Array, count: number): void {
    for (let end = 1; end < count; end += 1) {
      const level = into[end] ?? 0;
      let at = end;
      while (at > 0 && this.#isBefore(level, into[at - 1] ?? 0)) {
        into[at] = into[at - 1] ?? 0;
        at -= 1;
      }
      into[at] = level;
    }
  }

  #isBefore(one: number, other: number): boolean {
    const difference = this.#nextCredit(one) - this.#nextCredit(other);
    return difference === 0 ? one > other : difference > 0;
  }

  #nextCredit(level: number): number {
    return (this.#credits[level] ?? 0) + weightOf(level);
  }
}

function weightOf(level: number): number {
  return level + 1;
}
