/**
 * Whether something that should beat has stopped: a decision over readings, no timers.
 *
 * Only time between two readings counts, and of each gap no more than twice the usual interval. So
 * a process that was stopped, or whose main thread was busy, does not take its own silence for that
 * of the one it watches.
 */

import { assert } from '../base/assert.js';

export class StallWatch {
  readonly #stallMs: number;
  /** How often to take a reading, milliseconds. */
  readonly intervalMs: number;
  #beats: number;
  #readMs: number;
  #silentMs = 0;

  constructor(stallMs: number, beats: number, nowMs: number) {
    assert(stallMs > 0, 'a stall takes time');
    this.#stallMs = stallMs;
    this.intervalMs = stallMs / 8;
    this.#beats = beats;
    this.#readMs = nowMs;
  }

  /** Notes the number of beats at a monotonic time; whether there were none for too long. */
  isStalled(beats: number, nowMs: number): boolean {
    const gapMs = Math.min(nowMs - this.#readMs, 2 * this.intervalMs);
    this.#silentMs = beats === this.#beats ? this.#silentMs + gapMs : 0;
    this.#beats = beats;
    this.#readMs = nowMs;
    return this.#silentMs >= this.#stallMs;
  }
}
