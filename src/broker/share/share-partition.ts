/**
 * One partition in a share group: the delivery state, what is read for it, and what it stores.
 *
 * Messages come out with their records; what was acquired and is not handed out is withdrawn. A
 * reset makes another object of the next generation, and this one answers every receipt with
 * `stale`.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { offerParked } from './parked-messages.js';
import { Delivery, type DeliveryPartition } from './share-delivered.js';
import { FAILURES_MAX } from './share-deliveries.js';
import { DeliveryState } from './share-delivery.js';
import type { ReceiptAnswer } from './share-errors.js';
import { ShareFeed } from './share-feed.js';
import { ShareIntake } from './share-intake.js';
import type { JournalPlace, JournalState, ShareJournal } from './share-journal.js';
import type { DeliveryKey } from './share-journal-format.js';
import type { Ending } from './share-ledger.js';
import { LookUps } from './share-look-ups.js';
import { OwedParts } from './share-owed.js';
import type { DeliveryPart } from './share-part.js';
import type {
  Parked,
  PartitionGroup,
  SharePartitionParts,
  TakeRequest,
} from './share-partition-parts.js';
import { deliveryOf, takersReceiptOf } from './share-receipt.js';
import type { ClockPair } from './share-stored.js';
import { ShareTaking } from './share-taking.js';

const KEY_BOUNDS = { keysMax: 262_144, runsMax: 1_048_576 };
/** Leases and delays that one look ends. */
const SWEEP_MAX = 1_000_000;

export class SharePartition implements DeliveryPartition, JournalState {
  readonly key: DeliveryKey;
  readonly partition: number;
  readonly group: PartitionGroup;
  readonly log: PartitionLog;
  readonly state: DeliveryState;
  readonly feed: ShareFeed;
  /** Messages whose place in the log was given back. */
  readonly parked: Parked | undefined;
  readonly #clock: Clock;
  readonly #journal: ShareJournal;
  readonly #keyOf: SharePartitionParts['keyOf'];
  readonly #moved: () => void;
  readonly #intake: ShareIntake;
  readonly #taking: ShareTaking;
  readonly #owed: OwedParts;
  readonly #lookUps: LookUps;
  /** Messages that were taken before anybody was given them. */
  readonly #unseen = new Set<number>();
  /** Transactions that are deciding about messages of it. */
  readonly #deciding = new Set<Promise<void>>();
  #place: JournalPlace | undefined;
  #isOver = false;

  /** What is stored of it is restored. */
  static async open(parts: SharePartitionParts): Promise<SharePartition> {
    const partition = new SharePartition(parts, 0);
    partition.#place = await parts.journal.attach(parts.key, partition);
    try {
      return await partition.#begin();
    } catch (error) {
      partition.close();
      throw error;
    }
  }

  /** The next generation of a partition, from another offset on. */
  static async replace(
    { parts, part }: { readonly parts: SharePartitionParts; readonly part: DeliveryPart },
    old: SharePartition,
  ): Promise<SharePartition> {
    const partition = new SharePartition(parts, part.startOffset);
    partition.#place = await parts.journal.replace(parts.key, part, partition);
    // Whoever has messages hears that his leases are over.
    old.state.dropBelow(old.state.endOffset);
    old.#end();
    return await partition.#begin();
  }

