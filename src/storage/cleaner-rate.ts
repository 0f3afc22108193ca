/**
 * A byte rate: how long to wait after some bytes so that a rate is kept.
 *
 * What was not used is not saved up, apart from a moment's worth, so a task that paused does not
 * run ahead of the rate afterwards.
 */

import { assert } from '../base/assert.js';

/** Time whose bytes may be spent at once after a pause. */
const BURST_MS = 100;

export class ByteRate {
  readonly #bytesPerMs: number;
  /** When the bytes that were spent so far are paid for. */
  #paidMs: number;

  constructor(bytesPerSecond: number, nowMs: number) {
    assert(bytesPerSecond > 0, 'a byte rate is positive');
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#paidMs = nowMs;
  }

  /** Notes that `bytes` were spent; returns the milliseconds to wait from now on, or 0. */
  spend(bytes: number, nowMs: number): number {
    const startMs = Math.max(this.#paidMs, nowMs - BURST_MS);
    this.#paidMs = startMs + bytes / this.#bytesPerMs;
    return Math.max(0, this.#paidMs - nowMs);
  }
}
