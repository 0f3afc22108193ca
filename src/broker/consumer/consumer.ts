/**
 * A consumer: batches of typed records from any partitions of any topics, one loop at a time.
 *
 * Asking for the next batch says that the one before is done with: that is when an automatic
 * commit takes place, when its memory leaves the bound, and what a rebalance waits for. A loop
 * that ends, however it ends, closes the consumer; `break`, and an error in the loop, commit
 * nothing of the batch that it is in.
 */

import type { Readable, Writable } from 'node:stream';
import { createError, hasCode } from '../../base/errors.js';
import type { ReadFrom } from '../../storage/main.js';
import { checkFrom } from '../../storage/main.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import type { TopicPartition } from '../group/group-topics.js';
import type { Codec } from '../topic/codec.js';
import { AutomaticCommits } from './consumer-automatic.js';
import { type BatchHome, ConsumerBatch } from './consumer-batch.js';
import { ConsumerCore } from './consumer-core.js';
import {
  checkInvalidValuePolicy,
  type InvalidValuePolicy,
  RecordDecoder,
} from './consumer-decoder.js';
import type { PartitionLease } from './consumer-lease.js';
import type { ConsumerCoreOptions } from './consumer-options.js';
import { offsetOf } from './consumer-seek.js';
import { committingStream, readableOf } from './consumer-streams.js';
import type { ConsumerSurroundings } from './consumer-surroundings.js';
import type { TopicSelector } from './consumer-topics.js';

type PartitionsCallback = (partitions: readonly TopicPartition[]) => Promise<void> | void;

export interface ConsumerOptions extends ConsumerCoreOptions {
  /** What becomes of a record whose value does not fit the codec. Default `'fail'`. */
  readonly onInvalidValue?: InvalidValuePolicy | undefined;
  /** Ends the loop with the signal's reason, once it asks for the next batch. */
  readonly signal?: AbortSignal | undefined;
  /** These are new; nothing is read before it ends. */
  readonly onAssigned?: PartitionsCallback | undefined;
  /** These go to others when it ends; the loop is done with what it had of them. */
  readonly onRevoked?: PartitionsCallback | undefined;
  /** These went to others, or are gone, before the loop was done with them. */
  readonly onLost?: PartitionsCallback | undefined;
}

/** A partition that the consumer has now. */
export interface ConsumerPosition extends TopicPartition {
  /** The next offset that will be handed out. */
  readonly position: number;
  /** Exclusive end of what the consumer may see. */
  readonly endOffset: number;
  readonly isPaused: boolean;
}

export interface ConsumerCloseOptions {
  /** How long the loop may take to be done with its batch; it is then committed. Default 0. */
  readonly drainMs?: number | undefined;
}

export class Consumer<Value> implements AsyncIterableIterator<ConsumerBatch<Value>, undefined> {
  readonly #core: ConsumerCore;
  readonly #around: ConsumerSurroundings;
  readonly #automatic: AutomaticCommits | undefined;
  readonly #signal: AbortSignal | undefined;
  readonly #home: BatchHome<Value>;
  /** What the loop is in. */
  #current: ConsumerBatch<Value> | undefined;
  /** Told when it is done with that. */
  readonly #doneWaiters = new Set<() => void>();
  #turn: Promise<unknown> = Promise.resolve();
  #isClosing = false;
  #isForsaken = false;
  #closing: Promise<void> | undefined;
  #closeError: { readonly error: unknown } | undefined;

