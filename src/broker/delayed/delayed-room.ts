/**
 * Room for entries in memory: who adds more than there is waits until some have been written.
 */

import { createError } from '../../base/errors.js';
import type { DelayedLimits } from './delayed-limits.js';

interface Waiter {
  readonly count: number;
  readonly admit: () => void;
  readonly refuse: (error: unknown) => void;
}

export class DelayedRoom {
  readonly #limits: DelayedLimits;
  readonly #used: () => number;
  readonly #wanted: () => void;
  #reserved = 0;
  #waiters: Waiter[] = [];
  #refusal: { readonly error: unknown } | undefined;

  /** `used`: how many entries there are. `wanted`: somebody waits. */
  constructor(limits: DelayedLimits, used: () => number, wanted: () => void) {
    this.#limits = limits;
    this.#used = used;
    this.#wanted = wanted;
  }

  /** Whether somebody waits for room. */
  get isWanted(): boolean {
    return this.#waiters.length > 0;
  }

  /** Takes room for so many, at once when there is some; undefined: it was taken. */
  take(count: number): Promise<void> | undefined {
    if (this.#refusal !== undefined) throw this.#refusal.error;
    if (this.#waiters.length === 0 && this.#hasRoom(count)) {
      this.#reserved += count;
      return undefined;
    }
    const { waitingMax } = this.#limits;
    if (this.#waiters.length >= waitingMax) {
      throw createError('BUFFER_FULL', { expected: `at most ${waitingMax} waiting calls` });
    }
    const admitted = new Promise<void>((resolve, reject) => {
      const admit = (): void => {
        this.#reserved += count;
        resolve();
      };
      this.#waiters.push({ count, admit, refuse: reject });
    });
    this.#wanted();
    return admitted;
  }

  /** What was taken has been added, or is not needed. */
  give(count: number): void {
    this.#reserved -= count;
    this.changed();
  }

  /** Resolves when there is room, without taking any. */
  async some(): Promise<void> {
    const waiting = this.take(0);
    if (waiting !== undefined) await waiting;
  }

  /** There may be more room. */
  changed(): void {
    while (this.#waiters.length > 0) {
      const [first] = this.#waiters;
      if (first === undefined || !this.#hasRoom(first.count)) return;
      this.#waiters.shift();
      first.admit();
    }
  }

  /** Nobody waits any more. */
  close(error: unknown): void {
    this.#refusal = { error };
    for (const { refuse } of this.#waiters.splice(0)) refuse(error);
  }

  #hasRoom(count: number): boolean {
    const used = this.#used() + this.#reserved;
    // A call that is larger than all room goes when there is nothing else.
    return used === 0 || used + count <= this.#limits.memoryEntries;
  }
}
