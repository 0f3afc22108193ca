/**
 * The messages of one queue that have a delay: they wait in a topic of their own, and enter the
 * queue when they are due.
 *
 * This class is the face, and the loop that does one step after the other: what was cancelled, what
 * is due, then upkeep. There is one timer, for what is due next. It runs at least every half minute
 * while something waits, because what is due depends on the wall clock, and that may jump. Times
 * are compared with a clock that a jump forward does not carry away at once: a message never enters
 * because the clock was wrong for some minutes.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { createError, hasCode } from '../../base/errors.js';
import { TrustedClock } from '../../base/trusted-clock.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { Transaction } from '../transaction/transaction.js';
import { DelayedCancels } from './delayed-cancels.js';
import { delayedDiagnostics } from './delayed-diagnostics.js';
import { type DelayedLimits, delayedLimits } from './delayed-limits.js';
import { DelayedMover, type Transactions } from './delayed-mover.js';
import { isRenewalDue, renew } from './delayed-renewal.js';
import { type DelayedMessage, DelayedSender, type ScheduleOptions } from './delayed-sender.js';
import { DelayedStore } from './delayed-store.js';
import { MESSAGES, PAGES, STATE } from './delayed-topic.js';

export interface DelayedParts {
  /** For what is told of it. */
  readonly queue: string;
  /** Where they wait: made with `delayedTopicOptions`. */
  readonly topic: HostedTopic;
  /** The topic of the queue. */
  readonly target: HostedTopic;
  readonly transactions: Transactions;
  readonly clock: Clock;
  /** So many have entered. */
  readonly entered?: ((count: number) => void) | undefined;
  /** Resolves when messages below `end`, which are done with, may be deleted. */
  readonly deleting?: ((messages: PartitionLog, end: number) => Promise<void>) | undefined;
  /** For tests. */
  readonly limits?: Partial<DelayedLimits>;
}

export interface DelayedDescription {
  readonly count: number;
  /** Nothing is due before; undefined when nothing waits. */
  readonly nextDueMs: number | undefined;
  /** Sorted runs of the index. */
  readonly runs: number;
  /** Offsets of the log that are kept, for messages that wait and others. */
  readonly retained: number;
}

