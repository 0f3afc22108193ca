/**
 * What one producer sends to one partition: parcels in line, batches on their way.
 *
 * Batching is natural: what comes in one turn of the event loop, or while a batch is on its way,
 * goes as one batch, up to the size that the topic allows. Small sends are encoded into a draft as
 * they come. A large share is a batch by itself, and goes at once.
 * There is no timer, unless a rate is set. The log places batches in the order of the calls, so a
 * key keeps its order.
 */

import { assert } from '../../base/assert.js';
import { createError, hasCode } from '../../base/errors.js';
import type {
  Acks,
  AppendLimits,
  AppendResult,
  ProducerStamp,
  RecordInput,
} from '../../storage/main.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { unknownTopic } from '../topic/topic-errors.js';
import { type DraftMemory, SendDraft } from './producer-draft.js';
import type { ProducerIdentity } from './producer-ids.js';
import type { ProducerPace } from './producer-pace.js';
import { type Pending, type PlaceResult, SendShare } from './producer-send.js';
import { ProducerSequence } from './producer-sequence.js';

/** Batches of one producer on their way to one partition, as in Kafka. */
const IN_FLIGHT_MAX = 5;
/** Shares that are smaller are joined up to this, in bytes. */
const JOINED_BYTES_MAX = 1024 * 1024;
/** A draft takes small sends up to this, in bytes. */
const DRAFT_BYTES_MAX = 256 * 1024;
/** A batch header, and a few bytes to spare. */
const BATCH_OVERHEAD_BYTES = 64;
/**
 * A parcel of this size gains nothing from waiting for others: it goes at once, beyond the number
 * of batches on their way, up to so many bytes.
 */
const LARGE_BYTES = 16 * 1024;
const IN_FLIGHT_BYTES_MAX = 8 * 1024 * 1024;
/** How many sends of one turn share one reading of the clock. */
const STAMP_USES_MAX = 256;

/** What the senders of one producer share. */
export interface SenderSurroundings {
  readonly acks: Acks;
  /** Who the producer is; undefined when its batches are not numbered. */
  readonly identify: () => Promise<ProducerIdentity | undefined>;
  readonly pace: ProducerPace;
  readonly memory: DraftMemory;
  readonly nowMs: () => number;
  /** A draft was begun: `flush` waits for it. */
  readonly begun: (draft: Pending) => void;
  readonly over: (draft: Pending) => void;
  /** A share is in line no more: it is on its way. */
  readonly left: (share: SendShare) => void;
  /** A batch was handed to a log, which has not answered yet. */
  readonly handedOver: (topic: HostedTopic, partition: number, log: PartitionLog) => void;
  /** Parcels have ended, one way or the other, and their room is free. */
  readonly ended: (bytes: number, records: number) => void;
}

/** One batch: a draft alone, or shares that were joined. */
interface Flight {
  readonly parcels: readonly (SendShare | SendDraft)[];
  readonly content: SendDraft | readonly RecordInput[];
  readonly bytes: number;
  readonly count: number;
  readonly producer: ProducerStamp | undefined;
  /** What all records of it were held against; undefined when that is not the same. */
  readonly limits: AppendLimits | undefined;
}

export class PartitionSender {
  readonly #topic: HostedTopic;
  readonly #partition: number;
  readonly #around: SenderSurroundings;
  readonly #line = new Set<SendShare | SendDraft>();
  /** The last in line, while more may be added to it. */
  #draft: SendDraft | undefined;
  readonly #wake = (): void => this.#drain();
  #inFlight = 0;
  #inFlightBytes = 0;
  #isDue = false;
  #stampMs = 0;
  #stampUses = 0;
  #isOpening = false;
  #isIdentified = false;
  /** Absent when batches are not numbered. */
  #sequence: ProducerSequence | undefined;
  /** Parcels that were refused because of others, in the order in which they go again. */
  #again: (SendShare | SendDraft)[] = [];

  constructor(topic: HostedTopic, partition: number, around: SenderSurroundings) {
    this.#topic = topic;
    this.#partition = partition;
    this.#around = around;
  }

  /** Puts a record, which was checked, in line: with what else comes in this turn. */
  addRecord<Result>(
    record: RecordInput,
    bytes: number,
    resultOf: PlaceResult<Result>,
  ): Promise<Result> {
    return this.#draftFor(bytes).add(record, bytes, this.#nowMs(), resultOf);
  }

  /** Puts the records of a share in line; the share itself need not be kept. */
  addShare(share: SendShare): void {
    this.#draftFor(share.bytes).addShare(share, this.#nowMs());
  }

