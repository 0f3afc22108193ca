/**
 * A producer with options of its own, for any topics of one broker.
 */

import type { Acks } from '../../storage/main.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { sendBy, type Topic } from '../topic/topic.js';
import type { ProducerCore, SendOptions } from './producer-core.js';
import type { TopicRecord } from './producer-records.js';
import type { SentRecord, SentRecords } from './producer-send.js';

/** What a producer needs of its broker. */
export interface ProducerHome {
  find(topic: string): HostedTopic;
  /** The producer is closed: the broker need not do it any more. */
  closed(producer: Producer): void;
}

export class Producer {
  readonly #core: ProducerCore;
  readonly #home: ProducerHome;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(core: ProducerCore, home: ProducerHome) {
    this.#core = core;
    this.#home = home;
  }

  get acks(): Acks {
    return this.#core.acks;
  }

  /** What is buffered or on its way, as a bound of the encoded size. */
  get bufferedBytes(): number {
    return this.#core.bufferedBytes;
  }

  get bufferedRecords(): number {
    return this.#core.bufferedRecords;
  }

  /** Sends that wait for the buffer. */
  get waitingSends(): number {
    return this.#core.waitingSends;
  }

  /**
   * Sends to a topic by its handle, whose codec is used, or by its name: then values are bytes.
   * Resolves when the records are as safe as `acks` says; rejects like `Topic.send`, and with
   * PRODUCER_CLOSED and RECORD_DROPPED.
   */
  send<Output, Input>(
    topic: Topic<Output, Input>,
    record: TopicRecord<Input>,
    options?: SendOptions,
  ): Promise<SentRecord>;
  send<Output, Input>(
    topic: Topic<Output, Input>,
    records: readonly TopicRecord<Input>[],
    options?: SendOptions,
  ): Promise<SentRecords>;
  send(
    topic: string,
    record: TopicRecord<Uint8Array | string>,
    options?: SendOptions,
  ): Promise<SentRecord>;
  send(
    topic: string,
    records: readonly TopicRecord<Uint8Array | string>[],
    options?: SendOptions,
  ): Promise<SentRecords>;
  send(
    topic: Topic<unknown, unknown> | string,
    given: TopicRecord<unknown> | readonly TopicRecord<unknown>[],
    options?: SendOptions,
  ): Promise<SentRecord | SentRecords> {
    try {
      const target =
        typeof topic === 'string'
          ? { topic: this.#home.find(topic), codec: bytes }
          : { topic: topic.hosted, codec: topic.codec };
      return sendBy(this.#core, target, given, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Resolves once every send that was called before has ended, well or not, and what they stored is
   * durable.
   */
  flush(): Promise<void> {
    return this.#core.flush();
  }

  /** Sends what was accepted, then refuses. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#core.close().finally(() => this.#home.closed(this));
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
