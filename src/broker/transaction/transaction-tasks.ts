/**
 * What is left to be done once it is clear how a transaction ends: markers, and decided offsets.
 *
 * They cannot be taken back, so what fails for a while (a full disk) is tried again, after 250 ms,
 * then after twice as long each time, up to 10 s. What fails for good (a poisoned log) is done when
 * the partition is opened the next time.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { MillraceError } from '../../base/errors.js';
import { transactionDiagnostics } from './transaction-diagnostics.js';

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 10_000;

/** One thing that is to be done. */
export interface TransactionTask {
  readonly producerId: number | bigint;
  readonly topic: string | undefined;
  readonly partition: number | undefined;
  readonly run: () => Promise<void>;
  /** Called once, when it is done. */
  readonly done: () => void;
}

export class TransactionTasks {
  readonly #clock: Clock;
  readonly #timers = new Set<Cancel>();
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Resolves once it was tried for the first time; never rejects. */
  async start(task: TransactionTask): Promise<void> {
    await this.#attempt(task, RETRY_MS_MIN);
  }

  /** Nothing is tried again: the next open does what is left. */
  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
  }

  async #attempt(task: TransactionTask, delayMs: number): Promise<void> {
    try {
      await task.run();
    } catch (cause) {
      const mayRetry = cause instanceof MillraceError && cause.retryable && !this.#isClosed;
      const retryMs = mayRetry ? delayMs : undefined;
      const { producerId, topic, partition } = task;
      transactionDiagnostics.unfinished.publish({ producerId, topic, partition, retryMs, cause });
      if (mayRetry) this.#later(task, delayMs);
      return;
    }
    task.done();
  }

  #later(task: TransactionTask, delayMs: number): void {
    const cancel = this.#clock.schedule(delayMs, () => {
      this.#timers.delete(cancel);
      this.#attempt(task, Math.min(2 * delayMs, RETRY_MS_MAX));
    });
    this.#timers.add(cancel);
  }
}
