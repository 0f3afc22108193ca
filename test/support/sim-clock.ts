/**
 * A clock that moves only when a test moves it. Timers run inside `advance`, in the order of their
 * times and, at the same time, of their scheduling; each sees its own time.
 */

import type { Cancel, Clock } from '../../src/base/clock.js';

interface Timer {
  readonly dueMs: number;
  readonly run: () => void;
}

export class SimClock implements Clock {
  #monotonicMs = 0;
  #wallAheadMs: number;
  readonly #timers = new Set<Timer>();

  /** `startMs` is the wall time at the start; the monotonic time starts at 0. */
  constructor(startMs = 1_700_000_000_000) {
    this.#wallAheadMs = startMs;
  }

  nowMs(): number {
    return Math.floor(this.#monotonicMs + this.#wallAheadMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, run: () => void): Cancel {
    if (!(delayMs >= 0 && delayMs < Number.POSITIVE_INFINITY)) {
      throw new RangeError('the delay is a finite number, not negative');
    }
    const timer = { dueMs: this.#monotonicMs + delayMs, run };
    this.#timers.add(timer);
    return () => {
      this.#timers.delete(timer);
    };
  }

  /** Timers that have neither run nor been cancelled. */
  get pendingCount(): number {
    return this.#timers.size;
  }

  /** How long until the next timer is due, or undefined when there is none. */
  get nextDelayMs(): number | undefined {
    const next = this.#next();
    return next === undefined ? undefined : next.dueMs - this.#monotonicMs;
  }

  /** Moves both times on and runs what falls due, also what those timers schedule. */
  advance(ms: number): void {
    if (!(ms >= 0)) throw new RangeError('time does not go back; see jumpWall');
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      this.#timers.delete(next);
      this.#monotonicMs = next.dueMs;
      next.run();
    }
    this.#monotonicMs = endMs;
  }

  /** Sets the wall clock forward or back; no timer notices. */
  jumpWall(ms: number): void {
    this.#wallAheadMs += ms;
  }

  /** The earliest timer; of those due together the one scheduled first. */
  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    return next;
  }
}
