/**
 * How a queue sends: straight to its topic when nothing stands in the way.
 *
 *     plain             one record by the producer that all topics share
 *     deduplicated      the same, looked up before (`send-deduplicated.ts`)
 *     limited           a place first, then as the others
 *     delayed           to where messages wait for their time
 *
 * Messages keep the order of the calls. What needs the bytes of a value before it goes out encodes
 * it here, and those behind it wait when its codec answers later.
 */

import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import { sha256Hex } from '../../base/hashing.js';
import { delayedIdText } from '../delayed/delayed-header.js';
import { DEDUPLICATION_HEADER } from '../producer/deduplication-header.js';
import type { StoredPlace } from '../producer/deduplication-window.js';
import { WAITS } from '../producer/deduplication-window.js';
import type { ProducerCore, SendTarget } from '../producer/producer-core.js';
import { type EncodedRecord, encodeOne, ownRecords } from '../producer/producer-records.js';
import { onlyOne, type SentRange, type SentRecord } from '../producer/producer-send.js';
import { sendDeduplicated } from '../producer/send-deduplicated.js';
import { bytes, type Codec } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { SentInTransaction, Transaction } from '../transaction/transaction.js';
import { DelayedToSend } from './queue-delayed-send.js';
import type { Delays } from './queue-group.js';
import { contentBytesOf } from './queue-headers.js';
import type { QueueLimits } from './queue-limits.js';
import { messageId } from './queue-message-id.js';
import type { QueueConfig } from './queue-options.js';
import type { Due, SendPlan } from './queue-send-options.js';
import {
  type MessagePlace,
  PlacedMessage,
  type SentMessage,
  WaitingMessage,
} from './queue-sent.js';

/** Where messages wait for their time, and the topic that they wait in. */
export interface OpenDelays {
  readonly delays: Delays;
  readonly topic: HostedTopic;
}

export interface QueueSenderParts {
  readonly topic: HostedTopic;
  readonly config: () => QueueConfig;
  readonly producer: () => ProducerCore;
  /** Made with the first message that has to wait. */
  readonly openDelays: () => Promise<OpenDelays>;
  /** Undefined while the queue has no limits. */
  readonly limits: () => QueueLimits | Promise<QueueLimits> | undefined;
  readonly cancel: (id: string) => Promise<boolean>;
}

/** Where a message is, or waits, once the transaction has committed. */
export interface StoredInTransaction extends SentInTransaction {
  readonly place: StoredPlace;
}

/** What is to be sent, its value in bytes. */
interface EncodedPlan extends SendPlan<Uint8Array | string> {
  readonly record: EncodedRecord & { readonly partition: number };
}

