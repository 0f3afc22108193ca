/**
 * A transaction in the hands of a program: what it sends and commits is seen together, or never.
 */

import { createError } from '../../base/errors.js';
import type { TransactionOffset } from '../group/group-transactions.js';
import type { SendTarget } from '../producer/producer-core.js';
import type { TopicRecord } from '../producer/producer-records.js';
import type { SentRecord, SentRecords } from '../producer/producer-send.js';
import { bytes, type Codec } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Acknowledgeable, SourceDelivery } from './held-deliveries.js';
import type { OpenTransaction } from './open-transaction.js';

/** A topic by its handle, as a transaction sees it. */
export interface TopicDestination<Input> {
  /** @internal */
  readonly hosted: HostedTopic;
  readonly codec: Codec<unknown, Input>;
}

/**
 * A queue, as a transaction sees it: it knows where a message goes, and sends by `sendTo` there.
 * What it sends is seen when the transaction commits; messages with a delay wait from then on.
 */
export interface QueueDestination<Input, Options extends object> {
  readonly name: string;
  /** @internal Resolves when the messages are written; it may wait for room. */
  sendIn(
    transaction: Transaction,
    messages: readonly QueueInput<Input, Options>[],
  ): Promise<readonly SentInTransaction[]>;
}

export type QueueInput<Input, Options extends object> = Options & { readonly value: Input };

/** What a transaction sent to a queue. */
export interface SentInTransaction {
  readonly id: string;
}

/** What the program does in a transaction. */
export type TransactionWork<T> = (transaction: Transaction) => Promise<T> | T;

export class Transaction {
  readonly #open: OpenTransaction;
  readonly #find: (topic: string) => HostedTopic;
  #signal: AbortSignal | undefined;

  /** @internal */
  constructor(open: OpenTransaction, find: (topic: string) => HostedTopic) {
    this.#open = open;
    this.#find = find;
  }

  /**
   * Aborts when the transaction is to end before its work does: the time is over, another producer
   * took the transactional id, the broker closes.
   */
  get signal(): AbortSignal {
    if (this.#signal === undefined) {
      const controller = new AbortController();
      this.#open.interrupted.catch((reason: unknown) => controller.abort(reason));
      this.#signal = controller.signal;
    }
    return this.#signal;
  }

  /**
   * Sends to a topic by its handle, whose codec is used, or by its name: then values are bytes.
   * Resolves when the records are written; it need not be waited for. Readers of committed records
   * see them when the transaction commits. One that fails ends the transaction, also when its error
   * is caught. Rejects like `Topic.send`, and with TRANSACTION_STATE_INVALID, PRODUCER_FENCED,
   * TRANSACTION_TIMED_OUT, TRANSACTION_TOO_LARGE.
   */
  send<Input>(topic: TopicDestination<Input>, record: TopicRecord<Input>): Promise<SentRecord>;
  send<Input>(
    topic: TopicDestination<Input>,
    records: readonly TopicRecord<Input>[],
  ): Promise<SentRecords>;
  send(topic: string, record: TopicRecord<Uint8Array | string>): Promise<SentRecord>;
  send(topic: string, records: readonly TopicRecord<Uint8Array | string>[]): Promise<SentRecords>;
  /**
   * Sends a message to a queue. It can be received when the transaction commits; a delay counts
   * from the call. Rejects like `Queue.send` besides.
   */
  send<Input, Options extends object>(
    queue: QueueDestination<Input, Options>,
    value: Input,
    options?: Options,
  ): Promise<SentInTransaction>;
  send(
    topic: TopicDestination<unknown> | QueueDestination<unknown, object> | string,
    given: unknown,
    options?: object,
  ): Promise<unknown> {
    if (isQueue(topic)) return this.#sendToQueue(topic, { ...options, value: given });
    return this.#sendToTopic(topic, given);
  }

  /** As `send` to a queue, for several messages, each with its options. */
  sendBatch<Input, Options extends object>(
    queue: QueueDestination<Input, Options>,
    messages: readonly QueueInput<Input, Options>[],
  ): Promise<readonly SentInTransaction[]> {
    return this.#open.track(() => queue.sendIn(this, messages));
  }

