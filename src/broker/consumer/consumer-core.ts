/**
 * How a consumer works: partitions come and go, are read ahead, and are handed out in turn.
 *
 * Who says which partitions it has is a source: its group (`consumer-member.ts`), or itself
 * (`consumer-alone.ts`). One lease stands for a partition from its assignment until it is given
 * up. `take` hands out batches, `release` says that they are done with; what lies between counts
 * against the prefetch bound. This class knows neither values nor who commits when.
 */

import type { Cancel } from '../../base/clock.js';
import { createError, hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { partitionName } from '../group/assignor-order.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import type { GroupCoordinator } from '../group/group-coordinator.js';
import type { TopicPartition } from '../group/group-topics.js';
import { unknownTopic } from '../topic/topic-errors.js';
import { AloneSource } from './consumer-alone.js';
import { commitHeld } from './consumer-commit.js';
import type { FetchedBatch, Lease, PartitionLease } from './consumer-lease.js';
import { MemberSource } from './consumer-member.js';
import { openLeases } from './consumer-opening.js';
import {
  type ConsumerConfig,
  type ConsumerCoreOptions,
  resolveConsumerOptions,
} from './consumer-options.js';
import { PrefetchRing } from './consumer-ring.js';
import type { AssignmentSource, ConsumerMember } from './consumer-source.js';
import type { ConsumerSurroundings } from './consumer-surroundings.js';
import { ConsumerTakers } from './consumer-takers.js';
import { ConsumerTopics, type TopicSelector } from './consumer-topics.js';

/** What the owner is told; the calls never overlap. */
export interface ConsumerCallbacks {
  /** Nothing is read before it ends. */
  onAssigned?(leases: readonly PartitionLease[]): Promise<void> | void;
  /** Nothing more is handed out. Finish, and commit: when it ends they may go to others. */
  onRevoked?(leases: readonly PartitionLease[]): Promise<void> | void;
  /** They belong to others, or are gone: stop, do not commit. */
  onLost?(leases: readonly PartitionLease[]): Promise<void> | void;
  /** The place to go on from was set by hand. */
  onSought?(lease: PartitionLease): void;
  /** All that was handed out of it is released, and up to its position nothing else can be seen. */
  onPassedOver?(lease: PartitionLease): void;
  /** It is being closed, by whomever: what is revoked from here on is not waited for. */
  onClosing?(): void;
}

/** How long to wait until partitions are opened that could not be. */
const REOPEN_MS = 100;

/** Each partition reads so much at once, however many there are. */
const SHARE_BYTES_MIN = 64 * 1024;

export class ConsumerCore {
  readonly config: ConsumerConfig;
  readonly #around: ConsumerSurroundings;
  readonly #callbacks: ConsumerCallbacks;
  readonly #topics: ConsumerTopics;
  readonly #ring: PrefetchRing<FetchedBatch>;
  readonly #takers: ConsumerTakers;
  readonly #leases = new Map<string, Lease>();
  /** How many partitions each topic had when it was first seen by the subscription. */
  readonly #known = new Map<string, number>();
  #coordinator: GroupCoordinator | undefined;
  #source: AssignmentSource | undefined;
  #subscribed: readonly string[];
  /** Changes of what it has, one at a time. */
  #changes: Promise<unknown> = Promise.resolve();
  /** What could not be opened yet is tried again. */
  #reopening: Cancel | undefined;
  readonly #starting: Promise<void>;
  #closing: Promise<void> | undefined;

  /**
   * Begins to join, and to read. Throws OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID,
   * INVALID_TOPIC_NAME, UNKNOWN_TOPIC.
   */
  static start(
    topics: readonly TopicSelector[],
    options: ConsumerCoreOptions,
    callbacks: ConsumerCallbacks,
    around: ConsumerSurroundings,
  ): ConsumerCore {
    return new ConsumerCore(topics, options, callbacks, around);
  }

  private constructor(
    topics: readonly TopicSelector[],
    options: ConsumerCoreOptions,
    callbacks: ConsumerCallbacks,
    around: ConsumerSurroundings,
  ) {
    this.config = resolveConsumerOptions(options);
    this.#around = around;
    this.#callbacks = callbacks;
    this.#topics = new ConsumerTopics(topics);
    const { prefetchBytes: bytesMax, prefetchCount: countMax } = this.config;
    this.#ring = new PrefetchRing({ bytesMax, countMax });
    this.#takers = new ConsumerTakers(around.clock, () => this.takeReady());
    for (const name of this.#topics.names) if (!around.topics.has(name)) throw unknownTopic(name);
    this.#subscribed = this.#topics.in(around.topics);
    for (const name of this.#subscribed) {
      this.#known.set(name, around.groupTopics.partitionCount(name) ?? 0);
    }
    this.#starting = this.#start();
    around.added(this);
  }

  /** What it has now. */
  get leases(): readonly PartitionLease[] {
    return [...this.#leases.values()];
  }

  /** What is read ahead, or handed out and not released. */
  get heldBytes(): number {
    return this.#ring.bytes;
  }

  get heldCount(): number {
    return this.#ring.count;
  }

  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  lease(topic: string, partition: number): PartitionLease | undefined {
    return this.#leases.get(partitionName({ topic, partition }));
  }

  /**
   * The next batch; undefined once the consumer is closed, or its topics are gone. Rejects with the
   * signal's reason, with what ended the membership (FENCED_INSTANCE, GROUP_FULL, ...), and with
   * what reading a partition threw: of that one nothing more comes until it is sought.
   */
  take(signal?: AbortSignal): Promise<FetchedBatch | undefined> {
    return this.#takers.take(signal);
  }

  /** The next batch when there is one already. */
  takeReady(): FetchedBatch | undefined {
    const fetched = this.#ring.take();
    if (fetched === undefined) return undefined;
    this.#leases.get(partitionName(fetched))?.took(fetched);
    return fetched;
  }

  /** The batch is done with: its bytes leave the bound. Once is enough. */
  release(fetched: FetchedBatch): void {
    if (fetched.isReleased) return;
    fetched.isReleased = true;
    fetched.batch.release();
    this.#ring.release(fetched.bytes);
    this.#leases.get(partitionName(fetched))?.released(fetched);
  }

  /**
   * Commits; resolves when it is durable. While the group is between two generations it is tried
   * again, for as long as the partitions are held under the leases of now. Rejects with
   * ILLEGAL_GENERATION when one is not, and otherwise as `GroupCoordinator.commit`.
   */
  commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    return commitHeld(
      {
        clock: this.#around.clock,
        groupId: this.config.group,
        timeoutMs: this.config.rebalanceTimeoutMs,
        leaseOf: ({ topic, partition }) => this.lease(topic, partition),
        commit: (held) => this.#commitNow(held),
      },
      offsets,
    );
  }

  /** In whose name a transaction commits its offsets; undefined without a group. */
  memberOf(): ConsumerMember | undefined {
    return this.#source?.member;
  }

  /** Topics have come, grown or gone. */
  noticeTopics(deleted?: string): void {
    if (this.isClosed) return;
    if (deleted !== undefined) {
      this.#known.set(deleted, 0);
      // Nothing of it is held from now on, also while an earlier change is under way.
      for (const lease of this.#leases.values()) if (lease.topic === deleted) lease.giveUp();
      this.#change(() => this.#drop(deleted));
    }
    const topics = this.#topics.in(this.#around.topics);
    const isSame = topics.join() === this.#subscribed.join();
    this.#subscribed = topics;
    const isOver = topics.length === 0 && !this.#topics.hasPatterns;
    if (isOver) {
      this.#takers.end();
      return;
    }
    // A group tells its members of partitions that are added to what they subscribe to.
    if (!isSame || this.#source instanceof AloneSource) this.#source?.setTopics(topics);
    this.#change(() => this.#reopen());
  }

  /**
   * Gives up what it has, leaves the group, and ends those that wait in `take`. Not to be awaited
   * in a callback. Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #start(): Promise<void> {
    try {
      // Not before whoever made the consumer has it.
      await Promise.resolve();
      if (this.config.group !== '') this.#coordinator = await this.#around.coordinator();
      if (this.isClosed) return;
      const source = this.#makeSource();
      this.#source = source;
      source.finished.catch((error: unknown) => this.#fail(error));
    } catch (error) {
      this.#fail(error);
    }
  }

  #makeSource(): AssignmentSource {
    const { clock, groupTopics } = this.#around;
    const coordinator = this.#coordinator;
    const target = {
      assign: (given: readonly TopicPartition[]) => this.#change(() => this.#assign(given)),
      revoke: (given: readonly TopicPartition[]) => this.#change(() => this.#revoke(given)),
      lose: (given: readonly TopicPartition[]) => this.#change(() => this.#lose(given)),
    };
    if (coordinator === undefined || this.config.partitions !== undefined) {
      const around = { coordinator, groupTopics };
      return new AloneSource(this.config, this.#subscribed, target, around);
    }
    const around = { clock, coordinator, groupTopics };
    return new MemberSource(this.config, this.#subscribed, target, around);
  }

  async #assign(partitions: readonly TopicPartition[]): Promise<void> {
    const added = partitions.filter((at) => !this.#leases.has(partitionName(at)));
    const { leases, isPartial } = await openLeases(
      {
        home: this.#home,
        find: (topic) => this.#around.topics.find(topic),
        coordinator: this.#coordinator,
        isNew: ({ topic, partition }) => partition >= (this.#known.get(topic) ?? 0),
        commit: (offsets) => this.#commitNow(offsets),
      },
      added,
    );
    for (const lease of leases) this.#leases.set(partitionName(lease), lease);
    if (leases.length > 0) await this.#callbacks.onAssigned?.(leases);
    for (const lease of leases) lease.start();
    if (!isPartial) return;
    const { clock } = this.#around;
    this.#reopening?.();
    this.#reopening = clock.schedule(REOPEN_MS, () => this.#change(() => this.#reopen()));
  }

  async #revoke(partitions: readonly TopicPartition[]): Promise<void> {
    const leases = this.#leasesAt(partitions);
    for (const lease of leases) lease.halt();
    try {
      if (leases.length > 0) await this.#callbacks.onRevoked?.(leases);
    } finally {
      this.#giveUp(leases);
    }
  }

  async #lose(partitions: readonly TopicPartition[]): Promise<void> {
    const leases = this.#leasesAt(partitions);
    this.#giveUp(leases);
    if (leases.length > 0) await this.#callbacks.onLost?.(leases);
  }

  /** The topic is gone, whatever the source says of its partitions. */
  #drop(topic: string): Promise<void> {
    return this.#lose([...this.#leases.values()].filter((lease) => lease.topic === topic));
  }

  /** A topic may be gone and back before its partitions were given up: they are other ones now. */
  async #reopen(): Promise<void> {
    const subscribed = new Set(this.#subscribed);
    const owned = this.#source?.owned.filter(({ topic }) => subscribed.has(topic)) ?? [];
    const missing = owned.filter((at) => !this.#leases.has(partitionName(at)));
    if (missing.length > 0 && !this.isClosed) await this.#assign(missing);
  }

  readonly #home = ((core: ConsumerCore) => ({
    get config(): ConsumerConfig {
      return core.config;
    },
    get ring(): PrefetchRing<FetchedBatch> {
      return core.#ring;
    },
    get readBytesMax(): number {
      const share = Math.ceil(core.config.prefetchBytes / Math.max(core.#leases.size, 1));
      return Math.min(Math.max(share, SHARE_BYTES_MIN), limits.readBytesMax);
    },
    get isMember(): boolean {
      return core.#source?.isMember === true;
    },
    arrived: (): void => core.#takers.arrived(),
    failed: (_lease: Lease, error: unknown): void => core.#takers.fail(error),
    sought: (lease: Lease): void => core.#callbacks.onSought?.(lease),
    passedOver: (lease: Lease): void => core.#callbacks.onPassedOver?.(lease),
  }))(this);

  #leasesAt(partitions: readonly TopicPartition[]): Lease[] {
    return partitions
      .map((at) => this.#leases.get(partitionName(at)))
      .filter((lease) => lease !== undefined);
  }

  #giveUp(leases: readonly Lease[]): void {
    for (const lease of leases) {
      lease.giveUp();
      this.#leases.delete(partitionName(lease));
    }
  }

  #commitNow(offsets: readonly OffsetToCommit[]): Promise<void> {
    const source = this.#source;
    if (source !== undefined) return source.commit(offsets);
    return Promise.reject(createError('CONSUMER_CLOSED', { group: this.config.group }));
  }

  /** One change of what it has after the other. */
  #change(change: () => Promise<void>): Promise<void> {
    const turn = this.#changes.then(change);
    this.#changes = turn.catch((error: unknown) => this.#fail(error));
    return turn;
  }

  /** It cannot go on: whoever takes is told. */
  #fail(error: unknown): void {
    for (const lease of this.#leases.values()) lease.halt();
    if (this.isClosed || hasCode(error, 'BROKER_CLOSED')) this.#takers.end();
    else this.#takers.breakOff(error);
  }

  async #close(): Promise<void> {
    this.#callbacks.onClosing?.();
    this.#reopening?.();
    this.#takers.end();
    for (const lease of this.#leases.values()) lease.halt();
    await this.#starting;
    try {
      await this.#source?.stop().catch(ignore);
      await this.#changes;
    } finally {
      this.#giveUp([...this.#leases.values()]);
      this.#around.removed(this);
    }
  }
}

function ignore(): void {}
