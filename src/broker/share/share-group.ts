/**
 * A share group on a topic: members that take messages one by one, each message by one of them.
 *
 * This class is the face for queues and for shared topics. What is given out to whom is
 * `share-hand-out.ts`, the state of a partition `share-partition.ts`, what is done beside it
 * `share-upkeep.ts`. Members may outnumber partitions: every member takes from all of them.
 */

import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import type { LogRecord } from '../../storage/main.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { type ExpiredCallback, ShareAside, withRecords } from './share-aside.js';
import type { Delivery, RefusedDelivery } from './share-delivered.js';
import type { DeliveryCounts } from './share-delivery-options.js';
import { sumOfCounts } from './share-describe.js';
import { endEach, flush, throwRefused } from './share-endings.js';
import { type ReceiptAnswer, receiptRefused } from './share-errors.js';
import { type FinishedCallback, FinishedListeners } from './share-finished.js';
import {
  type AlterableShareConfig,
  limitsOf,
  type ShareGroupConfig,
  type ShareGroupParts,
  type ShareResetTarget,
} from './share-group-config.js';
import { ShareHandOut } from './share-hand-out.js';
import type { ShareMember, ShareMemberOptions, ShareRequest } from './share-member.js';
import { ShareMembers } from './share-members.js';
import type { SharePartition } from './share-partition.js';
import { SharePartitions } from './share-partitions.js';
import { ShareTimer } from './share-timer.js';
import { decodeToken, encodeToken } from './share-token.js';
import { ShareUpkeep } from './share-upkeep.js';

export interface ReleaseHow {
  /** How long until they may be given out again. */
  readonly delayMs?: number;
  /** Whether the deliveries count as failures. */
  readonly isFailure?: boolean;
}

export class ShareGroup {
  readonly name: string;
  readonly topic: HostedTopic;
  readonly upkeep: ShareUpkeep;
  readonly #clock: Clock;
  readonly #handOut: ShareHandOut;
  readonly #partitions: SharePartitions;
  readonly #members = new ShareMembers();
  readonly #aside: ShareAside;
  readonly #finished = new FinishedListeners();
  readonly #timer: ShareTimer;
  #config: ShareGroupConfig;
  #isSettlingSoon = false;
  #isClosed = false;

  /** Opens the partitions that are in use. Throws UNKNOWN_TOPIC and what opening a log throws. */
  static async open(parts: ShareGroupParts): Promise<ShareGroup> {
    const group = new ShareGroup(parts);
    try {
      await group.#partitions.open(parts.config.startsAt);
    } catch (error) {
      // Those partitions that could be opened are free for the next attempt.
      await group.close();
      throw error;
    }
    group.upkeep.finished();
    return group;
  }