  /** Puts a share in line, from where it may be removed. */
  push(share: SendShare): void {
    assert(share.partition === this.#partition, 'a share goes to its partition');
    this.#draft = undefined;
    this.#line.add(share);
    this.#drainSoon();
  }

  /** Hands a large share to the log before this returns, when nothing is before it. */
  handOverNow(share: SendShare): boolean {
    if (share.bytes < LARGE_BYTES || this.#isOpening) return false;
    if (this.#line.size > 0) this.#drain();
    if (this.#line.size > 0 || this.#isOpening) return false;
    const log = this.#topic.openPartition(this.#partition);
    if (log === undefined || this.#topic.isDeleted || !this.#isIdentified) return false;
    if (this.#sequence?.isSettling === true || this.#sequence?.refusal !== undefined) return false;
    const { bytes, count, records, limits } = share;
    if (!this.#hasPlace(bytes) || !this.#around.pace.mayGo(this.#wake)) return false;
    const producer = this.#sequence?.stamp(count);
    this.#handOver(log, { parcels: [share], content: records, bytes, count, producer, limits });
    return true;
  }

  /** Takes a share out of the line; false when it is on its way already. */
  remove(share: SendShare): boolean {
    return this.#line.delete(share);
  }

  /** The draft at the end of the line, with room for so many bytes more. */
  #draftFor(bytes: number): SendDraft {
    const open = this.#draft;
    if (open !== undefined && open.bytes + bytes <= this.#draftBytesMax) return open;
    // What is full goes at once, if it may.
    if (open !== undefined) this.#drain();
    const batch = this.#around.memory.take();
    const draft = new SendDraft(this.#topic.name, this.#partition, batch);
    this.#around.begun(draft);
    this.#line.add(draft);
    this.#draft = draft;
    this.#drainSoon();
    return draft;
  }

  get #draftBytesMax(): number {
    const { batchBytesMax } = this.#topic.definition.config;
    return Math.min(DRAFT_BYTES_MAX, batchBytesMax - BATCH_OVERHEAD_BYTES);
  }

  /** The time of what comes now: read once for the sends of one turn, up to a bound. */
  #nowMs(): number {
    if (!this.#isDue || this.#stampUses === STAMP_USES_MAX) {
      this.#stampMs = this.#around.nowMs();
      this.#stampUses = 0;
      this.#drainSoon();
    }
    this.#stampUses += 1;
    return this.#stampMs;
  }

  /** At the end of the turn. */
  #drainSoon(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    this.#stampUses = STAMP_USES_MAX;
    queueMicrotask(this.#due);
  }

  readonly #due = (): void => {
    this.#isDue = false;
    this.#drain();
  };

  #drain(): void {
    if (this.#line.size === 0 || this.#isOpening) return;
    const log = this.#topic.openPartition(this.#partition);
    if (log === undefined || this.#topic.isDeleted || !this.#isIdentified) {
      this.#open();
      return;
    }
    const refusal = this.#sequence?.refusal;
    if (refusal !== undefined) this.#failLine(refusal);
    for (const first of this.#line) {
      if (!this.#mayFollow(first) || this.#sequence?.isSettling === true) return;
      if (!this.#around.pace.mayGo(this.#wake)) return;
      this.#handOver(log, this.#next(first));
    }
  }

  /** A small draft waits for what is on its way, and grows: each batch has its cost. */
  #mayFollow(parcel: SendShare | SendDraft): boolean {
    if (this.#inFlight === 0) return true;
    const isSmall = parcel instanceof SendDraft && parcel.bytes < LARGE_BYTES;
    return !isSmall && this.#hasPlace(parcel.bytes);
  }

  #hasPlace(bytes: number): boolean {
    if (this.#inFlight < IN_FLIGHT_MAX) return true;
    return bytes >= LARGE_BYTES && this.#inFlightBytes + bytes <= IN_FLIGHT_BYTES_MAX;
  }

  /** Opens the log, and asks who this producer is. */
  #open(): void {
    this.#isOpening = true;
    this.#begin().then(
      () => {
        this.#isOpening = false;
        this.#drain();
      },
      (error: unknown) => {
        this.#isOpening = false;
        this.#failLine(error);
      },
    );
  }

  async #begin(): Promise<void> {
    const log = await this.#topic.partition(this.#partition);
    if (this.#isIdentified) return;
    const identity = await this.#around.identify();
    if (identity !== undefined) this.#sequence = new ProducerSequence(identity, log.producers());
    this.#isIdentified = true;
  }

  #failLine(error: unknown): void {
    const parcels = [...this.#line];
    this.#line.clear();
    this.#draft = undefined;
    for (const parcel of parcels) this.#leave(parcel);
    this.#failed(parcels, error);
  }

  #leave(parcel: SendShare | SendDraft): void {
    if (parcel instanceof SendShare) this.#around.left(parcel);
    else if (parcel === this.#draft) this.#draft = undefined;
  }

  /** What makes the next batch. */
  #next(first: SendShare | SendDraft): Flight {
    if (first instanceof SendShare) return this.#nextShares();
    this.#line.delete(first);
    this.#leave(first);
    const { bytes, count } = first;
    const producer = this.#sequence?.stamp(count);
    return { parcels: [first], content: first, bytes, count, producer, limits: undefined };
  }

  #nextShares(): Flight {
    const bytesMax = Math.min(JOINED_BYTES_MAX, this.#topic.definition.config.batchBytesMax);
    const shares: SendShare[] = [];
    let bytes = 0;
    for (const share of this.#line) {
      if (!(share instanceof SendShare)) break;
      if (shares.length > 0 && bytes + share.bytes > bytesMax) break;
      this.#line.delete(share);
      this.#leave(share);
      shares.push(share);
      bytes += share.bytes;
    }
    const [first] = shares;
    const records =
      shares.length === 1 && first !== undefined
        ? first.records
        : shares.flatMap((share) => share.records);
    const count = records.length;
    const producer = this.#sequence?.stamp(count);
    const isSame = shares.every(({ limits }) => limits === first?.limits);
    const limits = isSame ? first?.limits : undefined;
    return { parcels: shares, content: records, bytes, count, producer, limits };
  }

  #handOver(log: PartitionLog, flight: Flight): void {
    this.#inFlight += 1;
    this.#inFlightBytes += flight.bytes;
    this.#around.pace.went(flight.count, flight.bytes);
    const stored = this.#append(log, flight);
    this.#around.handedOver(this.#topic, this.#partition, log);
    stored.then(
      (result) => {
        this.#landed(flight, result);
        this.#cameBack(log, flight);
      },
      (error: unknown) => {
        this.#refused(flight, error);
        this.#cameBack(log, flight);
      },
    );
  }

  #append(log: PartitionLog, { content, bytes, producer, limits }: Flight): Promise<AppendResult> {
    const { acks } = this.#around;
    if (!(content instanceof SendDraft)) {
      const checked = limits === undefined ? undefined : { limits, bytes };
      return log.append(content, { acks, producer, checked });
    }
    const { compression } = this.#topic.definition.config;
    return log.appendBatch(content.finish(producer, compression), { acks });
  }

  #cameBack(log: PartitionLog, { bytes }: Flight): void {
    this.#inFlight -= 1;
    this.#inFlightBytes -= bytes;
    if (this.#inFlight === 0) this.#settle(log);
    this.#drain();
  }

  /** Everything has come back: the numbers go on behind what was stored. */
  #settle(log: PartitionLog): void {
    if (this.#sequence?.isSettling === true) this.#sequence.settled(log.producers());
    if (this.#again.length === 0) return;
    const behind = [...this.#line];
    this.#line.clear();
    for (const parcel of [...this.#again, ...behind]) this.#line.add(parcel);
    this.#again = [];
  }

  #refused(flight: Flight, error: unknown): void {
    const { parcels, producer } = flight;
    const isBehind = producer !== undefined && this.#sequence?.failed() === true;
    if (!isBehind || !hasCode(error, 'OUT_OF_ORDER_SEQUENCE')) {
      this.#failed(parcels, error);
      return;
    }
    // Not its own fault: it goes again, before what came after it.
    for (const parcel of parcels) this.#again.push(parcel);
  }

  #landed(flight: Flight, result: AppendResult): void {
    assert(!result.isDuplicate, 'a producer sends no batch twice');
    let { baseOffset } = result;
    for (const parcel of flight.parcels) {
      parcel.stored(baseOffset);
      baseOffset += parcel.count;
      if (parcel instanceof SendDraft) this.#release(parcel);
    }
    this.#around.ended(flight.bytes, flight.count);
  }

  #failed(parcels: readonly (SendShare | SendDraft)[], error: unknown): void {
    const reason = this.#reasonOf(error);
    let bytes = 0;
    let records = 0;
    for (const parcel of parcels) {
      bytes += parcel.bytes;
      records += parcel.count;
      parcel.fail(reason);
      if (parcel instanceof SendDraft) this.#release(parcel);
    }
    this.#around.ended(bytes, records);
  }

  #release(draft: SendDraft): void {
    draft.release(this.#around.memory);
    this.#around.over(draft);
  }

  /** A closed log is what a topic that was deleted, or a broker that closes, looks like. */
  #reasonOf(error: unknown): unknown {
    if (!hasCode(error, 'LOG_CLOSED')) return error;
    if (this.#topic.isDeleted) return unknownTopic(this.#topic.name);
    return createError('BROKER_CLOSED', { topic: this.#topic.name }, error);
  }
}
