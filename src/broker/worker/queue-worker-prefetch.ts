/**
 * How many messages a worker takes ahead of its handlers: what they begin in a few milliseconds.
 *
 * Slow handlers have next to nothing taken ahead for them: a message that waits here could run
 * elsewhere. Fast ones get a block at a time, so that the cost of a receive is shared by many.
 */

import { assert } from '../../base/assert.js';

/** What handlers begin in this time is taken ahead. */
const AHEAD_MS = 10;
export const AHEAD_MAX = 1_000;
/** It grows to twice what it was, and this. */
const GROWTH_MIN = 16;

export class WorkerPrefetch {
  #count = 0;
  #begun = 0;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  /** How many to have beyond what handlers can begin at once. */
  get count(): number {
    return this.#count;
  }

  /** Handlers were begun. */
  began(count: number): void {
    this.#begun += count;
  }

  /** Before messages are asked for. */
  look(nowMs: number): void {
    const passedMs = nowMs - this.#sinceMs;
    assert(passedMs >= 0, 'time goes on');
    if (passedMs < AHEAD_MS) return;
    const suited = Math.floor((this.#begun / passedMs) * AHEAD_MS);
    this.#count = Math.min(suited, 2 * this.#count + GROWTH_MIN, AHEAD_MAX);
    this.#begun = 0;
    this.#sinceMs = nowMs;
  }
}
