/**
 * A worker: takes records of a topic as a member of a group, and has a handler process them.
 *
 *     running    batches are taken, handlers run, what is finished is committed
 *     stopping   nothing starts; handlers end in peace, are told to end, are left; last commit
 *     over       it has left the group: `finished` is settled
 *
 * When partitions go to another member the same happens to them alone, within half of the
 * rebalance timeout, so that others need not wait longer. A partition that was lost is let go at
 * once, and nothing of it is committed.
 */

import { inspect } from 'node:util';
import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { Prng } from '../../base/prng.js';
import { ConsumerCore } from '../consumer/consumer-core.js';
import type { PartitionLease } from '../consumer/consumer-lease.js';
import type { ConsumerCoreOptions } from '../consumer/consumer-options.js';
import type { ConsumerMember } from '../consumer/consumer-source.js';
import type { ConsumerSurroundings } from '../consumer/consumer-surroundings.js';
import { groupError } from '../group/group-errors.js';
import type { Codec } from '../topic/codec.js';
import { mayCommitLater, ProcessCommitter } from './process-committer.js';
import { type Bury, DeadLetters, type DeadLetterTopics } from './process-dead-letters.js';
import { processDiagnostics } from './process-diagnostics.js';
import { Deadline, drainHandlers } from './process-drain.js';
import type { HeldPartition } from './process-held.js';
import {
  type ProcessConfig,
  type ProcessOptions,
  resolveProcessOptions,
} from './process-options.js';
import type { ProcessHandler } from './process-record.js';
import { attemptEnded, ProcessRunner, type RunnerParts } from './process-runner.js';

/** What a worker decides by itself, or by its own options. */
const ownOptions = ['commit', 'commitIntervalMs', 'partitions'] as const;

/** How to be in the group; the worker commits by itself. */
export type ProcessGroupOptions = Omit<
  ConsumerCoreOptions,
  'commit' | 'commitIntervalMs' | 'partitions'
> & {
  readonly group: string;
};

export interface StopOptions {
  /** How long handlers may go on, in milliseconds, before they are told to end. Default 30 s. */
  readonly drainMs?: number | undefined;
}

/** What a worker needs of its broker. */
export interface ProcessSurroundings {
  readonly clock: Clock;
  readonly newSeed: () => number;
  readonly consumers: ConsumerSurroundings;
  readonly deadLetterTopics: DeadLetterTopics;
  /** Sends and commits in one transaction, in the name of this member. */
  bury(member: ConsumerMember, burial: Parameters<Bury>[0]): Promise<void>;
}

export interface ProcessSource<Output> {
  readonly topic: string;
  readonly codec: Codec<Output, never>;
  readonly handler: ProcessHandler<Output>;
}

const DRAIN_MS = 30_000;
const DRAIN_MS_MAX = 24 * 60 * 60 * 1000;
/** How long batches are worked on before others have their turn. */
const TURN_MS = 20;
/** Who has waited for so long for a batch has let others have their turn. */
const IDLE_MS = 1;
/** How long handlers have to end once they are told to. */
const GRACE_MS = 1_000;

type Runner = Pick<
  ProcessRunner<unknown>,
  | 'partitions'
  | 'runningCount'
  | 'assign'
  | 'of'
  | 'take'
  | 'passOver'
  | 'refill'
  | 'remove'
  | 'close'
  | 'leave'
>;

export class ProcessWorker {
  /** Resolves after `stop`, or with the broker's end; rejects with what ended it before. */
  readonly finished: Promise<void>;
  readonly #topic: string;
  readonly #group: string;
  readonly #around: ProcessSurroundings;
  readonly #config: ProcessConfig;
  readonly #core: ConsumerCore;
  readonly #runner: Runner;
  readonly #committer: ProcessCommitter;
  readonly #stopping = new AbortController();
  readonly #drained: Deadline;
  #stopReason: unknown;
  #failure: { readonly error: unknown } | undefined;
  #isOver = false;

