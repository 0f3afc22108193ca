/**
 * A transaction in the hands of a program: what it sends and commits is seen together, or never.
 */

import type { TransactionOffset } from '../group/group-transactions.js';
import type { SendTarget } from '../producer/producer-core.js';
import type { TopicRecord } from '../producer/producer-records.js';
import type { SentRecord, SentRecords } from '../producer/producer-send.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Topic } from '../topic/topic.js';
import type { OpenTransaction } from './open-transaction.js';

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
  send<Output, Input>(topic: Topic<Output, Input>, record: TopicRecord<Input>): Promise<SentRecord>;
  send<Output, Input>(
    topic: Topic<Output, Input>,
    records: readonly TopicRecord<Input>[],
  ): Promise<SentRecords>;
  send(topic: string, record: TopicRecord<Uint8Array | string>): Promise<SentRecord>;
  send(topic: string, records: readonly TopicRecord<Uint8Array | string>[]): Promise<SentRecords>;
  send(
    topic: Topic<unknown, unknown> | string,
    given: TopicRecord<unknown> | readonly TopicRecord<unknown>[],
  ): Promise<SentRecord | SentRecords> {
    try {
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
