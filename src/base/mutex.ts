/**
 * Exclusion among asynchronous tasks of one thread: one at a time, in the order of asking.
 *
 * For steps that await in the middle and must not interleave: roll, truncate, close. A task that
 * fails ends its turn like any other. A task that asks for the same mutex again and waits for the
 * answer waits for itself: the owner keeps such calls apart.
 */

import { assert } from './assert.js';

export class Mutex {
  readonly #pendingMax: number;
  #tail: Promise<unknown> = Promise.resolve();
  #pending = 0;

  /**
   * `pendingMax` bounds the tasks that run or wait. More is a bug of the owner: it bounds what its
   * own callers can start, with an error that they can tell apart.
   */
  constructor(pendingMax = 1_024) {
    assert(pendingMax >= 1, 'a mutex has room for one task');
    this.#pendingMax = pendingMax;
  }

  /** Whether no task runs or waits; a closing owner asserts it. */
  get isIdle(): boolean {
    return this.#pending === 0;
  }

  /** Runs `task` after all that asked before, never within this call; settles as the task does. */
  async run<T>(task: () => T | Promise<T>): Promise<T> {
    assert(this.#pending < this.#pendingMax, 'the tasks at a mutex are bounded');
    this.#pending += 1;
    const turn = this.#tail.then(task);
    this.#tail = turn.then(ignore, ignore);
    try {
      return await turn;
    } finally {
      this.#pending -= 1;
    }
  }
}

function ignore(): void {}
