/**
 * A token bucket: an average rate with a bounded burst.
 *
 * Tokens come in evenly, up to the size of the bucket. Whoever finds it not empty may take any
 * number: what is missing is owed, and the next one waits for it. So a batch larger than the bucket
 * passes, and the average holds all the same.
 */

import { assert } from './assert.js';
import type { Clock } from './clock.js';

export class TokenBucket {
  readonly #clock: Clock;
  readonly #perSecond: number;
  readonly #size: number;
  #tokens: number;
  #filledMs: number;

  /** `size` is the burst, in tokens; the bucket starts full. */
  constructor(clock: Clock, perSecond: number, size: number = perSecond) {
    assert(perSecond > 0, 'tokens come in');
    assert(size > 0, 'a bucket holds tokens');
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#size = size;
    this.#tokens = size;
    this.#filledMs = clock.monotonicMs();
  }

  /** How long until something may be taken, in milliseconds; 0 when it may be now. */
  get delayMs(): number {
    this.#fill();
    if (this.#tokens > 0) return 0;
    return Math.max(1, Math.ceil((-this.#tokens / this.#perSecond) * 1000));
  }

  /** How many whole tokens are there. */
  get count(): number {
    this.#fill();
    return Math.max(0, Math.floor(this.#tokens));
  }

  /** How long until so many tokens are there, at most the size of the bucket, in milliseconds. */
  delayForMs(count: number): number {
    assert(count <= this.#size, 'the bucket can hold so many');
    this.#fill();
    if (this.#tokens >= count) return 0;
    return Math.max(1, Math.ceil(((count - this.#tokens) / this.#perSecond) * 1000));
  }

  /** Takes tokens; only when there are some. */
  take(count: number): void {
    this.#fill();
    assert(this.#tokens > 0, 'the bucket is not empty');
    this.#tokens -= count;
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const grown = ((nowMs - this.#filledMs) / 1000) * this.#perSecond;
    this.#tokens = Math.min(this.#size, this.#tokens + grown);
    this.#filledMs = nowMs;
  }
}
