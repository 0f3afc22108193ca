/**
 * Waiting until something happens or a time is over: one timer for all who wait.
 */

import { assert } from '../../base/assert.js';
import type { Cancel, Clock } from '../../base/clock.js';
import { DeadlineHeap } from '../../base/deadline-heap.js';

export interface Poll {
  /** Resolves when it is woken, or when its time is over. */
  readonly over: Promise<void>;
  /** Aborts then, for those that it waits on. */
  readonly signal: AbortSignal;
  wake(): void;
}

interface OpenPoll {
  isOver: boolean;
  end(): void;
}

export class LongPolls {
  readonly #clock: Clock;
  readonly #deadlines = new DeadlineHeap<OpenPoll>();
  #cancel: Cancel | undefined;
  #armedMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many wait, those that are over included until their time comes. */
  get count(): number {
    return this.#deadlines.count;
  }

  begin(waitMs: number): Poll {
    assert(waitMs >= 0, 'a poll waits from now on');
    const controller = new AbortController();
    let resolve = ignore;
    const over = new Promise<void>((done) => {
      resolve = done;
    });
    const poll: OpenPoll = {
      isOver: false,
      end: () => {
        if (poll.isOver) return;
        poll.isOver = true;
        resolve();
        controller.abort();
      },
    };
    this.#deadlines.push(poll, this.#clock.monotonicMs() + waitMs);
    this.#arm();
    return { over, signal: controller.signal, wake: () => poll.end() };
  }

  close(): void {
    this.#cancel?.();
    for (;;) {
      const poll = this.#deadlines.takeDue(Number.POSITIVE_INFINITY);
      if (poll === undefined) break;
      poll.end();
    }
  }

  #arm(): void {
    const { nextMs } = this.#deadlines;
    if (nextMs === undefined || nextMs >= this.#armedMs) return;
    this.#cancel?.();
    this.#armedMs = nextMs;
    const delayMs = Math.max(0, nextMs - this.#clock.monotonicMs());
    this.#cancel = this.#clock.schedule(delayMs, () => this.#look());
  }

  #look(): void {
    this.#armedMs = Number.POSITIVE_INFINITY;
    this.#cancel = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      const poll = this.#deadlines.takeDue(nowMs);
      if (poll === undefined) break;
      poll.end();
    }
    this.#arm();
  }
}

function ignore(): void {}
