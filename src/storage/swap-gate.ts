/**
 * The gate at which readers wait while the files of a segment change their names.
 *
 * Only opening a file and loading an index wait; descriptors that are open go on. A swap that
 * failed half-way and could not be put right leaves the gate shut for good: whoever comes to it is
 * told, because what lies under the names is not known.
 */

import { assert } from '../base/assert.js';

export class SwapGate {
  #state: 'open' | 'held' | 'shut' = 'open';
  #failure: Error | undefined;
  #waiting: (() => void)[] = [];

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  hold(): void {
    assert(this.#state === 'open', 'one swap at a time');
    this.#state = 'held';
  }

  release(): void {
    assert(this.#state === 'held', 'a gate that is held is released');
    this.#state = 'open';
    this.#wake();
  }

  /** Lets nobody pass any more; those who wait and those who come get `failure`. */
  shut(failure: Error): void {
    assert(this.#state === 'held', 'a gate that is held is shut');
    this.#state = 'shut';
    this.#failure = failure;
    this.#wake();
  }

  /** Resolves when files may be opened; rejects when that will not be. */
  async pass(): Promise<void> {
    while (this.#state === 'held') {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}
