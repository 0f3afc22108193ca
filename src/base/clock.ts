/**
 * Time and timers: the one door to both, so a test can move them.
 *
 * `nowMs` is the wall clock: it goes into records and decides retention, and it may jump. Durations
 * and deadlines use `monotonicMs`, which only rises and means nothing outside this process. A timer
 * never keeps the process alive, and never runs inside the call that schedules it.
 */

import { assert } from './assert.js';

/** Ends a scheduled run; no effect once it ran or was cancelled. */
export type Cancel = () => void;

export interface Clock {
  /** Milliseconds since 1970, whole. */
  nowMs(): number;
  /** Milliseconds since some moment, with fractions; never falls. */
  monotonicMs(): number;
  /**
   * Runs once, about `delayMs` from now (0 or more, any length): a timer may be a millisecond
   * early, so whoever acts on a deadline compares it with `monotonicMs` again. It does not keep the
   * process alive, unless `'keep-alive'` says that somebody waits for it.
   */
  schedule(delayMs: number, run: () => void, hold?: 'keep-alive'): Cancel;
}

/** Node fires a longer delay at once (the field is a signed 32-bit number): split it instead. */
const TIMEOUT_MS_MAX = 2 ** 31 - 1;

export const systemClock: Clock = Object.freeze({
  nowMs: (): number => Date.now(),
  monotonicMs: (): number => performance.now(),
  schedule,
});

function schedule(delayMs: number, run: () => void, hold?: 'keep-alive'): Cancel {
  assert(Number.isFinite(delayMs), 'the delay is a finite number');
  assert(delayMs >= 0, 'the delay is not negative');
  let remainingMs = Math.ceil(delayMs);
  let timer = arm();

  function arm(): NodeJS.Timeout {
    const stepMs = Math.min(remainingMs, TIMEOUT_MS_MAX);
    remainingMs -= stepMs;
    const armed = setTimeout(step, stepMs);
    return hold === 'keep-alive' ? armed : armed.unref();
  }

  function step(): void {
    if (remainingMs > 0) timer = arm();
    else run();
  }

  return () => clearTimeout(timer);
}
