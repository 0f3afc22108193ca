/**
 * What one producer sends to one partition: shares in line, batches on their way.
 *
 * Batching is natural: what comes in one turn of the event loop, or while {@link IN_FLIGHT_MAX}
 * batches are on their way, goes as one batch, up to the size that the topic allows. A large share
 * is a batch by itself, and goes at once. There is no timer, unless a rate is set. The log places
 * batches in the order of the calls, so a key keeps its order.
 */

import { assert } from '../base/assert.js';
import { createError, hasCode } from '../base/errors.js';
import type { Acks, AppendResult, ProducerStamp, RecordInput } from '../storage/main.js';
import type { HostedTopic } from './hosted-topic.js';
import type { PartitionLog } from './partition-log.js';
import type { ProducerIdentity } from './producer-ids.js';
import type { ProducerPace } from './producer-pace.js';
import type { SendShare } from './producer-send.js';
import { ProducerSequence } from './producer-sequence.js';
import { unknownTopic } from './topic-errors.js';

/** Batches of one producer on their way to one partition, as in Kafka. */
const IN_FLIGHT_MAX = 5;
/** Shares that are smaller are joined up to this, in bytes. */
const JOINED_BYTES_MAX = 1024 * 1024;
/**
 * A share of this size gains nothing from waiting for others: it goes at once, beyond the number of
 * batches on their way, up to so many bytes.
 */
const LARGE_BYTES = 16 * 1024;
const IN_FLIGHT_BYTES_MAX = 8 * 1024 * 1024;

/** What the senders of one producer share. */
export interface SenderSurroundings {
  readonly acks: Acks;
  /** Who the producer is; undefined when its batches are not numbered. */
  readonly identify: () => Promise<ProducerIdentity | undefined>;
  readonly pace: ProducerPace;
  /** A share is in line no more: it is on its way. */
  readonly left: (share: SendShare) => void;
  /** A batch was handed to a log, which has not answered yet. */
  readonly handedOver: (topic: HostedTopic, partition: number, log: PartitionLog) => void;
  /** Shares have ended, one way or the other, and their room is free. */
  readonly ended: (bytes: number, records: number) => void;
}

interface Flight {
  readonly shares: readonly SendShare[];
  readonly bytes: number;
  readonly records: readonly RecordInput[];
  readonly producer: ProducerStamp | undefined;
}

export class PartitionSender {
  readonly #topic: HostedTopic;
  readonly #partition: number;
  readonly #around: SenderSurroundings;
  readonly #line = new Set<SendShare>();
  readonly #wake = (): void => this.#drain();
  #inFlight = 0;
  #inFlightBytes = 0;
  #isDue = false;
  #isOpening = false;
  #isIdentified = false;
  /** Absent when batches are not numbered. */
  #sequence: ProducerSequence | undefined;
  /** Shares that were refused because of others, in the order in which they go again. */
  #again: SendShare[] = [];

  constructor(topic: HostedTopic, partition: number, around: SenderSurroundings) {
    this.#topic = topic;
    this.#partition = partition;
    this.#around = around;
  }

  /** Puts a share in line; it goes with what else comes in this turn. */
  push(share: SendShare): void {
    assert(share.partition === this.#partition, 'a share goes to its partition');
    this.#line.add(share);
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      this.#drain();
    });
  }

  /** Hands a large share to the log before this returns, when nothing is before it. */
  handOverNow(share: SendShare): boolean {
    if (share.bytes < LARGE_BYTES || this.#line.size > 0 || this.#isOpening) return false;
    const log = this.#topic.openPartition(this.#partition);
    if (log === undefined || this.#topic.isDeleted || !this.#isIdentified) return false;
    if (this.#sequence?.isSettling === true || this.#sequence?.refusal !== undefined) return false;
    const { bytes, records } = share;
    if (!this.#hasPlace(bytes) || !this.#around.pace.mayGo(this.#wake)) return false;
    const producer = this.#sequence?.stamp(records.length);
    this.#handOver(log, { shares: [share], bytes, records, producer });
    return true;
  }

  /** Takes a share out of the line; false when it is on its way already. */
  remove(share: SendShare): boolean {
    return this.#line.delete(share);
  }

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
      if (!this.#hasPlace(first.bytes) || this.#sequence?.isSettling === true) return;
      if (!this.#around.pace.mayGo(this.#wake)) return;
      this.#handOver(log, this.#next());
    }
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
    const shares = [...this.#line];
    this.#line.clear();
    for (const share of shares) this.#around.left(share);
    this.#failed(shares, error);
  }

  /** The shares that make the next batch: one at least. */
  #next(): Flight {
    const bytesMax = Math.min(JOINED_BYTES_MAX, this.#topic.definition.config.batchBytesMax);
    const shares: SendShare[] = [];
    let bytes = 0;
    for (const share of this.#line) {
      if (shares.length > 0 && bytes + share.bytes > bytesMax) break;
      this.#line.delete(share);
      this.#around.left(share);
      shares.push(share);
      bytes += share.bytes;
    }
    const [first] = shares;
    const records =
      shares.length === 1 && first !== undefined
        ? first.records
        : shares.flatMap((share) => share.records);
    return { shares, bytes, records, producer: this.#sequence?.stamp(records.length) };
  }

  #handOver(log: PartitionLog, flight: Flight): void {
    const { records, producer } = flight;
    this.#inFlight += 1;
    this.#inFlightBytes += flight.bytes;
    this.#around.pace.went(records.length, flight.bytes);
    const stored = log.append(records, { acks: this.#around.acks, producer });
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
    for (const share of [...this.#again, ...behind]) this.#line.add(share);
    this.#again = [];
  }

  #refused(flight: Flight, error: unknown): void {
    const { producer, shares } = flight;
    const isBehind = producer !== undefined && this.#sequence?.failed() === true;
    if (!isBehind || !hasCode(error, 'OUT_OF_ORDER_SEQUENCE')) {
      this.#failed(shares, error);
      return;
    }
    // Not its own fault: it goes again, before what came after it.
    for (const share of shares) this.#again.push(share);
  }

  #landed(flight: Flight, result: AppendResult): void {
    assert(!result.isDuplicate, 'a producer sends no batch twice');
    let { baseOffset } = result;
    for (const { send, records } of flight.shares) {
      const lastOffset = baseOffset + records.length - 1;
      send.stored({ partition: this.#partition, baseOffset, lastOffset });
      baseOffset = lastOffset + 1;
    }
    this.#around.ended(flight.bytes, flight.records.length);
  }

  #failed(shares: readonly SendShare[], error: unknown): void {
    const reason = this.#reasonOf(error);
    let bytes = 0;
    let records = 0;
    for (const share of shares) {
      share.send.fail(reason);
      bytes += share.bytes;
      records += share.records.length;
    }
    this.#around.ended(bytes, records);
  }

  /** A closed log is what a topic that was deleted, or a broker that closes, looks like. */
  #reasonOf(error: unknown): unknown {
    if (!hasCode(error, 'LOG_CLOSED')) return error;
    if (this.#topic.isDeleted) return unknownTopic(this.#topic.name);
    return createError('BROKER_CLOSED', { topic: this.#topic.name }, error);
  }
}
