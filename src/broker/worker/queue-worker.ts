/**
 * A worker of a queue: takes messages as one consumer, and has a handler see to each of them.
 *
 *     running    messages are taken, handlers run, what has ended is stored
 *     stopping   nothing begins; handlers end in peace, are told to end, are left
 *     over       it has left the queue: `finished` is settled
 *
 * What no handler has begun goes back when the worker stops, as if it had not been given out.
 */

import { inspect } from 'node:util';
import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { Prng } from '../../base/prng.js';
import { Deadline, drainHandlers } from '../process/process-drain.js';
import type { StopOptions } from '../process/process-worker.js';
import type { QueueHandler } from './queue-handler.js';
import { WorkerCalls } from './queue-worker-calls.js';
import { queueWorkerDiagnostics } from './queue-worker-diagnostics.js';
import {
  type QueueWorkerConfig,
  type QueueWorkerOptions,
  resolveWorkerOptions,
} from './queue-worker-options.js';
import { AHEAD_MAX } from './queue-worker-prefetch.js';
import type { WorkerMember, WorkerSource, WorkMessage } from './queue-worker-source.js';
import type { QueueWorkerStats } from './queue-worker-stats.js';

export interface QueueWorkerSurroundings {
  readonly clock: Clock;
  readonly newSeed: () => number;
}

const DRAIN_MS = 30_000;
const DRAIN_MS_MAX = 24 * 60 * 60 * 1000;
/** How long handlers have to end once they are told to. */
const GRACE_MS = 1_000;

/** The calls, whatever their messages are. */
type Calls = Pick<
  WorkerCalls<WorkMessage>,
  'stats' | 'close' | 'leave' | 'settled' | 'forsake' | 'idle'
> & {
  readonly running: Parameters<typeof drainHandlers>[0][number];
};

export class QueueWorker {
  /** Resolves after `stop`, or with the broker's end; rejects with what ended it before. */
  readonly finished: Promise<void>;
  readonly #queue: string;
  readonly #clock: Clock;
  readonly #config: QueueWorkerConfig;
  readonly #calls: Calls;
  readonly #drained: Deadline;
  #stopReason: unknown;
  #stopping: Promise<void>;
  #beginStop: () => void = () => undefined;
  #state: QueueWorkerStats['state'] = 'running';
  #failure: { readonly error: unknown } | undefined;

