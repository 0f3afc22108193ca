/**
 * The time that attempts may take: one timer for all of them.
 *
 * All have the same time, so the one that began first is over first: those that run form a list in
 * that order, and the timer is for its front. An attempt costs a place in the list, and no timer.
 */

import type { Cancel, Clock } from '../../base/clock.js';

/** Something that has a time. */
export interface Timed {
  dueMs: number;
  before: Timed | undefined;
  after: Timed | undefined;
  /** Its time is over; it is not in the list any more. */
  timeOut(): void;
}

export class AttemptTimeouts {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #first: Timed | undefined;
  #last: Timed | undefined;
  #cancel: Cancel | undefined;

  /** `timeoutMs` is infinite without a limit. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** Its time begins now. */
  add(timed: Timed): void {
    if (!Number.isFinite(this.#timeoutMs)) return;
    timed.dueMs = this.#clock.monotonicMs() + this.#timeoutMs;
    timed.before = this.#last;
    if (this.#last === undefined) this.#first = timed;
    else this.#last.after = timed;
    this.#last = timed;
    this.#cancel ??= this.#clock.schedule(this.#timeoutMs, () => this.#look());
  }

  /** It has ended; no effect when it is not in the list. */
  remove(timed: Timed): void {
    const { before, after } = timed;
    if (before === undefined && this.#first !== timed) return;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    timed.before = undefined;
    timed.after = undefined;
  }

  /** Ends the timer. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #look(): void {
    this.#cancel = undefined;
    for (;;) {
      const first = this.#first;
      if (first === undefined) return;
      const leftMs = first.dueMs - this.#clock.monotonicMs();
      if (leftMs > 0) {
        this.#cancel ??= this.#clock.schedule(leftMs, () => this.#look());
        return;
      }
      this.remove(first);
      first.timeOut();
    }
  }
}