  private constructor(
    topic: string,
    groupOptions: ProcessGroupOptions,
    config: ProcessConfig,
    around: ProcessSurroundings,
    makeRunner: (events: RunnerEvents) => Runner,
  ) {
    const { group } = groupOptions;
    const { clock, newSeed, deadLetterTopics: topics } = around;
    this.#topic = topic;
    this.#group = group;
    this.#around = around;
    this.#config = config;
    this.#drained = new Deadline(clock, Number.POSITIVE_INFINITY);
    const prng = new Prng(newSeed());
    const options = { ...groupOptions, commit: 'manual' as const };
    this.#core = ConsumerCore.start([topic], options, this.#callbacks(), around.consumers);
    const failed = (error: unknown): void => this.#fail(error);
    const nowMs = (): number => clock.nowMs();
    const bury: Bury = (burial) => this.#bury(burial);
    this.#committer = new ProcessCommitter({
      clock,
      prng,
      group,
      topic,
      deadLetter: config.deadLetter,
      intervalMs: config.commitIntervalMs,
      deadLetters: new DeadLetters(config.deadLetter, { topics, bury, nowMs }),
      commit: (offsets) => this.#core.commit(offsets),
      buried: (held) => this.#runner.refill(held),
      failed,
    });
    this.#runner = makeRunner({
      prng,
      release: (batch) => this.#core.release(batch),
      ended: (held) => this.#committer.note(held),
      failed,
    });
    this.finished = this.#live();
    // Whoever does not look at it is not to die of it.
    this.finished.catch(ignore);
    this.#obey(config.signal);
  }

  /**
   * Begins to join the group. Throws OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID,
   * INVALID_TOPIC_NAME, UNKNOWN_TOPIC.
   */
  static start<Output>(
    { topic, codec, handler }: ProcessSource<Output>,
    groupOptions: ProcessGroupOptions,
    options: ProcessOptions,
    around: ProcessSurroundings,
  ): ProcessWorker {
    checkGroupOptions(groupOptions);
    if (typeof handler !== 'function') throw invalid('handler', 'a function', typeof handler);
    const config = resolveProcessOptions(topic, options);
    const { clock } = around;
    const { group } = groupOptions;
    return new ProcessWorker(topic, groupOptions, config, around, (events) => {
      return new ProcessRunner({ ...events, clock, config, group, topic, codec, handler });
    });
  }

  get state(): 'running' | 'stopping' | 'over' {
    if (this.#isOver) return 'over';
    return this.#stopping.signal.aborted ? 'stopping' : 'running';
  }

  /** Handlers that run, those that nobody waits for any more included. */
  get runningCount(): number {
    return this.#runner.runningCount;
  }

  /** Records that were taken and are not done. */
  get inFlightCount(): number {
    return this.#runner.partitions.reduce((sum, { work }) => sum + (work?.count ?? 0), 0);
  }

  /**
   * Starts no more handlers, lets those that run end, commits, and leaves the group. Handlers that
   * are not done after `drainMs` are told to end by their signal, and left a second later. What
   * they did not finish comes again, to whoever has the partition next. Settles as `finished` does;
   * a later call may shorten the time. Throws OPTION_INVALID.
   */
  async stop({ drainMs = DRAIN_MS }: StopOptions = {}): Promise<void> {
    if (!Number.isFinite(drainMs) || drainMs < 0 || drainMs > DRAIN_MS_MAX) {
      throw invalid('drainMs', `0 to ${DRAIN_MS_MAX} milliseconds`, String(drainMs));
    }
    this.#end(drainMs, () => attemptEnded(this.#topic, 'the worker stops'));
    await this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  [inspect.custom](): string {
    return `ProcessWorker ${this.#topic} of ${this.#group} (${this.state})`;
  }

  #callbacks() {
    return {
      onAssigned: (leases: readonly PartitionLease[]): void => {
        for (const lease of leases) this.#runner.assign(lease);
      },
      onRevoked: (leases: readonly PartitionLease[]): Promise<void> => this.#giveUp(leases),
      onPassedOver: (lease: PartitionLease): void => this.#runner.passOver(lease),
      onLost: (leases: readonly PartitionLease[]): void => {
        const lost = this.#runner.of(leases);
        this.#runner.remove(lost);
        const reason = attemptEnded(this.#topic, 'the partition was lost');
        for (const held of lost) held.abort(reason);
      },
    };
  }

  async #live(): Promise<void> {
    try {
      // Not before whoever made the worker has it.
      await Promise.resolve();
      await this.#takeAll();
    } catch (error) {
      if (!this.#stopping.signal.aborted) this.#fail(error);
    }
    this.#end(DRAIN_MS, () => attemptEnded(this.#topic, 'the consumer is closed'));
    await this.#shutDown();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async #takeAll(): Promise<void> {
    const { signal } = this.#stopping;
    const { clock } = this.#around;
    let turnEndMs = clock.monotonicMs() + TURN_MS;
    while (!signal.aborted) {
      const askedMs = clock.monotonicMs();
      const batch = this.#core.takeReady() ?? (await this.#core.take(signal));
      if (batch === undefined) return;
      if (clock.monotonicMs() - askedMs >= IDLE_MS) turnEndMs = clock.monotonicMs() + TURN_MS;
      this.#runner.take(batch);
      // Handlers that end at once would leave no time for anything else.
      if (clock.monotonicMs() < turnEndMs) continue;
      await this.#yield();
      turnEndMs = clock.monotonicMs() + TURN_MS;
    }
  }

  #yield(): Promise<void> {
    return new Promise((resolve) => {
      this.#around.clock.schedule(0, resolve, 'keep-alive');
    });
  }

  /** Others wait for these: handlers have half of the time that they wait. */
  async #giveUp(leases: readonly PartitionLease[]): Promise<void> {
    const { clock } = this.#around;
    const { rebalanceTimeoutMs } = this.#core.config;
    const revoked = this.#runner.of(leases);
    for (const held of revoked) held.close();
    const deadline = new Deadline(clock, rebalanceTimeoutMs / 2);
    const unlink = this.#drained.whenReached(() => deadline.shorten(0));
    const graceMs = Math.min(GRACE_MS, rebalanceTimeoutMs / 4);
    await this.#drain(revoked, deadline, graceMs, () => {
      return this.#stopReason ?? attemptEnded(this.#topic, 'the partition goes to another member');
    });
    unlink();
    deadline.cancel();
    await this.#settle(revoked);
    this.#runner.remove(revoked);
  }

  async #shutDown(): Promise<void> {
    const { partitions } = this.#runner;
    this.#runner.close();
    await this.#drain(partitions, this.#drained, GRACE_MS, () => this.#stopReason);
    this.#drained.cancel();
    await this.#settle(partitions);
    await this.#committer.close();
    // What they did not do in time is not waited for again when they are revoked.
    this.#runner.remove(this.#runner.partitions);
    this.#runner.leave();
    await this.#core.close();
    this.#config.signal?.removeEventListener('abort', this.#aborted);
    this.#isOver = true;
    if (this.#failure === undefined) return;
    const cause = this.#failure.error;
    processDiagnostics.failed.publish({ group: this.#group, topic: this.#topic, cause });
  }

  async #drain(
    partitions: readonly HeldPartition[],
    deadline: Deadline,
    graceMs: number,
    reason: () => unknown,
  ): Promise<void> {
    await drainHandlers(partitions, this.#around.clock, { deadline, graceMs, reason });
    const [group, topic] = [this.#group, this.#topic];
    for (const { partition, runningCount: handlers } of partitions) {
      if (handlers === 0) continue;
      processDiagnostics.handlersLeft.publish({ group, topic, partition, handlers });
    }
  }

  /** The last commit of these. What it does not reach comes again. */
  async #settle(partitions: readonly HeldPartition[]): Promise<void> {
    try {
      await this.#committer.settle(partitions);
    } catch (cause) {
      if (!mayCommitLater(cause)) {
        this.#fail(cause);
        return;
      }
      processDiagnostics.commitDelayed.publish({ group: this.#group, topic: this.#topic, cause });
    }
  }

  async #bury(burial: Parameters<Bury>[0]): Promise<void> {
    const member = this.#core.memberOf();
    if (member === undefined) throw groupError('UNKNOWN_MEMBER', { group: this.#group });
    await this.#around.bury(member, burial);
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end(0, () => attemptEnded(this.#topic, 'the worker has failed'));
  }

  #end(drainMs: number, reason: () => unknown): void {
    this.#drained.shorten(drainMs);
    if (this.#stopping.signal.aborted) return;
    this.#stopReason = reason();
    this.#stopping.abort();
  }

  #obey(signal: AbortSignal | undefined): void {
    if (signal?.aborted === true) this.#aborted();
    else signal?.addEventListener('abort', this.#aborted, { once: true });
  }

  readonly #aborted = (): void => this.#end(0, () => this.#config.signal?.reason);
}

type RunnerEvents = Pick<RunnerParts<unknown>, 'prng' | 'release' | 'ended' | 'failed'>;

function checkGroupOptions(given: ProcessGroupOptions): void {
  const isObject = typeof given === 'object' && given !== null;
  if (!isObject || given.group === undefined) {
    throw invalid('group', 'the name of a group', isObject ? 'undefined' : typeof given);
  }
  for (const option of ownOptions) {
    if (!Object.hasOwn(given, option)) continue;
    throw invalid(option, 'absent: the worker commits what the group gives it', 'given');
  }
}

function invalid(option: string, expected: string, actual: string): Error {
  return createError('OPTION_INVALID', { option, expected, actual, where: 'process' });
}

function ignore(): void {}
