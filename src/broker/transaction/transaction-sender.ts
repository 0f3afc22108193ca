/**
 * What one transaction sends: batches of its own in every partition, and who takes part.
 *
 * What is sent to a partition in one turn goes as one batch, behind what went before. Nothing is
 * tried again: a send that fails ends the transaction, so its numbers need no care. A send resolves
 * when its batch is written; it is durable before the transaction commits.
 */

import { assert } from '../../base/assert.js';
import { createError, hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { Prng } from '../../base/prng.js';
import type { AppendResult } from '../../storage/main.js';
import { keyPartition, type Partitioner, StickyPartition } from '../producer/partitioner.js';
import type { ProducerBuffer } from '../producer/producer-buffer.js';
import type { SendTarget } from '../producer/producer-core.js';
import {
  dealOut,
  type EncodedRecord,
  type EncodedRecords,
  encodeRecords,
  ownRecords,
  type TopicRecord,
} from '../producer/producer-records.js';
import { PendingSend, type SendShare, type SentRecords } from '../producer/producer-send.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { unknownTopic } from '../topic/topic-errors.js';
import type { TransactionIdentity } from './transaction-decision.js';
import { transactionTooLarge } from './transaction-errors.js';

/** What the transactions of one producer share. */
export class TransactionRouting {
  readonly #prng: Prng;
  readonly #partitioner: Partitioner | undefined;
  readonly #sticky = new WeakMap<HostedTopic, StickyPartition>();

  constructor(prng: Prng, partitioner: Partitioner | undefined) {
    this.#prng = prng;
    this.#partitioner = partitioner;
  }

  partitionOf(topic: HostedTopic, record: EncodedRecord): number {
    const { partition } = record;
    if (partition !== undefined) {
      topic.checkPartition(partition);
      return partition;
    }
    const key = record.key ?? null;
    if (this.#partitioner !== undefined) {
      const chosen = this.#partitioner({ key }, topic.partitions);
      topic.checkPartition(chosen);
      return chosen;
    }
    if (key !== null) return keyPartition(key, topic.partitions);
    return this.#stickyOf(topic).choose(topic.partitions);
  }

  handedOver(topic: HostedTopic, partition: number): void {
    this.#sticky.get(topic)?.handedOver(partition, topic.partitions);
  }

  #stickyOf(topic: HostedTopic): StickyPartition {
    const known = this.#sticky.get(topic) ?? new StickyPartition(this.#prng);
    this.#sticky.set(topic, known);
    return known;
  }
}

export interface SenderParts {
  readonly routing: TransactionRouting;
  /** Shared by all transactions: what they hold is bounded together. */
  readonly buffer: ProducerBuffer;
  readonly identify: () => Promise<TransactionIdentity>;
  /** A send has failed, for good. */
  readonly failed: (error: unknown) => void;
}

/** A partition that has batches of the transaction, or may have. */
export interface Participant {
  readonly topic: HostedTopic;
  readonly partition: number;
  readonly log: PartitionLog;
  /** Of the last record that was written. */
  readonly lastOffset: number;
}