  private constructor(
    queue: string,
    config: QueueWorkerConfig,
    clock: Clock,
    begin: (failed: (error: unknown) => void) => {
      readonly calls: Calls;
      readonly take: () => Promise<{ close(): Promise<void> }>;
    },
  ) {
    this.#queue = queue;
    this.#clock = clock;
    this.#config = config;
    this.#drained = new Deadline(clock, Number.POSITIVE_INFINITY);
    this.#stopping = new Promise((resolve) => {
      this.#beginStop = resolve;
    });
    const { calls, take } = begin((error) => this.#fail(error));
    this.#calls = calls;
    this.finished = this.#live(take);
    // Whoever does not look at it is not to die of it.
    this.finished.catch(ignore);
    this.#obey(config.signal);
  }

  /** Begins to take messages. Throws OPTION_UNKNOWN, OPTION_INVALID. */
  static start<Message extends WorkMessage>(
    source: WorkerSource<Message>,
    handler: QueueHandler<Message>,
    options: QueueWorkerOptions,
    { clock, newSeed }: QueueWorkerSurroundings,
  ): QueueWorker {
    if (typeof handler !== 'function') throw invalid('handler', 'a function', typeof handler);
    const config = resolveWorkerOptions(options, source.retry);
    const prng = new Prng(newSeed());
    return new QueueWorker(source.queue, config, clock, (failed) => {
      const calls = new WorkerCalls<Message>({ clock, prng, config, source, handler, failed });
      const take = async (): Promise<WorkerMember<Message>> => {
        const member = await source.join({
          inFlightCountMax: config.concurrency + AHEAD_MAX,
          inFlightBytesMax: config.inFlightBytes,
          priority: config.priority,
          onLeaseEnded: calls.lookForLost,
        });
        calls.start(member);
        return member;
      };
      return { calls, take };
    });
  }

  get state(): QueueWorkerStats['state'] {
    return this.#state;
  }

  stats(): QueueWorkerStats {
    return { state: this.#state, ...this.#calls.stats };
  }

  /**
   * Begins no more handlers, gives back what waits for one, lets those that run end, stores how
   * they ended, and leaves. Handlers that are not done after `drainMs` are told to end by their
   * signal, and left a second later: their messages come again. Does not wait for a long poll.
   * Settles as `finished` does; a later call may shorten the time. Throws OPTION_INVALID.
   */
  async stop({ drainMs = DRAIN_MS }: StopOptions = {}): Promise<void> {
    if (!Number.isFinite(drainMs) || drainMs < 0 || drainMs > DRAIN_MS_MAX) {
      throw invalid('drainMs', `0 to ${DRAIN_MS_MAX} milliseconds`, String(drainMs));
    }
    this.#end(drainMs, () => this.#attemptEnded('the worker stops'));
    await this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  [inspect.custom](): string {
    const { running, waiting } = this.#calls.stats;
    return `QueueWorker ${this.#queue} (${this.#state}, ${running} running, ${waiting} waiting)`;
  }

  async #live(take: () => Promise<{ close(): Promise<void> }>): Promise<void> {
    // Not before whoever made the worker has it.
    await Promise.resolve();
    let member: { close(): Promise<void> } | undefined;
    try {
      if (this.#state === 'running') member = await take();
    } catch (error) {
      this.#fail(error);
    }
    await this.#stopping;
    await this.#shutDown(member);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #shutDown(member: { close(): Promise<void> } | undefined): Promise<void> {
    const calls = this.#calls;
    const { running } = calls;
    calls.close();
    const options = { deadline: this.#drained, graceMs: GRACE_MS, reason: () => this.#stopReason };
    await drainHandlers([running], this.#clock, options);
    const { runningCount: handlers } = running;
    if (handlers > 0) queueWorkerDiagnostics.handlersLeft.publish({ queue: this.#queue, handlers });
    calls.leave();
    await this.#settle();
    this.#drained.cancel();
    try {
      await member?.close();
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#config.signal?.removeEventListener('abort', this.#aborted);
    this.#state = 'over';
    if (this.#failure === undefined) return;
    queueWorkerDiagnostics.failed.publish({ queue: this.#queue, cause: this.#failure.error });
  }

  /** What has ended is stored; what cannot be within the time comes again. */
  async #settle(): Promise<void> {
    const calls = this.#calls;
    // A receive that does not hear of its signal ends when the member closes.
    await this.#grace(calls.idle());
    const settled = calls.settled();
    await this.#drained.wait(settled);
    await this.#grace(settled);
    calls.forsake();
  }

  async #grace(done: Promise<void>): Promise<void> {
    const grace = new Deadline(this.#clock, GRACE_MS);
    await grace.wait(done);
    grace.cancel();
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end(0, () => this.#attemptEnded('the worker has failed'));
  }

  #end(drainMs: number, reason: () => unknown): void {
    this.#drained.shorten(drainMs);
    if (this.#state !== 'running') return;
    this.#state = 'stopping';
    this.#stopReason = reason();
    this.#calls.close();
    this.#beginStop();
  }

  /** What a handler is told that is not waited for any longer. */
  #attemptEnded(reason: string): Error {
    return createError('ATTEMPT_ENDED', { queue: this.#queue, reason });
  }

  #obey(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) this.#aborted();
    else signal?.addEventListener('abort', this.#aborted, { once: true });
  }

  readonly #aborted = (): void => this.#end(0, () => this.#config.signal?.reason);
}

function invalid(option: string, expected: string, actual: string): Error {
  return createError('OPTION_INVALID', { option, expected, actual, where: 'consume' });
}

function ignore(): void {}