  /** @internal Throws as `ConsumerCore.start`. */
  constructor(
    topics: readonly TopicSelector[],
    codec: Codec<Value, never>,
    options: ConsumerOptions,
    around: ConsumerSurroundings,
  ) {
    const { onInvalidValue = 'fail', signal, onAssigned, onRevoked, onLost, ...given } = options;
    checkInvalidValuePolicy(onInvalidValue);
    this.#around = around;
    this.#signal = signal;
    const callbacks = {
      onAssigned: (leases: readonly PartitionLease[]) => onAssigned?.(placesOf(leases)),
      onRevoked: async (leases: readonly PartitionLease[]): Promise<void> => {
        await this.#finishWith(leases);
        await onRevoked?.(placesOf(leases));
      },
      onLost: (leases: readonly PartitionLease[]) => onLost?.(placesOf(leases)),
      onClosing: () => this.#endWaits(),
      onSought: (lease: PartitionLease) => this.#automatic?.note(lease, lease.position),
      onPassedOver: (lease: PartitionLease) => {
        if (!this.#isForsaken) this.#automatic?.passOver(lease, lease.position);
      },
    };
    this.#core = ConsumerCore.start(topics, given, callbacks, around);
    const { group, commit, commitIntervalMs: intervalMs } = this.#core.config;
    const commitAll = (offsets: readonly OffsetToCommit[]) => this.#core.commit(offsets);
    if (group !== '' && commit === 'automatic') {
      this.#automatic = new AutomaticCommits({
        clock: around.clock,
        group,
        intervalMs,
        commit: commitAll,
      });
    }
    this.#home = {
      group,
      decoder: new RecordDecoder(codec, onInvalidValue),
      memberOf: () => this.#core.memberOf(),
      commit: (offset) => this.#core.commit([offset]),
      committing: (lease) => this.#automatic?.forget(lease),
    };
  }

  /** Empty without one. */
  get group(): string {
    return this.#core.config.group;
  }

  /** The partitions that it has now. */
  get assignment(): readonly ConsumerPosition[] {
    const held = this.#core.leases.filter(({ isHeld }) => isHeld);
    return held.map(({ topic, partition, position, endOffset, isPaused }) => {
      return { topic, partition, position, endOffset, isPaused };
    });
  }

  /** What is read ahead, or handed out and not done with: at most `prefetchBytes`. */
  get heldBytes(): number {
    return this.#core.heldBytes;
  }

  /** The same in batches. */
  get heldCount(): number {
    return this.#core.heldCount;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /**
   * The next batch; done when the consumer is closed or its topics are deleted. Rejects, and closes
   * the consumer, with the signal's reason; FENCED_INSTANCE and what else ends a membership; what
   * an automatic commit and `onInvalidValue` reject with; what reading a log rejects with
   * (LOG_CORRUPT, IO_FAILED, OFFSET_OUT_OF_RANGE, ...).
   */
  next(): Promise<IteratorResult<ConsumerBatch<Value>, undefined>> {
    const turn = this.#turn.then(() => this.#advance());
    this.#turn = turn.catch(ignore);
    return turn;
  }

  /** The loop was left: closes, and commits nothing of the batch that it was in. */
  async return(): Promise<IteratorResult<ConsumerBatch<Value>, undefined>> {
    this.#forsake();
    await this.close();
    return { done: true, value: undefined };
  }

  /**
   * Commits these offsets; without any, resolves when all that the loop is done with is committed.
   * Rejects like `ConsumerBatch.commit`.
   */
  async commit(offsets?: readonly OffsetToCommit[]): Promise<void> {
    if (offsets === undefined) await this.#automatic?.flush();
    else await this.#core.commit(offsets);
  }

  /**
   * Goes on elsewhere in a partition; what was read ahead is dropped. With automatic commits the
   * group goes on there, too. UNKNOWN_PARTITION when the consumer does not have it.
   */
  async seek(at: TopicPartition, to: ReadFrom): Promise<void> {
    checkFrom(to);
    const lease = this.#require(at);
    const offset = await offsetOf(lease, to);
    lease.seek(offset);
  }

  /** Hands out nothing of these, or of all it has now, until `resume` or another assignment. */
  pause(partitions?: readonly TopicPartition[]): void {
    for (const lease of this.#leasesAt(partitions)) lease.pause();
  }

  resume(partitions?: readonly TopicPartition[]): void {
    for (const lease of this.#leasesAt(partitions)) lease.resume();
  }

  /**
   * A stream of batches that asks for the next one when its reader has room. It reads ahead, so it
   * cannot commit by itself: OPTION_INVALID unless `commit` is `'manual'` or `'before'`, or there
   * is no group. Destroying it closes the consumer.
   */
  readable(): Readable {
    if (this.#automatic !== undefined) {
      const expected = "'manual', with `committer()` as the last stage, or 'before'";
      throw createError('OPTION_INVALID', { option: 'commit', expected, actual: 'automatic' });
    }
    return readableOf(this);
  }

  /** The last stage of a stream: commits the batches that come through. */
  committer(): Writable {
    return committingStream<ConsumerBatch<Value>>();
  }

  /**
   * Commits what the loop is done with, leaves the group, and ends the loop. Called in the loop it
   * must not wait for it (`drainMs` 0). Rejects when the last commit does. Idempotent.
   */
  close({ drainMs = 0 }: ConsumerCloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(drainMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #advance(): Promise<IteratorResult<ConsumerBatch<Value>, undefined>> {
    try {
      await this.#finish();
      const batch = this.#isClosing ? undefined : await this.#take();
      if (batch !== undefined) return { done: false, value: batch };
    } catch (error) {
      this.#forsake();
      await this.close().catch(ignore);
      throw error;
    }
    await this.close();
    return { done: true, value: undefined };
  }

  /** The loop is done with its batch. */
  async #finish(): Promise<void> {
    const batch = this.#current;
    if (batch !== undefined) {
      const { fetched } = batch;
      await batch.handled();
      const isItsOwn = !fetched.wasInTransaction && !fetched.isOvertaken;
      if (isItsOwn && !this.#isForsaken) {
        this.#automatic?.note(fetched.lease, fetched.nextOffset);
      }
      this.#letGo();
    }
    this.#automatic?.check();
  }

  async #take(): Promise<ConsumerBatch<Value> | undefined> {
    const { group, commit } = this.#core.config;
    for (;;) {
      const fetched = await this.#core.take(this.#signal);
      if (fetched === undefined) return undefined;
      const batch = new ConsumerBatch(fetched, this.#home);
      this.#current = batch;
      if (commit !== 'before' || group === '') return batch;
      try {
        await batch.commit();
        return batch;
      } catch (error) {
        this.#letGo();
        // It is somebody else's now, who reads it.
        if (!hasCode(error, 'ILLEGAL_GENERATION') && !hasCode(error, 'UNKNOWN_MEMBER')) throw error;
      }
    }
  }

  /** The batch that the loop had counts no more. */
  #letGo(): void {
    const batch = this.#current;
    this.#current = undefined;
    if (batch !== undefined) this.#core.release(batch.fetched);
    for (const tell of this.#doneWaiters) tell();
  }

  /** The loop was left in the middle of its batch: it is not done with. */
  #forsake(): void {
    this.#isForsaken = true;
    this.#letGo();
  }

  /** What goes to others: the loop comes to the end of its batch, and what is done is committed. */
  async #finishWith(leases: readonly PartitionLease[]): Promise<void> {
    const isIn = leases.some((lease) => lease === this.#current?.fetched.lease);
    if (isIn && !this.#isClosing) await this.#whenDone();
    try {
      await this.#automatic?.flush();
    } catch (error) {
      this.#closeError = { error };
    }
  }

  #whenDone(timeoutMs?: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        this.#doneWaiters.delete(end);
        cancel?.();
        resolve();
      };
      this.#doneWaiters.add(end);
      const { clock } = this.#around;
      const cancel =
        timeoutMs === undefined ? undefined : clock.schedule(timeoutMs, end, 'keep-alive');
    });
  }

  async #close(drainMs: number): Promise<void> {
    this.#isClosing = true;
    if (drainMs > 0 && this.#current !== undefined) await this.#whenDone(drainMs);
    await this.#core.close();
    this.#automatic?.close();
    if (this.#closeError !== undefined) throw this.#closeError.error;
  }

  #endWaits(): void {
    this.#isClosing = true;
    for (const tell of this.#doneWaiters) tell();
  }

  #require(at: TopicPartition): PartitionLease {
    const lease = this.#core.lease(at.topic, at.partition);
    if (lease !== undefined) return lease;
    if (this.#isClosing) throw createError('CONSUMER_CLOSED', { group: this.group });
    const message = 'the consumer does not have the partition';
    const { topic, partition } = at;
    throw createError('UNKNOWN_PARTITION', { message, topic, partition });
  }

  #leasesAt(partitions: readonly TopicPartition[] | undefined): readonly PartitionLease[] {
    return partitions?.map((at) => this.#require(at)) ?? this.#core.leases;
  }
}

function placesOf(leases: readonly PartitionLease[]): TopicPartition[] {
  return leases.map(({ topic, partition }) => ({ topic, partition }));
}

function ignore(): void {}