export class TransactionSender {
  readonly #parts: SenderParts;
  readonly #home: LineHome;
  readonly #topics = new Map<HostedTopic, Map<number, PartitionLine>>();
  readonly #participants: PartitionLine[] = [];
  readonly #waiting = new Set<() => void>();
  #partitions = 0;
  #open = 0;
  #idle: (() => void)[] = [];
  /** The last send whose codec answers later; those behind it wait for it. */
  #encoding: Promise<void> | undefined;
  #refusal: { readonly error: unknown } | undefined;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#home = {
      parts,
      refusal: () => this.#refusal,
      takesPart: (line) => void this.#participants.push(line),
    };
  }

  /** Those to which something was handed over, so far. */
  get participants(): readonly Participant[] {
    return this.#participants;
  }

  /** `resultOf` makes what the promise resolves to. */
  send<Value, Result>(
    { topic, codec }: SendTarget<Value>,
    records: readonly TopicRecord<Value>[],
    resultOf: (sent: SentRecords) => Result,
  ): Promise<Result> {
    const send = new PendingSend(topic.name, () => this.#ended(), resultOf);
    // Whoever does not wait for it hears of it when the transaction ends.
    send.promise.catch(ignore);
    this.#open += 1;
    try {
      if (records.length === 0) {
        const reason = 'a send takes at least one record';
        throw createError('RECORD_INVALID', { field: 'records', reason });
      }
      topic.checkOpen();
      const encoded = encodeRecords(records, codec);
      if (this.#encoding === undefined && !(encoded instanceof Promise)) {
        this.#submit(send, topic, encoded);
      } else this.#submitLater(send, topic, encoded);
    } catch (error) {
      this.#fail(send, error);
    }
    return send.promise;
  }

  /** Nothing more is handed over: what is in line fails with this error. */
  refuse(error: unknown): void {
    if (this.#refusal !== undefined) return;
    this.#refusal = { error };
    for (const leave of [...this.#waiting]) leave();
  }

  /** Resolves when every send has ended, one way or the other. */
  settled(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #submitLater<Result>(
    send: PendingSend<Result>,
    topic: HostedTopic,
    given: EncodedRecords | Promise<EncodedRecords>,
  ): void {
    const before = this.#encoding;
    const encoded = given instanceof Promise ? given : Promise.resolve(owned(given));
    const turn = async (): Promise<void> => {
      const [outcome] = await Promise.allSettled([encoded, before]);
      if (outcome.status === 'rejected') this.#fail(send, outcome.reason);
      else this.#submitOrFail(send, topic, outcome.value);
    };
    const encoding = turn().then(() => {
      if (this.#encoding === encoding) this.#encoding = undefined;
    });
    this.#encoding = encoding;
  }

  #submitOrFail<Result>(
    send: PendingSend<Result>,
    topic: HostedTopic,
    encoded: EncodedRecords,
  ): void {
    try {
      this.#submit(send, topic, encoded);
    } catch (error) {
      this.#fail(send, error);
    }
  }

  /** Throws what the send fails with. */
  #submit<Result>(send: PendingSend<Result>, topic: HostedTopic, encoded: EncodedRecords): void {
    if (this.#refusal !== undefined) throw this.#refusal.error;
    const { buffer, routing } = this.#parts;
    const { config } = topic.definition;
    const router = { partitionOf: (one: EncodedRecord) => routing.partitionOf(topic, one) };
    const dealt = dealOut(send, owned(encoded).records, config, router);
    const lines = dealt.map((share) => this.#lineOf(topic, share.partition));
    let bytes = 0;
    for (const share of dealt) bytes += share.bytes;
    const records = encoded.records.length;
    const refusal = buffer.refusal(bytes, records);
    if (refusal !== undefined) throw refusal;
    send.expect(dealt.length, records);
    const push = (): void => {
      for (const [index, share] of dealt.entries()) lines[index]?.push(share);
    };
    if (buffer.take(bytes, records)) push();
    else this.#wait(send, { bytes, records }, push);
  }

  #wait<Result>(
    send: PendingSend<Result>,
    size: { readonly bytes: number; readonly records: number },
    push: () => void,
  ): void {
    const { buffer } = this.#parts;
    const admit = (): void => {
      this.#waiting.delete(leave);
      push();
    };
    const request = { ...size, admit };
    const leave = (): void => {
      this.#waiting.delete(leave);
      buffer.leave(request);
      this.#fail(send, this.#refusal?.error);
    };
    const refusal = buffer.wait(request);
    if (refusal !== undefined) throw refusal;
    this.#waiting.add(leave);
  }

  #lineOf(topic: HostedTopic, partition: number): PartitionLine {
    const lines = this.#topics.get(topic) ?? new Map<number, PartitionLine>();
    this.#topics.set(topic, lines);
    const known = lines.get(partition);
    if (known !== undefined) return known;
    if (this.#partitions === limits.transactionPartitionsMax) {
      throw transactionTooLarge('partitions', limits.transactionPartitionsMax);
    }
    this.#partitions += 1;
    const made = new PartitionLine(topic, partition, this.#home);
    lines.set(partition, made);
    return made;
  }

  #fail<Result>(send: PendingSend<Result>, error: unknown): void {
    this.#parts.failed(error);
    send.fail(error);
  }

  #ended(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    for (const wake of this.#idle.splice(0)) wake();
  }
}

const SEQUENCES = 2 ** 31;
/** Shares are joined up to this, in bytes. */
const JOINED_BYTES_MAX = 1024 * 1024;

/** What a line needs of its sender. */
interface LineHome {
  readonly parts: SenderParts;
  /** Why nothing more is handed over. */
  refusal(): { readonly error: unknown } | undefined;
  /** The first batch is on its way. */
  takesPart(line: PartitionLine): void;
}

/** What goes to one partition: shares in line, and the number of the next record. */
class PartitionLine implements Participant {
  readonly topic: HostedTopic;
  readonly partition: number;
  readonly #home: LineHome;
  #line: SendShare[] = [];
  #isDue = false;
  #log: PartitionLog | undefined;
  #sequence = 0;
  #isHandedOver = false;
  #lastOffset = -1;

  constructor(topic: HostedTopic, partition: number, home: LineHome) {
    this.topic = topic;
    this.partition = partition;
    this.#home = home;
  }

  get log(): PartitionLog {
    assert(this.#log !== undefined, 'who takes part has a log');
    return this.#log;
  }

  get lastOffset(): number {
    return this.#lastOffset;
  }

  push(share: SendShare): void {
    this.#line.push(share);
    if (this.#isDue) return;
    this.#isDue = true;
    queueMicrotask(() => void this.#drain());
  }

  /** Never rejects: what fails are the sends. */
  async #drain(): Promise<void> {
    try {
      const opened = this.topic.openPartition(this.partition);
      this.#log ??= opened ?? (await this.topic.partition(this.partition));
      const identity = await this.#home.parts.identify();
      while (this.#line.length > 0) {
        const refusal = this.#home.refusal();
        if (refusal !== undefined) throw refusal.error;
        this.topic.checkOpen();
        this.#handOver(this.#log, identity, this.#next());
      }
    } catch (error) {
      this.#failed(this.#line.splice(0), error);
    }
    this.#isDue = false;
  }

  #next(): readonly SendShare[] {
    const bytesMax = Math.min(JOINED_BYTES_MAX, this.topic.definition.config.batchBytesMax);
    let bytes = 0;
    let count = 0;
    for (const share of this.#line) {
      if (count > 0 && bytes + share.bytes > bytesMax) break;
      bytes += share.bytes;
      count += 1;
    }
    return this.#line.splice(0, count);
  }

  #handOver(
    log: PartitionLog,
    { producerId, producerEpoch }: TransactionIdentity,
    shares: readonly SendShare[],
  ): void {
    const records = shares.flatMap((share) => share.records);
    const baseSequence = this.#sequence;
    this.#sequence = (baseSequence + records.length) % SEQUENCES;
    if (!this.#isHandedOver) this.#home.takesPart(this);
    this.#isHandedOver = true;
    const producer = { producerId, producerEpoch, baseSequence, isTransactional: true };
    log.append(records, { acks: 'written', producer }).then(
      (result) => this.#landed(shares, result),
      (error: unknown) => this.#failed(shares, error),
    );
    this.#home.parts.routing.handedOver(this.topic, this.partition);
  }

  #landed(
    shares: readonly SendShare[],
    { baseOffset, lastOffset, isDuplicate }: AppendResult,
  ): void {
    assert(!isDuplicate, 'a transaction sends no batch twice');
    this.#lastOffset = Math.max(this.#lastOffset, lastOffset);
    let next = baseOffset;
    for (const share of shares) {
      this.#home.parts.buffer.give(share.bytes, share.count);
      share.stored(next);
      next += share.count;
    }
  }

  #failed(shares: readonly SendShare[], error: unknown): void {
    const reason = this.#reasonOf(error);
    for (const share of shares) {
      this.#home.parts.buffer.give(share.bytes, share.count);
      this.#home.parts.failed(reason);
      share.fail(reason);
    }
  }

  /** A closed log is what a topic that was deleted, or a broker that closes, looks like. */
  #reasonOf(error: unknown): unknown {
    if (!hasCode(error, 'LOG_CLOSED')) return error;
    if (this.topic.isDeleted) return unknownTopic(this.topic.name);
    return createError('BROKER_CLOSED', { topic: this.topic.name }, error);
  }
}

/** Records go at the end of the turn: by then the caller may have changed its memory. */
function owned({ records, isBorrowed }: EncodedRecords): EncodedRecords {
  if (!isBorrowed) return { records, isBorrowed };
  const copies = records.map((record) => {
    const [copy] = ownRecords([record]);
    return { ...copy, partition: record.partition };
  });
  return { records: copies, isBorrowed: false };
}

function ignore(): void {}
