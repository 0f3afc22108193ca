/**
 * The timer for all leases and delays of a share group: set for the first time at which something
 * may end, moved when that comes earlier, and left where it is when it comes later.
 */

import type { Cancel, Clock } from '../../base/clock.js';

export class ShareTimer {
  readonly #clock: Clock;
  readonly #nextMs: () => number;
  readonly #due: () => void;
  #armed: { readonly dueMs: number; readonly cancel: Cancel } | undefined;
  #isClosed = false;

  /** `nextMs` is monotonic, or infinite when nothing will end; `due` looks at what has ended. */
  constructor(clock: Clock, nextMs: () => number, due: () => void) {
    this.#clock = clock;
    this.#nextMs = nextMs;
    this.#due = due;
  }

  /** Something may end at another time now. */
  arm(): void {
    if (this.#isClosed) return;
    const dueMs = this.#nextMs();
    if (dueMs === Number.POSITIVE_INFINITY) return;
    if (this.#armed !== undefined && this.#armed.dueMs <= dueMs) return;
    this.#armed?.cancel();
    const delayMs = Math.max(0, dueMs - this.#clock.monotonicMs());
    const cancel = this.#clock.schedule(delayMs, () => {
      this.#armed = undefined;
      this.#due();
    });
    this.#armed = { dueMs, cancel };
  }

  close(): void {
    this.#isClosed = true;
    this.#armed?.cancel();
    this.#armed = undefined;
  }
}