/** For how long a jump of the wall clock must hold before messages enter because of it. */
const PATIENCE_MS = 10 * 60_000;
/** The longest sleep of the timer. */
const SLEEP_MS_MAX = 30_000;
/** How long to wait after a failure: doubled each time, up to a bound. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 10_000;

export class DelayedMessages {
  readonly #parts: DelayedParts;
  readonly #limits: DelayedLimits;
  readonly #store: DelayedStore;
  readonly #clock: TrustedClock;
  readonly #cancels: DelayedCancels;
  readonly #mover: DelayedMover;
  readonly #sender: DelayedSender;
  #looping: Promise<void> | undefined;
  #cancelTimer: Cancel | undefined;
  /** What the timer is for; Infinity: there is none. */
  #armedMs = Number.POSITIVE_INFINITY;
  /** Whether something was learned, or asked, since the loop last looked. */
  #isWoken = false;
  #isCaughtUp = false;
  #retryMs = 0;
  /** Wakes the loop that sleeps after a failure. */
  #endPause: (() => void) | undefined;
  /** It is not known what has entered: nothing more does before the next open. */
  #doubt: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;

  /** Reads the state and what came after the last run; what is due enters from then on. */
  static async open(parts: DelayedParts): Promise<DelayedMessages> {
    const { queue, topic } = parts;
    const [messages, pages, state] = await Promise.all([
      topic.partition(MESSAGES),
      topic.partition(PAGES),
      topic.partition(STATE),
    ]);
    const bounds = { ...delayedLimits, ...parts.limits };
    let opened: DelayedMessages | undefined;
    const failed = (cause: unknown): void => {
      delayedDiagnostics.failed.publish({ queue, cause });
    };
    const learned = (): void => {
      if (opened !== undefined) opened.#learned();
    };
    const store = await DelayedStore.open({
      messages,
      pages,
      state,
      limits: bounds,
      deleting: parts.deleting,
      learned,
      failed,
    });
    opened = new DelayedMessages(parts, bounds, store);
    opened.wake();
    try {
      await store.catchUp();
    } catch (error) {
      await opened.close();
      throw error;
    }
    opened.#isCaughtUp = true;
    opened.wake();
    return opened;
  }

  private constructor(parts: DelayedParts, limits: DelayedLimits, store: DelayedStore) {
    const { queue, clock } = parts;
    this.#parts = parts;
    this.#limits = limits;
    this.#store = store;
    this.#clock = new TrustedClock(clock, (jump) => {
      delayedDiagnostics.clockJump.publish({ queue, ...jump });
    });
    this.#cancels = new DelayedCancels(store, limits);
    this.#mover = new DelayedMover({ ...parts, store, limits });
    this.#sender = new DelayedSender({ ...parts, store, limits });
  }

  /** Messages that wait. */
  get count(): number {
    return this.#store.ledger.count;
  }

  /** Nothing is due before this wall time; undefined when nothing waits. */
  get nextDueMs(): number | undefined {
    const { floorMs } = this.#store.index;
    return this.count === 0 || floorMs === Number.POSITIVE_INFINITY ? undefined : floorMs;
  }

  describe(): DelayedDescription {
    const { index, retained } = this.#store;
    return { count: this.count, nextDueMs: this.nextDueMs, runs: index.runs.length, retained };
  }

  /**
   * The wall time at which a delay of `delayMs` is over: by the clock that messages enter by, so
   * that a jump before or after does not change how long that takes.
   */
  dueAfter(delayMs: number): number {
    return Math.ceil(this.#nowMs() + delayMs);
  }

  /**
   * Stores messages; resolves to their ids, in order, once they are durable, or written. They are
   * stored in parts of at most 1,000: when it rejects, the first ones may wait all the same.
   * Rejects with OPTION_INVALID, RECORD_INVALID, RECORD_TOO_LARGE, BUFFER_FULL, BROKER_CLOSED, what
   * an append rejects with, and the signal's reason while it waits for room.
   */
  async schedule(
    messages: readonly DelayedMessage[],
    options: ScheduleOptions = {},
  ): Promise<readonly number[]> {
    this.#checkOpen();
    return await this.#sender.send(messages, options);
  }

  /**
   * Sends messages in a transaction; resolves to their ids, in order, once they are written. They
   * wait, and can be cancelled, from its commit on. Rejects like `Transaction.send`, and with
   * OPTION_INVALID.
   */
  async scheduleIn(
    transaction: Transaction,
    messages: readonly DelayedMessage[],
  ): Promise<readonly number[]> {
    this.#checkOpen();
    return await this.#sender.sendIn(transaction, messages);
  }

  /**
   * For each id, whether it waited and is cancelled, durably: then it never enters. Rejects with
   * BUFFER_FULL, BROKER_CLOSED, and what an append rejects with: then it is not cancelled; only
   * after OUTCOME_UNKNOWN that is not known before the next open.
   */
  cancel(ids: readonly number[]): Promise<readonly boolean[]> {
    return this.#request(() => this.#cancels.cancel(ids));
  }

  /** Cancels all that waits; resolves to how many that was. Rejects like `cancel`. */
  purge(): Promise<number> {
    return this.#request(() => this.#cancels.purge());
  }

  /** Looks again what there is to do. */
  wake(): void {
    this.#isWoken = true;
    if (this.#looping !== undefined || this.#closing !== undefined) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#armedMs = Number.POSITIVE_INFINITY;
    this.#looping = this.#loop().finally(() => {
      this.#looping = undefined;
      if (this.#isWoken) this.wake();
      else this.#arm();
    });
  }

  /** Ends after the step that is under way; what waits, waits on. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#cancelTimer?.();
    this.#endPause?.();
    const error = this.#closedError();
    this.#store.room.close(error);
    await this.#looping;
    this.#cancels.refuse(error);
    await this.#store.close();
  }

  async #loop(): Promise<void> {
    let isBusy = true;
    while (isBusy && this.#closing === undefined) {
      this.#isWoken = false;
      try {
        isBusy = await this.#step();
        this.#retryMs = 0;
      } catch (cause) {
        await this.#failed(cause);
      }
      isBusy ||= this.#isWoken;
    }
  }

  /** One thing of each kind; whether there is more to do. */
  async #step(): Promise<boolean> {
    if (this.#doubt !== undefined) {
      this.#cancels.refuse(this.#doubt.error);
      return false;
    }
    const store = this.#store;
    if (this.#isCaughtUp) await this.#cancels.carryOut();
    let isBusy = this.#isCaughtUp && (await this.#move());
    if (store.isFlushDue) {
      await store.flushStep();
      isBusy = true;
    }
    if (await store.mergeStep()) isBusy = true;
    if (isRenewalDue(store, this.#limits)) {
      await renew(store);
      isBusy = true;
    }
    await store.trim();
    return isBusy;
  }

  async #move(): Promise<boolean> {
    if (this.#store.index.floorMs > this.#nowMs()) return false;
    const moved = await this.#mover.move(this.#nowMs());
    if (moved === 0) return false;
    this.#parts.entered?.(moved);
    delayedDiagnostics.entered.publish({ queue: this.#parts.queue, messages: moved });
    return true;
  }

  async #failed(cause: unknown): Promise<void> {
    delayedDiagnostics.failed.publish({ queue: this.#parts.queue, cause });
    if (hasCode(cause, 'OUTCOME_UNKNOWN')) this.#doubt = { error: cause };
    this.#retryMs = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, this.#retryMs * 2));
    if (this.#closing !== undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.schedule(this.#retryMs, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
    this.#endPause = undefined;
  }

  /** There may be something to do earlier. */
  #learned(): void {
    const { index, isFlushDue } = this.#store;
    if (this.#looping !== undefined) this.#isWoken = true;
    else if (isFlushDue || index.floorMs < this.#armedMs) this.wake();
  }

  #arm(): void {
    const { nextDueMs } = this;
    if (this.#closing !== undefined || nextDueMs === undefined) return;
    if (this.#doubt !== undefined) return;
    const sleepMs = Math.max(0, Math.min(SLEEP_MS_MAX, nextDueMs - this.#nowMs()));
    this.#armedMs = nextDueMs;
    this.#cancelTimer = this.#parts.clock.schedule(sleepMs, () => this.wake());
  }

  #nowMs(): number {
    return this.#clock.nowMs(PATIENCE_MS);
  }

  #request<Result>(ask: () => Promise<Result>): Promise<Result> {
    try {
      this.#checkOpen();
      const asked = ask();
      this.wake();
      return asked;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw this.#closedError();
    this.#parts.topic.checkOpen();
  }

  #closedError(): Error {
    return createError('BROKER_CLOSED', { queue: this.#parts.queue });
  }
}