  #sendToTopic(
    topic: TopicDestination<unknown> | string,
    given: unknown,
  ): Promise<SentRecord | SentRecords> {
    try {
      checkRecords(given);
      if (typeof topic === 'string') {
        return this.sendTo({ topic: this.#find(topic), codec: bytes }, given);
      }
      return this.sendTo({ topic: topic.hosted, codec: topic.codec }, given);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** @internal */
  sendTo(
    target: SendTarget<never> | SendTarget<unknown>,
    given: TopicRecord<unknown> | readonly TopicRecord<unknown>[],
  ): Promise<SentRecord | SentRecords> {
    if (isList(given)) return this.#open.send(target, given, allOfThem);
    return this.#open.send(target, [given], onlyOne);
  }

  /**
   * Commits what was read with the transaction, in the name of the member that has it: of a batch,
   * the offset behind it. Until the transaction ends nobody else commits for that partition in that
   * group. Throws OFFSET_HELD when another transaction holds it, TRANSACTION_STATE_INVALID,
   * TRANSACTION_TOO_LARGE, and what the commit of a group rejects with (ILLEGAL_GENERATION,
   * UNKNOWN_MEMBER, ...), by which the transaction is rejected too if it happens until it commits.
   */
  commitOffsets(batch: TransactionOffset): void {
    this.#open.commitOffset(batch);
  }

  /**
   * Finishes messages with the transaction. From now on their leases do not end, and nobody else
   * finishes them; when the transaction is undone their leases go on. Throws RECEIPT_STALE when a
   * delivery is over, LEASE_FROZEN when another transaction has the message,
   * TRANSACTION_STATE_INVALID, TRANSACTION_TOO_LARGE. The transaction is rejected then, also when
   * the error is caught; and with RECEIPT_STALE when the message is purged until it commits.
   */
  acknowledge(messages: Acknowledged | readonly Acknowledged[]): void {
    this.#open.finish(deliveriesOf(messages), 'Acknowledged');
  }

  /**
   * Moves a message of a queue to its dead letters with the transaction, like `reject` of the
   * message. Resolves when the letter is written; it need not be waited for. Rejects as
   * `acknowledge` throws and `send` rejects; the transaction is rejected then.
   */
  reject(
    message: RejectableMessage,
    { reason }: { readonly reason?: string | undefined } = {},
  ): Promise<void> {
    return this.#open.track(async () => await message.rejectIn(this, reason));
  }

  /**
   * @internal As `acknowledge`, but the messages go elsewhere. Answers with those that are to go
   * now: what the transaction has archived already goes once.
   */
  archive<D extends SourceDelivery>(deliveries: readonly D[]): readonly D[] {
    return this.#open.finish(deliveries, 'Archived');
  }

  async #sendToQueue(
    queue: QueueDestination<unknown, object>,
    message: { readonly value: unknown },
  ): Promise<unknown> {
    const [sent] = await this.#open.track(() => queue.sendIn(this, [message]));
    return sent;
  }
}

/** A message that a transaction can move to its dead letters. */
export interface RejectableMessage {
  /** @internal */
  rejectIn(transaction: Transaction, reason: string | undefined): Promise<void>;
}

/** A message that a transaction can finish. */
export type Acknowledged = Acknowledgeable | SourceDelivery;

function deliveriesOf(given: Acknowledged | readonly Acknowledged[]): readonly SourceDelivery[] {
  const messages: readonly unknown[] = Array.isArray(given) ? given : [given];
  return messages.map((message) => {
    const delivery = isAcknowledgeable(message) ? message.delivery : message;
    if (isDelivery(delivery)) return delivery;
    throw createError('OPTION_INVALID', { option: 'message', expected: 'a message of a queue' });
  });
}

function checkRecords(
  given: unknown,
): asserts given is TopicRecord<unknown> | readonly TopicRecord<unknown>[] {
  if (typeof given === 'object' && given !== null) return;
  throw createError('RECORD_INVALID', { field: 'records', reason: 'a record is an object' });
}

function isQueue(
  target: TopicDestination<unknown> | QueueDestination<unknown, object> | string,
): target is QueueDestination<unknown, object> {
  return typeof target === 'object' && 'sendIn' in target;
}

function isAcknowledgeable(message: unknown): message is Acknowledgeable {
  return typeof message === 'object' && message !== null && 'delivery' in message;
}

function isDelivery(delivery: unknown): delivery is SourceDelivery {
  return typeof delivery === 'object' && delivery !== null && 'partition' in delivery;
}

function isList<Value>(
  given: TopicRecord<Value> | readonly TopicRecord<Value>[],
): given is readonly TopicRecord<Value>[] {
  return Array.isArray(given);
}

function allOfThem(sent: SentRecords): SentRecords {
  return sent;
}

function onlyOne({ topic, ranges }: SentRecords): SentRecord {
  const [range] = ranges;
  return { topic, partition: range?.partition ?? -1, offset: range?.baseOffset ?? -1 };
}
