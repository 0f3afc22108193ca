/**
 * One task on its way: from the asking, through the queue and a thread, to its one answer.
 *
 * It ends its thread when the task does not obey a cancel in time, or shows no heartbeat. The
 * answer is given only once no thread works on the task any more: whoever gets an error may touch
 * the same files at once. So a thread that hangs in a call of the operating system is waited for
 * until that call returns; it does nothing after it.
 */

import { assert } from '../base/assert.js';
import type { Cancel, Clock } from '../base/clock.js';
import { createError, type MillraceError } from '../base/errors.js';
import { type CleanerAnswer, type CleanerMessage, receiveError } from './cleaner-answer.js';
import { CleanerMonitor } from './cleaner-control.js';
import type { CleanerResult, CleanerTask } from './cleaner-task.js';
import type { RunningCleanerTask } from './log-cleaner.js';
import { StallWatch } from './stall-watch.js';

export interface CleanerJobLimits {
  readonly clock: Clock;
  /** A task without a heartbeat for so long hangs; waiting for its thread to start counts. */
  readonly stallMs: number;
  /** How long a cancelled task may take to end by itself. */
  readonly cancelMs: number;
}

export interface CleanerThreads {
  /** Rejects when the thread dies, and when `kill` aborts, which ends the thread. */
  run(message: CleanerMessage, kill: AbortSignal): Promise<CleanerAnswer>;
  /** Resolves when the thread of this id runs no more; at once for 0 and for unknown ones. */
  ended(threadId: number): Promise<void>;
}

export type CleanerJobOutcome = 'completed' | 'failed' | 'cancelled' | 'lost';

export class CleanerJob {
  readonly task: CleanerTask;
  readonly result: Promise<CleanerResult>;
  readonly #bytesPerSecond: number | undefined;
  readonly #limits: CleanerJobLimits;
  readonly #monitor = new CleanerMonitor();
  readonly #kill = new AbortController();
  readonly #resolve: (result: CleanerResult) => void;
  readonly #reject: (error: unknown) => void;
  #sinceMs = 0;
  #cancelled: { readonly reason: unknown } | undefined;
  /** Why the thread was ended, or is known to be dead. */
  #loss: { readonly reason: string; readonly cause: unknown } | undefined;
  #dropWatch: Cancel | undefined;
  #dropDeadline: Cancel | undefined;

  constructor(task: CleanerTask, bytesPerSecond: number | undefined, limits: CleanerJobLimits) {
    let resolve: ((result: CleanerResult) => void) | undefined;
    let reject: ((error: unknown) => void) | undefined;
    this.result = new Promise((onResult, onError) => {
      resolve = onResult;
      reject = onError;
    });
    assert(resolve !== undefined && reject !== undefined, 'a promise starts in its constructor');
    this.#resolve = resolve;
    this.#reject = reject;
    this.task = task;
    this.#bytesPerSecond = bytesPerSecond;
    this.#limits = limits;
  }

  /** Ends a job that no thread was given. */
  abandon(reason: unknown): void {
    assert(this.#sinceMs === 0, 'a job that runs is cancelled instead');
    this.#reject(reason);
  }

  /** Asks a running task to end, and ends its thread when it takes too long. */
  cancel(reason: unknown): void {
    if (this.#cancelled !== undefined) return;
    this.#cancelled = { reason };
    this.#monitor.cancel();
    const { clock, cancelMs } = this.#limits;
    // Whoever cancels waits for the end.
    this.#dropDeadline = clock.schedule(
      cancelMs,
      () => this.#end('it was cancelled'),
      'keep-alive',
    );
  }

  /** A thread could not start; the job is lost when it was the one that waited for it. */
  threadFailed(cause: unknown): void {
    if (this.#monitor.threadId === 0) this.#end('its thread did not start', cause);
  }

  describe(): RunningCleanerTask {
    const { kind, directory } = this.task;
    return { kind, directory, bytes: this.#monitor.bytes, sinceMs: this.#sinceMs };
  }

  /** Settles `result`; itself never rejects. */
  async run(threads: CleanerThreads): Promise<CleanerJobOutcome> {
    const { task } = this;
    this.#sinceMs = this.#limits.clock.nowMs();
    this.#watch();
    try {
      const message: CleanerMessage = {
        task,
        control: this.#monitor.memory,
        bytesPerSecond: this.#bytesPerSecond,
      };
      return this.#accept(await threads.run(message, this.#kill.signal));
    } catch (error) {
      this.#loss ??= { reason: 'its thread died', cause: error };
      // A thread that had not begun the task finds this before it does.
      this.#monitor.cancel();
      await threads.ended(this.#monitor.threadId);
      this.#reject(this.#cancelled === undefined ? this.#failure() : this.#cancelled.reason);
      return 'lost';
    } finally {
      this.#dropWatch?.();
      this.#dropDeadline?.();
    }
  }

  /** An answer counts also after a cancel that came too late for it. */
  #accept(answer: CleanerAnswer): CleanerJobOutcome {
    switch (answer.outcome) {
      case 'done':
        assert(answer.result.kind === this.task.kind, 'a task gives its kind of result');
        this.#resolve(answer.result);
        return 'completed';
      case 'failed':
        this.#reject(receiveError(answer.error));
        return 'failed';
      case 'cancelled':
        this.#reject(this.#cancelled === undefined ? this.#failure() : this.#cancelled.reason);
        return 'cancelled';
    }
  }

  #watch(): void {
    const { clock, stallMs } = this.#limits;
    const watch = new StallWatch(stallMs, this.#monitor.beats, clock.monotonicMs());
    const look = (): void => {
      if (watch.isStalled(this.#monitor.beats, clock.monotonicMs())) this.#end('it hung');
      else this.#dropWatch = clock.schedule(watch.intervalMs, look);
    };
    this.#dropWatch = clock.schedule(watch.intervalMs, look);
  }

  #end(reason: string, cause?: unknown): void {
    if (this.#loss !== undefined) return;
    this.#loss = { reason, cause };
    this.#monitor.cancel();
    this.#kill.abort();
  }

  #failure(): MillraceError {
    const { kind, directory } = this.task;
    const { reason, cause } = this.#loss ?? { reason: 'it ended early', cause: undefined };
    const message = cause instanceof Error ? `${reason}: ${cause.message}` : reason;
    const facts = { message: `the cleaning failed: ${message}`, path: directory, task: kind };
    return createError('CLEANER_FAILED', { ...facts, bytes: this.#monitor.bytes }, cause);
  }
}
