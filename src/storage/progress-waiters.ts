/**
 * Readers that wait at an end of the log, and producers that wait for room: woken all at once, each
 * then looks for itself.
 */

import type { Durability } from './read-source.js';

interface Waiter {
  readonly durability: Durability;
  readonly resolve: () => void;
}

export class ProgressWaiters {
  readonly #waiters = new Set<Waiter>();

  get isEmpty(): boolean {
    return this.#waiters.size === 0;
  }

  /** Whether somebody waits for records to become durable. */
  get wantsDurable(): boolean {
    for (const waiter of this.#waiters) if (waiter.durability === 'durable') return true;
    return false;
  }

  /** Resolves at the next `wake`, or when the signal aborts. */
  wait(durability: Durability, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const waiter: Waiter = { durability, resolve: finish };
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      signal?.addEventListener('abort', finish);
      this.#waiters.add(waiter);
    });
  }

  wake(): void {
    if (this.#waiters.size === 0) return;
    for (const waiter of [...this.#waiters]) waiter.resolve();
  }
}