  private constructor(parts: SharePartitionParts, startOffset: number) {
    const { group, key, log, clock, limits, keyOf, bufferBytes } = parts;
    this.group = group;
    this.key = key;
    this.partition = key.partition;
    this.log = log;
    this.#clock = clock;
    this.#journal = parts.journal;
    this.#keyOf = keyOf;
    this.parked = parts.parked;
    this.#moved = parts.moved;
    this.state = new DeliveryState({
      startOffset,
      nowMs: clock.monotonicMs(),
      limits,
      keyBounds: keyOf === undefined ? undefined : KEY_BOUNDS,
      onLeaseEnded: (offset, receipt, owner) => parts.leaseEnded(this, offset, receipt, owner),
    });
    this.#owed = new OwedParts(this.state);
    this.#intake = new ShareIntake({
      log,
      state: this.state,
      parked: parts.parked,
      keyOf,
      bufferBytes,
      moved: this.#moved,
      startMoved: (isOwed) => {
        if (isOwed) this.#owed.startMoved();
        group.upkeep.finished();
      },
    });
    this.feed = new ShareFeed(log, 0, bufferBytes, this.#intake);
    this.#lookUps = new LookUps(this.state, log, keyOf);
    const { state, feed } = this;
    this.#taking = new ShareTaking({ group, partition: this, state, intake: this.#intake, feed });
  }

  /** Where reading begins is known now. */
  async #begin(): Promise<this> {
    const { startOffset } = this.log;
    if (this.state.startOffset < startOffset) {
      const { parked } = this;
      if (parked !== undefined && parked.count > 0) {
        await offerParked(this.state, parked, this.#keyOf, startOffset);
      } else {
        this.#intake.lose(startOffset);
      }
    }
    this.feed.seek(Math.max(startOffset, this.state.startOffset));
    return this;
  }

  get generation(): number {
    return this.place.generation;
  }

  /** Of the journal: receipts of another one are over. */
  get life(): number {
    return this.#journal.life;
  }

  get place(): JournalPlace {
    assert(this.#place !== undefined, 'the partition is open');
    return this.#place;
  }

  get startOffset(): number {
    return this.state.startOffset;
  }

  get endOffset(): number {
    return this.state.endOffset;
  }

  /** A reset or a deletion has ended it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Messages that are not finished; those that were not read yet are counted by their offsets. */
  get unfinished(): number {
    const { toCome, ready, waiting, exhausted, moving, inFlight } = this.state.counts();
    const { position } = this.feed;
    const unread = this.log.durableOffset - position - this.state.ledger.knownFrom(position);
    return toCome + ready + waiting + exhausted + moving + inFlight + Math.max(0, unread);
  }

  /** Of those, messages behind a transaction that is not decided: nobody can have them yet. */
  get undecided(): number {
    return Math.max(0, this.log.durableOffset - this.log.stableOffset);
  }

  // ---- The journal.

  restore(part: DeliveryPart, clocks: ClockPair): void {
    this.state.restore(part, clocks);
  }

  parts(clocks: ClockPair): Iterable<DeliveryPart> {
    return this.state.parts(clocks);
  }

  takeOwed(acks: 'durable' | 'written'): DeliveryPart | undefined {
    return this.#owed.take(acks);
  }

  takeDelivered(): DeliveryPart | undefined {
    return this.#owed.takeDelivered();
  }

  /** Whether there is something to read, and room for it. */
  get mayReadAhead(): boolean {
    return this.feed.isBehind && this.#intake.hasRoom;
  }

  // ---- Giving out.

  /** Whether a message can be given out now. */
  isReady(nowMs: number): boolean {
    this.sweep(nowMs);
    return this.state.isReady;
  }

  /** Ends what is past its time. */
  sweep(nowMs: number): void {
    const { nextMs } = this.state;
    if (nextMs !== undefined && nextMs <= nowMs) this.state.expire(nowMs, SWEEP_MAX);
  }

  /** Acquires messages, without those that are to be read again: `readMissing` does. */
  take(request: TakeRequest, into: Delivery[]): number {
    return this.#taking.take(request, into);
  }

  /**
   * Reads the records of deliveries that have none. Those that are nowhere any more are archived,
   * and left out of what is returned. Throws what reading throws.
   */
  async readMissing(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    const missing = deliveries.filter(({ hasRecord }) => !hasRecord);
    if (missing.length === 0) return deliveries;
    const records = await this.readRecords(missing.map(({ offset }) => offset));
    const kept: Delivery[] = [];
    for (const delivery of deliveries) {
      const record = delivery.hasRecord ? delivery.record : records.get(delivery.offset);
      if (record === undefined) {
        if (this.reject(delivery) === 'stale') this.archive(delivery);
        continue;
      }
      if (!delivery.hasRecord) {
        delivery.setRecord(record);
        this.#taking.note(delivery, record.contentBytes);
      }
      kept.push(delivery);
    }
    return kept;
  }

  /** What nobody was given comes next again; the last ones first, so that their order stays. */
  withdrawAll(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries.toReversed()) {
      this.withdraw(delivery.offset, delivery.receipt);
      if (delivery.hasRecord) this.#intake.giveBack(delivery.record);
    }
  }

  withdraw(offset: number, receipt: number, delayMs = 0): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    return this.state.withdraw(offset, receipt, this.#clock.monotonicMs(), delayMs);
  }

  /** Stores that these were delivered, so that it is known also when the process dies of them. */
  storeDeliveries(deliveries: readonly Delivery[]): Promise<void> {
    this.#owed.delivered(deliveries);
    const stored = this.place.storeDelivered();
    if (this.#journal.isBegun) return stored;
    // Receipts of this life are not to be those of the next one.
    return Promise.all([stored, this.#journal.begin()]).then(() => undefined);
  }

  /** Whether messages may have to be looked up, which is so in key order. */
  get mayLookUp(): boolean {
    return this.#keyOf !== undefined;
  }

  /** Looks up what did not fit in memory, when keys wait for it. */
  lookUp(): Promise<boolean> {
    return this.#lookUps.run();
  }

  // ---- Ending.

  acknowledge({ offset, receipt }: Delivery): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    const answer = this.state.acknowledge(offset, receipt);
    if (answer === 'done') this.#owed.ended(offset, 'Acknowledged');
    return answer;
  }

  reject({ offset, receipt }: Delivery): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    const answer = this.state.reject(offset, receipt);
    if (answer === 'done') this.#owed.ended(offset, 'Archived');
    return answer;
  }

  /** Archives what was taken: exhausted, expired, or to be dropped. */
  archive({ offset, receipt }: Delivery): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    this.#unseen.delete(offset);
    const answer = this.state.commitArchive(offset, receipt);
    if (answer === 'done') this.#owed.ended(offset, 'Archived');
    return answer;
  }

  release(delivery: Delivery, delayMs: number, isFailure: boolean): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    const { offset, receipt, failures } = delivery;
    const nowMs = this.#clock.monotonicMs();
    const answer = this.state.release(offset, receipt, { nowMs, delayMs, isFailure });
    if (answer === 'done' && (isFailure || delayMs > 0)) {
      this.#owed.attempted({
        offset,
        count: 1,
        deliveries: deliveryOf(receipt),
        failures: Math.min(failures + (isFailure ? 1 : 0), FAILURES_MAX),
        notBeforeMs: delayMs > 0 ? Math.ceil(this.#clock.nowMs() + delayMs) : 0,
      });
    }
    return answer;
  }

  extend(delivery: Delivery, leaseMs: number): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    const nowMs = this.#clock.monotonicMs();
    const answer = this.state.extend(delivery.offset, delivery.receipt, nowMs, leaseMs);
    if (answer === 'done') delivery.leaseEndsMs = nowMs + leaseMs;
    return answer;
  }

  /** Takes a message that its consumer has not seen: nobody was given it, and that shows. */
  takeAway(delivery: Delivery): ReceiptAnswer {
    const { offset, receipt } = delivery;
    const answer = this.#isOver ? 'stale' : this.state.take(offset, receipt);
    if (answer !== 'done') return answer;
    this.#unseen.add(offset);
    delivery.receipt = takersReceiptOf(receipt);
    delivery.deliveries -= 1;
    return answer;
  }

  /** Takes messages that had all their deliveries; they have no records yet. */
  takeExhausted(max: number): Delivery[] {
    return this.#taking.takeExhausted(max);
  }

  /** Acquires these messages, those that may be had now, past all limits and out of their order. */
  takeAll(wanted: ReadonlySet<number>, leaseMs: number): Delivery[] {
    if (this.#isOver) return [];
    return this.#taking.takeAll(wanted, this.#clock.monotonicMs(), leaseMs);
  }

  /** The records at these offsets, as far as they are there. */
  readRecords(offsets: readonly number[]): Promise<ReadonlyMap<number, LogRecord>> {
    return this.#intake.readRecords(offsets);
  }

  /** When the first message was sent that is not finished; undefined: there is none. */
  oldestTimestamp(): Promise<number | undefined> {
    return this.#intake.oldestTimestamp();
  }

  /** A delivery that a receipt names. */
  deliveryOf(offset: number, receipt: number): Delivery {
    const lease = this.state.leaseOf(offset, receipt);
    const endsMs = lease?.endsMs ?? Number.NEGATIVE_INFINITY;
    const nth = deliveryOf(receipt);
    const failed = lease?.failures ?? 0;
    return new Delivery(this.group, this, offset, receipt, nth, failed, endsMs, undefined);
  }

  isFinished(offset: number): boolean {
    return this.state.isFinished(offset);
  }

  get stateStart(): number {
    return this.state.startOffset;
  }

  /** Archives everything below `offset`; the caller stores it. */
  dropBelow(offset: number): void {
    this.state.dropBelow(offset);
    for (const unseen of this.#unseen) if (unseen < offset) this.#unseen.delete(unseen);
    this.#intake.dropBelow(offset);
    this.feed.seek(offset);
    this.#owed.startMoved();
  }

  /** What may be deleted from the log: everything below is finished, or has a copy elsewhere. */
  get deletableBelow(): number {
    const { ledger } = this.state;
    let offset = ledger.startOffset;
    while (this.parked?.has(offset) === true) offset = ledger.firstUnfinishedFrom(offset + 1);
    return offset;
  }

  // ---- Transactions.

  freeze(offset: number, receipt: number): ReceiptAnswer {
    if (this.#isOver) return 'stale';
    const answer = this.state.freeze(offset, receipt);
    const isTaken = answer === 'stale' && this.state.isHeldByTransaction(offset, receipt);
    return isTaken ? 'done' : answer;
  }

  thaw(offset: number, receipt: number): void {
    if (this.#isOver) return;
    if (this.#unseen.delete(offset)) this.state.putBack(offset, receipt);
    else this.state.thaw(offset, receipt);
    this.#moved();
  }

  /** It is not closed before what is called then: a decision finishes its messages here. */
  keep(): () => void {
    let letGo = (): void => {};
    const deciding = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    this.#deciding.add(deciding);
    return () => {
      this.#deciding.delete(deciding);
      letGo();
    };
  }

  /** Resolves when the transactions that are deciding now have decided. */
  get deciding(): readonly Promise<void>[] {
    return [...this.#deciding];
  }

  isHeld(offset: number, receipt: number): boolean {
    return !this.#isOver && this.state.isHeldByTransaction(offset, receipt);
  }

  finish(offset: number, receipt: number, ending: Ending): void {
    if (this.#isOver) return;
    this.#unseen.delete(offset);
    if (ending === 'Acknowledged') this.state.commitAcknowledge(offset, receipt);
    else this.state.commitArchive(offset, receipt);
    this.group.ended(this, offset);
  }

  // ---- The end.

  /** Reading ends; the journal carries the state along. */
  close(): void {
    this.#journal.detach(this.key);
    this.#end();
  }

  #end(): void {
    this.#isOver = true;
    this.feed.close();
    this.#intake.clear();
  }
}