  private constructor(parts: ShareGroupParts) {
    const { topic, group, clock, config, picker } = parts;
    this.name = group;
    this.topic = topic;
    this.#clock = clock;
    this.#config = config;
    const partitions = (): readonly SharePartition[] => this.partitions();
    this.#partitions = new SharePartitions(parts, this, {
      limits: () => limitsOf(this.#config),
      moved: (partition) => {
        this.#handOut.noticeFeed(partition);
        // What was read may have been no messages: then there are fewer than were counted.
        this.#finished.tell([]);
      },
      leaseEnded: (partition, offset, receipt, owner) => {
        this.#members.find(owner)?.onLeaseEnded?.(partition, offset, receipt);
      },
      opened: () => this.#handOut.wake(),
    });
    const due = (): void => {
      this.#sweep();
      this.#settle();
    };
    this.#timer = new ShareTimer(clock, () => this.#nextMs(), due);
    this.upkeep = new ShareUpkeep({
      clock,
      group,
      topic: topic.name,
      partitions,
      deleting: parts.deleting,
      config: () => this.#config,
    });
    this.#aside = new ShareAside({
      partitions,
      archive: (deliveries) => this.archive(deliveries),
      giveBack: (deliveries) => this.giveBack(deliveries),
    });
    this.#handOut = new ShareHandOut({
      clock,
      picker,
      partitions,
      config: () => this.#config,
      find: (partition) => this.#partitions.find(partition),
      partitionCount: () => topic.partitions,
      isSettled: () => this.#partitions.isSettled,
      settled: () => this.#partitions.settled(),
      isActive: (member) => !this.#config.isSingleActive || this.#members.isActive(member),
      check: () => this.#check(),
      taken: () => {
        this.#aside.tellExhausted();
        this.#timer.arm();
      },
      expired: (deliveries) => this.#aside.tellExpired(deliveries),
    });
  }

  get config(): ShareGroupConfig {
    return this.#config;
  }

  /** How many members there are. */
  get memberCount(): number {
    return this.#members.all.length;
  }

  /** Those that are in use, by their numbers. */
  partitions(): readonly SharePartition[] {
    return this.#partitions.list;
  }

  /** Takes effect at once, also for what was given out. */
  alter(changes: Partial<AlterableShareConfig>): void {
    this.#config = Object.freeze({ ...this.#config, ...changes });
    for (const { state } of this.partitions()) state.setLimits(limitsOf(this.#config));
    this.#settle();
    this.upkeep.finished();
  }

  /** Throws GROUP_FULL. */
  join(options: ShareMemberOptions = {}): ShareMember {
    this.#check();
    return this.#members.join(this, options);
  }

  /** @internal For members. */
  receive(member: ShareMember, request: ShareRequest): Promise<Delivery[]> {
    return this.#handOut.receive(member, request);
  }

  /** @internal For members: what it has goes back. */
  leave(member: ShareMember): void {
    this.#members.leave(member);
    this.#handOut.end(member);
    for (const { state } of this.partitions()) state.releaseOwner(member.owner, false);
    this.#settle();
  }

  // ---- Ending deliveries.

  /**
   * The messages are done with; durable when it resolves. To repeat it is harmless. Throws
   * RECEIPT_STALE and LEASE_FROZEN for those that it cannot end, once the others are; DISK_FULL and
   * what an append throws.
   */
  async acknowledge(deliveries: readonly Delivery[]): Promise<void> {
    throwRefused(deliveries, await this.acknowledgeAll(deliveries));
  }

  async reject(deliveries: readonly Delivery[]): Promise<void> {
    throwRefused(deliveries, await this.rejectAll(deliveries));
  }

  async release(deliveries: readonly Delivery[], how: ReleaseHow = {}): Promise<void> {
    throwRefused(deliveries, await this.releaseAll(deliveries, how));
  }

  extend(deliveries: readonly Delivery[], leaseMs: number): void {
    throwRefused(deliveries, this.extendAll(deliveries, leaseMs));
  }

  /** The same, and answers with those that it cannot end. */
  acknowledgeAll(deliveries: readonly Delivery[]): Promise<readonly RefusedDelivery[]> {
    return this.#finish(deliveries, (delivery) => delivery.partition.acknowledge(delivery));
  }

  /** The same of one; a refusal is told at once. */
  acknowledgeOne(delivery: Delivery): Promise<void> | 'stale' | 'frozen' {
    this.#check();
    this.#sweep();
    const answer = delivery.partition.acknowledge(delivery);
    if (answer === 'stale' || answer === 'frozen') return answer;
    if (answer === 'done') this.#finished.tellOfOne(delivery);
    this.#settleSoon();
    return delivery.partition.place.flush('durable');
  }

  /** The messages are never given out again. */
  rejectAll(deliveries: readonly Delivery[]): Promise<readonly RefusedDelivery[]> {
    return this.#finish(deliveries, (delivery) => delivery.partition.reject(delivery));
  }

  /** Gives messages back, for others or for later. */
  async releaseAll(
    deliveries: readonly Delivery[],
    { delayMs = 0, isFailure = false }: ReleaseHow,
  ): Promise<readonly RefusedDelivery[]> {
    this.#check();
    this.#sweep();
    const refused = endEach(deliveries, (delivery) =>
      delivery.partition.release(delivery, delayMs, isFailure),
    );
    this.#settle();
    if (isFailure || delayMs > 0) await flush(deliveries, 'written');
    return refused;
  }

  /** The leases end `leaseMs` from now. */
  extendAll(deliveries: readonly Delivery[], leaseMs: number): readonly RefusedDelivery[] {
    this.#check();
    this.#sweep();
    const refused = endEach(deliveries, (each) => each.partition.extend(each, leaseMs));
    this.#timer.arm();
    return refused;
  }

  /** The messages never reached a consumer: their deliveries do not count. */
  withdraw(
    deliveries: readonly Delivery[],
    { delayMs = 0 }: { readonly delayMs?: number } = {},
  ): void {
    for (const { partition, offset, receipt } of deliveries.toReversed()) {
      partition.withdraw(offset, receipt, delayMs);
    }
    this.#settle();
  }

  /** Whether the consumer has the message, or its transaction. */
  isHeld({ partition, offset, receipt }: Delivery): boolean {
    this.#sweep();
    return !partition.isOver && partition.state.isHeld(offset, receipt);
  }

  // ---- Receipts for the outside.

  receiptOf({ partition, offset, receipt }: Delivery): string {
    const { generation, life } = partition;
    const { topicId } = this.topic.definition;
    const place = { topicId, partition: partition.partition, offset, receipt };
    return encodeToken({ generation, life, ...place });
  }

  /** A delivery without its record. Throws RECEIPT_INVALID, RECEIPT_STALE (of before a reset). */
  async deliveryOf(text: string): Promise<Delivery> {
    const { topicId, partition, offset, receipt, generation, life } = decodeToken(text);
    this.#check();
    if (topicId !== this.topic.definition.topicId) {
      const expected = `a message of ${this.topic.name}`;
      throw createError('RECEIPT_INVALID', { receipt: text, expected });
    }
    await this.#partitions.settled();
    const found = this.#partitions.find(partition);
    const isKnown = found !== undefined && found.generation === generation;
    // After a restart nobody has a message; what is finished may be told so again.
    if (!isKnown || (life !== found.life && !found.isFinished(offset))) {
      throw receiptRefused('stale', { group: this.name, partition, offset });
    }
    this.#sweep();
    return found.deliveryOf(offset, receipt);
  }

  /** The same deliveries with their records, without those that are nowhere any more. */
  withRecords(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    return withRecords(deliveries);
  }

  async readRecord(partition: number, offset: number): Promise<LogRecord | undefined> {
    const records = await this.#partitions.find(partition)?.readRecords([offset]);
    return records?.get(offset);
  }

  // ---- What is not for consumers any more.

  /** Called when there are messages that had all their deliveries; without it they are archived. */
  onExhausted(callback: () => void): void {
    this.#aside.onExhausted(callback);
  }

  /** Gets what a filter called expired, taken; without it that is archived. */
  onExpired(callback: ExpiredCallback): void {
    this.#aside.onExpired(callback);
  }

  /**
   * Hears of messages that are done with; undefined: nobody knows which; none: `unfinished` may be
   * less for another reason. Is not called while it is not wanted.
   */
  onFinished(callback: FinishedCallback, isWanted: () => boolean = () => true): void {
    this.#finished.add(callback, isWanted);
  }

  /** Takes messages that had all their deliveries: then `archive`, or `giveBack`. */
  takeExhausted(max: number): Promise<Delivery[]> {
    return this.#aside.takeExhausted(max);
  }

  /**
   * Takes the oldest messages that nobody has, the lowest partition first and past all limits,
   * until one is not wanted: then `archive`, or `giveBack`.
   */
  async takeOldest(max: number, wanted?: (record: LogRecord) => boolean): Promise<Delivery[]> {
    this.#check();
    await this.#partitions.settled();
    return await this.#aside.takeOldest(max, wanted);
  }

  /** What was taken is done with, durably. */
  async archive(deliveries: readonly Delivery[]): Promise<void> {
    await this.#finish(deliveries, (delivery) => delivery.partition.archive(delivery));
  }

  /** What was taken may be given out again. */
  giveBack(deliveries: readonly Delivery[]): void {
    for (const { partition, offset, receipt } of deliveries.toReversed()) {
      partition.thaw(offset, receipt);
    }
    this.#settle();
  }

  // ---- What is known of it.

  counts(): DeliveryCounts {
    return sumOfCounts(this.partitions().map(({ state }) => state.counts()));
  }

  /** Messages that are not finished; what was not read yet counts by its offsets. */
  unfinished(): number {
    return this.partitions().reduce((sum, { unfinished }) => sum + unfinished, 0);
  }

  undecided(): number {
    return this.partitions().reduce((sum, { undecided }) => sum + undecided, 0);
  }

  /**
   * Reads as far ahead as is kept in memory: then marks of transactions and gaps there are not
   * counted as messages any more. Throws what reading throws.
   */
  async catchUp(): Promise<void> {
    this.#check();
    await this.#partitions.settled();
    await Promise.all(this.partitions().map((one) => one.feed.fillWhile(() => one.mayReadAhead)));
  }

  /** When the oldest message that is not finished was sent, in wall time. */
  async oldestTimestamp(): Promise<number | undefined> {
    let oldest: number | undefined;
    for (const partition of this.partitions()) {
      const timestamp = await partition.oldestTimestamp();
      if (timestamp !== undefined) oldest = Math.min(oldest ?? timestamp, timestamp);
    }
    return oldest;
  }

  // ---- Changes from outside.

  /** A partition of the topic has its log now. */
  noticePartition(partition: number): void {
    this.#partitions.notice(partition);
  }

  /** A message was finished by a transaction. */
  ended(partition: SharePartition, offset: number): void {
    this.#finished.tell([{ partition: partition.partition, offset }]);
    this.#settle();
    this.upkeep.finished();
  }

  /**
   * Archives everything that is there now, or what lies below an offset of one partition; those
   * that members have too. Resolves to how many messages that were, when it is durable.
   */
  async purge(place?: { readonly partition: number; readonly before: number }): Promise<number> {
    this.#check();
    await this.#partitions.settled();
    const purging = this.#partitions.purge(place);
    this.#tellAll();
    return await purging;
  }

  /**
   * Begins anew at other offsets: what was finished from there on is given out again, and receipts
   * from before are stale. Throws LEASE_FROZEN while a transaction has messages.
   */
  async resetTo(target: ShareResetTarget): Promise<void> {
    this.#check();
    await this.#partitions.settled();
    try {
      await this.#partitions.reset(target);
    } finally {
      this.#tellAll();
    }
  }

  /** Throws LEASE_FROZEN while a transaction has messages. */
  checkNotHeld(): void {
    this.#partitions.checkNotHeld();
  }

  /** Waits end, leases are given back, what is owed is stored. Idempotent. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    for (const member of this.#members.all) await member.close();
    this.#isClosed = true;
    this.#aside.close();
    this.#handOut.end();
    this.#timer.close();
    await this.upkeep.close();
    await this.#partitions.close();
  }

  /** The same; waits end with the error. */
  async end(error: unknown): Promise<void> {
    this.#handOut.endWith(error);
    await this.close();
  }

  #check(): void {
    this.topic.checkOpen();
    if (this.#isClosed) throw createError('CONSUMER_CLOSED', { group: this.name });
  }

  async #finish(
    deliveries: readonly Delivery[],
    end: (delivery: Delivery) => ReceiptAnswer,
  ): Promise<readonly RefusedDelivery[]> {
    this.#check();
    this.#sweep();
    const done: Delivery[] = [];
    const refused = endEach(deliveries, end, done);
    this.#finished.tellOf(done);
    this.#settle();
    this.upkeep.finished();
    await flush(deliveries, 'durable');
    return refused;
  }

  /** Nobody knows which messages are finished now. */
  #tellAll(): void {
    this.#finished.tell(undefined);
    this.#settle();
    this.upkeep.finished();
  }

  /** A lease that is past its time is over, whoever asks. */
  #sweep(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const partition of this.partitions()) partition.sweep(nowMs);
  }

  /** Something has changed: who waits may be served, and others are to be told. */
  #settle(): void {
    for (const { feed } of this.partitions()) feed.roomMade();
    this.#handOut.wake();
    this.#aside.tellExhausted();
    this.#timer.arm();
  }

  /** The same once for all messages that are acknowledged one by one in this turn. */
  #settleSoon(): void {
    if (this.#isSettlingSoon) return;
    this.#isSettlingSoon = true;
    queueMicrotask(() => {
      this.#isSettlingSoon = false;
      if (this.#isClosed) return;
      this.#settle();
      this.upkeep.finished();
    });
  }

  /** The first time at which a lease or a delay may end, monotonic; infinite: none will. */
  #nextMs(): number {
    let nextMs = Number.POSITIVE_INFINITY;
    for (const { state } of this.partitions()) nextMs = Math.min(nextMs, state.nextMs ?? nextMs);
    return nextMs;
  }
}
