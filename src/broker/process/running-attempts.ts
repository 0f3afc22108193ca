/**
 * The attempts that run: they come and go in any order, at no cost that grows with their number.
 */

import { assert } from '../../base/assert.js';

/** A handler that runs. */
export interface RunningAttempt {
  /** Where it is in the list of those that run; its owner's. */
  slot: number;
  /** Tells it to end. */
  abort(reason: unknown): void;
}

export class RunningAttempts<Running extends RunningAttempt = RunningAttempt> {
  readonly #attempts: Running[] = [];
  #idleWaiters: (() => void)[] = [];

  get runningCount(): number {
    return this.#attempts.length;
  }

  /** Those that run, in no order; a list that changes with them. */
  get all(): readonly Running[] {
    return this.#attempts;
  }

  began(attempt: Running): void {
    attempt.slot = this.#attempts.length;
    this.#attempts.push(attempt);
  }

  ended(attempt: Running): void {
    const last = this.#attempts.pop();
    assert(last !== undefined, 'what ends has begun');
    if (last !== attempt) {
      this.#attempts[attempt.slot] = last;
      last.slot = attempt.slot;
    }
    if (this.#attempts.length > 0) return;
    for (const resolve of this.#idleWaiters.splice(0)) resolve();
  }

  /** Resolves when no handler runs. */
  idle(): Promise<void> {
    if (this.#attempts.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Tells the handlers that run to end. */
  abort(reason: unknown): void {
    for (const attempt of [...this.#attempts]) attempt.abort(reason);
  }
}