export class QueueSender {
  readonly #parts: QueueSenderParts;
  /** The last send that had to wait before it could go out; those behind it wait for it. */
  #turn: Promise<unknown> | undefined;
  #sent = 0;
  readonly #placed = ({ topic, partition, offset, isDuplicate }: SentRecord): SentMessage => {
    if (isDuplicate === true) return new PlacedMessage(partition, offset, true);
    return this.#placedAt(topic, partition, offset);
  };
  readonly #placedAt = (_topic: string, partition: number, offset: number): SentMessage => {
    this.#sent += 1;
    return new PlacedMessage(partition, offset, false);
  };

  constructor(parts: QueueSenderParts) {
    this.#parts = parts;
  }

  /** Messages that were stored. */
  get sent(): number {
    return this.#sent;
  }

  /** Messages that came by a transaction which has committed. */
  noteSent(count: number): void {
    this.#sent += count;
  }

  /** A value without options, the shortest way. */
  sendPlain<Input>(codec: Codec<unknown, Input>, value: Input | null): Promise<SentMessage> {
    const { producer, topic } = this.#parts;
    return producer().sendOne({ topic, codec }, { value, partition: 0 }, this.#placedAt);
  }

  /** Whether a message of this queue can go the shortest way. */
  get isPlain(): boolean {
    if (this.#turn !== undefined || this.#parts.limits() !== undefined) return false;
    const { delayMs, deduplication } = this.#parts.config();
    return delayMs === 0 && deduplication === 'id';
  }

  send<Input>(
    codec: Codec<unknown, Input>,
    plan: SendPlan<Input>,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    const limits = this.#parts.limits();
    const isHashed = this.#isHashed(plan);
    if (this.#turn === undefined && limits === undefined && plan.due === undefined && !isHashed) {
      return this.#sendNow({ topic: this.#parts.topic, codec }, plan, signal);
    }
    return this.#sendEncoded(codec, plan, limits, signal);
  }

  /** Whether a list of these may go as one send. */
  areAlike(plans: readonly SendPlan<unknown>[]): boolean {
    if (this.#turn !== undefined || this.#parts.limits() !== undefined) return false;
    return plans.every((plan) => {
      return plan.due === undefined && plan.deduplicationId === undefined && !this.#isHashed(plan);
    });
  }

  /** One send of all; they are alike. */
  sendAll<Input>(
    codec: Codec<unknown, Input>,
    plans: readonly SendPlan<Input>[],
    signal: AbortSignal | undefined,
  ): Promise<SentMessage[]> {
    const { producer, topic } = this.#parts;
    const records = plans.map(({ record }) => record);
    const options = { signal };
    return producer().send(
      { topic, codec },
      records,
      ({ ranges }) =>
        placesIn(records, ranges).map((place) => this.#placed({ topic: topic.name, ...place })),
      options,
    );
  }

  /** Whether a list of these may go as one to where messages wait. */
  areDelayed(plans: readonly SendPlan<unknown>[]): boolean {
    if (this.#turn !== undefined || this.#parts.limits() !== undefined) return false;
    return plans.every((plan) => {
      return plan.due !== undefined && plan.deduplicationId === undefined && !this.#isHashed(plan);
    });
  }

  /** Has all of them wait; those behind them wait until they are handed over. */
  async delayAll<Input>(
    codec: Codec<unknown, Input>,
    plans: readonly SendPlan<Input>[],
    signal: AbortSignal | undefined,
  ): Promise<SentMessage[]> {
    // Copied before the caller gets its memory back.
    const encodings = plans.map(({ record }) => {
      const encoding = encodeOne(record, codec);
      return encoding instanceof Promise ? encoding : owned(encoding);
    });
    const endTurn = this.#beginTurn();
    try {
      const encoded = await Promise.all(encodings);
      const { delays } = await this.#parts.openDelays();
      const messages = plans.map(({ record: { partition }, due }, index) => {
        assert(due !== undefined, 'each of them waits');
        const dueMs = 'atMs' in due ? due.atMs : delays.dueAfter(due.delayMs);
        return { ...encoded[index], partition, dueMs };
      });
      const scheduling = delays.schedule(messages, { signal });
      endTurn();
      return (await scheduling).map((number) => this.#waiting(number, false));
    } finally {
      endTurn();
    }
  }

  /** Those behind wait until it is ended. */
  #beginTurn(): () => void {
    let handedOver: () => void = ignore;
    const turn = new Promise<void>((resolve) => {
      handedOver = resolve;
    });
    this.#turn = turn;
    return () => {
      if (this.#turn === turn) this.#turn = undefined;
      handedOver();
    };
  }

  /**
   * In a transaction. Throws OPTION_INVALID for messages with a deduplication id: what the window
   * would hold of them depends on how the transaction ends. Whoever has claimed the ids in the
   * window gives their headers instead, one for each message that has an id.
   */
  async sendIn<Input>(
    codec: Codec<unknown, Input>,
    transaction: Transaction,
    plans: readonly SendPlan<Input>[],
    claimed?: readonly (string | undefined)[],
  ): Promise<readonly StoredInTransaction[]> {
    if (claimed === undefined) for (const plan of plans) this.#checkNoId(plan);
    // Copied before the caller gets its memory back.
    const encodings = plans.map((plan, index) => {
      const encoding = encodeOne(withId(plan.record, claimed?.[index]), codec);
      return encoding instanceof Promise ? encoding : owned(encoding);
    });
    const encoded = await Promise.all(encodings);
    if (plans.every(({ due }) => due === undefined) && this.#parts.limits() === undefined) {
      const records = plans.map((plan, index) => {
        return { ...encoded[index], partition: plan.record.partition };
      });
      return await this.#sendListIn(transaction, records);
    }
    const sending: Promise<StoredInTransaction>[] = [];
    for (const [index, plan] of plans.entries()) {
      const record = { ...encoded[index], partition: plan.record.partition };
      await this.#passLimits(record, transaction.signal);
      const sent = this.#sendOneIn(transaction, record, plan.due);
      sent.catch(ignore);
      sending.push(sent);
    }
    return await Promise.all(sending);
  }

  async #sendListIn(
    transaction: Transaction,
    records: readonly (EncodedRecord & { readonly partition: number })[],
  ): Promise<readonly StoredInTransaction[]> {
    if (records.length === 0) return [];
    const target = { topic: this.#parts.topic, codec: bytes };
    const sent = await transaction.sendTo(target, records);
    assert('ranges' in sent, 'a list has ranges');
    return placesIn(records, sent.ranges).map((place) => {
      return { id: messageId(place.partition, place.offset), place };
    });
  }

  async #sendOneIn(
    transaction: Transaction,
    record: EncodedRecord & { readonly partition: number },
    due: Due | undefined,
  ): Promise<StoredInTransaction> {
    if (due === undefined) {
      const target = { topic: this.#parts.topic, codec: bytes };
      const sent = await transaction.sendTo(target, record);
      assert('offset' in sent, 'one record has one place');
      const { partition, offset } = sent;
      return { id: messageId(partition, offset), place: { partition, offset } };
    }
    const { delays } = await this.#parts.openDelays();
    const dueMs = 'atMs' in due ? due.atMs : delays.dueAfter(due.delayMs);
    const [number] = await delays.scheduleIn(transaction, [{ ...record, dueMs }]);
    assert(number !== undefined, 'a message that waits has a number');
    const place = { partition: WAITS, offset: number };
    return { id: delayedIdText(number), place };
  }

  /** There is room now; what the transaction sends counts from its commit on. */
  async #passLimits(record: EncodedRecord, signal: AbortSignal): Promise<void> {
    const limits = await this.#parts.limits();
    if (limits === undefined) return;
    const size = contentBytesOf(record);
    await limits.take(size, signal);
    limits.give(size);
  }

  #checkNoId(plan: SendPlan<unknown>): void {
    if (plan.deduplicationId === undefined && !this.#isHashed(plan)) return;
    const option = plan.deduplicationId === undefined ? 'deduplication' : 'deduplicationId';
    const expected = 'none in a transaction';
    throw createError('OPTION_INVALID', { option, expected, where: this.#parts.topic.name });
  }

  #isHashed({ deduplicationId }: SendPlan<unknown>): boolean {
    return deduplicationId === undefined && this.#parts.config().deduplication === 'content';
  }

  #sendNow<Input>(
    target: SendTarget<Input>,
    { record, deduplicationId }: SendPlan<Input>,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    const producer = this.#parts.producer();
    if (deduplicationId !== undefined) {
      const options = { deduplicationId, signal };
      return sendDeduplicated(producer, target, record, options).then((sent) => this.#known(sent));
    }
    if (signal === undefined) return producer.sendOne(target, record, this.#placedAt);
    return producer.send(target, [record], onlyOne, { signal }).then(this.#placed);
  }

  /** A duplicate may be one of a message that waits for its time. */
  #known(sent: SentRecord): SentMessage {
    if (sent.partition !== WAITS) return this.#placed(sent);
    return this.#waiting(sent.offset, true);
  }

  #waiting(number: number, isDuplicate: boolean): SentMessage {
    if (!isDuplicate) this.#sent += 1;
    const id = delayedIdText(number);
    return new WaitingMessage(id, isDuplicate, this.#parts.cancel);
  }

  /** In the order of the calls, as far as it takes to hand each over. */
  async #sendEncoded<Input>(
    codec: Codec<unknown, Input>,
    plan: SendPlan<Input>,
    limits: QueueLimits | Promise<QueueLimits> | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    signal?.throwIfAborted();
    const before = this.#turn;
    const encoding = encodeOne(plan.record, codec);
    const isAtOnce = !(encoding instanceof Promise) && !(limits instanceof Promise);
    if (before === undefined && isAtOnce) {
      return await this.#sendLimited(this.#encodedPlan(plan, encoding), limits, signal);
    }
    const endTurn = this.#beginTurn();
    try {
      // Copied before the caller gets its memory back.
      const encoded = encoding instanceof Promise ? encoding : owned(encoding);
      const [record, open] = await Promise.all([encoded, limits, before]);
      const sending = this.#sendLimited(this.#encodedPlan(plan, record), open, signal);
      endTurn();
      return await sending;
    } finally {
      endTurn();
    }
  }

  #encodedPlan(plan: SendPlan<unknown>, encoded: EncodedRecord): EncodedPlan {
    const { due, deduplicationId: given, record } = plan;
    const isHashed = this.#isHashed(plan);
    const deduplicationId = isHashed ? sha256Hex(encoded.value ?? '') : given;
    return { record: { ...encoded, partition: record.partition }, due, deduplicationId };
  }

  #sendLimited(
    plan: EncodedPlan,
    limits: QueueLimits | undefined,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    if (limits === undefined) return this.#sendDue(plan, signal);
    const size = contentBytesOf(plan.record);
    const room = limits.take(size, signal);
    if (room === undefined) return this.#sendInRoom(plan, limits, size, signal);
    const [copy] = ownRecords([plan.record]);
    const record = { ...copy, partition: plan.record.partition };
    return room.then(() => this.#sendInRoom({ ...plan, record }, limits, size, signal));
  }

  async #sendInRoom(
    plan: EncodedPlan,
    limits: QueueLimits,
    size: number,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    let place: MessagePlace | undefined;
    try {
      const sent = await this.#sendDue(plan, signal);
      if (sent instanceof PlacedMessage && !sent.isDuplicate) place = sent.place;
      return sent;
    } finally {
      limits.give(size, place);
    }
  }

  #sendDue(plan: EncodedPlan, signal: AbortSignal | undefined): Promise<SentMessage> {
    const { topic } = this.#parts;
    if (plan.due === undefined) return this.#sendNow({ topic, codec: bytes }, plan, signal);
    return this.#delay(plan, plan.due, signal);
  }

  async #delay(
    { record: given, deduplicationId }: EncodedPlan,
    due: Due,
    signal: AbortSignal | undefined,
  ): Promise<SentMessage> {
    const [copy] = ownRecords([given]);
    const record = { ...copy, partition: given.partition };
    const { delays } = await this.#parts.openDelays();
    const dueMs = 'atMs' in due ? due.atMs : delays.dueAfter(due.delayMs);
    const message = { ...record, dueMs };
    if (deduplicationId === undefined) {
      const [number] = await delays.schedule([message], { signal });
      assert(number !== undefined, 'a message that waits has a number');
      return this.#waiting(number, false);
    }
    const { deduplications } = this.#parts.producer();
    const sending = new DelayedToSend(delays, message, deduplicationId, signal);
    const sent = await deduplications.of(this.#parts.topic).send(sending);
    if (sent.partition === WAITS) return this.#waiting(sent.offset, sent.isDuplicate);
    return new PlacedMessage(sent.partition, sent.offset, sent.isDuplicate);
  }
}

/** Where each record of a list is: in a partition, records and ranges have the list's order. */
function placesIn(
  records: readonly { readonly partition: number }[],
  ranges: readonly SentRange[],
): StoredPlace[] {
  const next = new Map<number, { offset: number; end: number }[]>();
  for (const { partition, baseOffset, lastOffset } of ranges) {
    const left = next.get(partition) ?? [];
    left.push({ offset: baseOffset, end: lastOffset + 1 });
    next.set(partition, left);
  }
  return records.map(({ partition }) => {
    const left = next.get(partition) ?? [];
    const [range] = left;
    assert(range !== undefined, 'each record of a list has a place');
    const { offset } = range;
    range.offset += 1;
    if (range.offset === range.end) left.shift();
    return { partition, offset };
  });
}

function withId<Input>(
  record: SendPlan<Input>['record'],
  value: string | undefined,
): SendPlan<Input>['record'] {
  if (value === undefined) return record;
  const headers = [...(record.headers ?? []), { key: DEDUPLICATION_HEADER, value }];
  return { ...record, headers };
}

function owned(record: EncodedRecord): EncodedRecord {
  const [copy] = ownRecords([record]);
  return { ...copy, partition: record.partition };
}

function ignore(): void {}
