/**
 * A topic in the hands of a program: its name, its codec, and sending to it.
 *
 * A handle stays with the topic that it was made for. Once that is deleted, everything answers
 * UNKNOWN_TOPIC, also when another topic gets the name.
 */

import type { Writable } from 'node:stream';
import type { BrokerConsumers } from '../broker-consumers.js';
import { Consumer, type ConsumerOptions } from '../consumer/consumer.js';
import type { ProcessOptions } from '../process/process-options.js';
import type { ProcessHandler } from '../process/process-record.js';
import {
  type ProcessGroupOptions,
  type ProcessSurroundings,
  ProcessWorker,
} from '../process/process-worker.js';
import type { ProducerCore, SendOptions } from '../producer/producer-core.js';
import type { TopicRecord } from '../producer/producer-records.js';
import { onlyOne, recordAt, type SentRecord, type SentRecords } from '../producer/producer-send.js';
import { sendingStream, type WritableOptions } from '../producer/producer-stream.js';
import { idInvalid, sendDeduplicated } from '../producer/send-deduplicated.js';
import { ShareConsumer } from '../share/share-consumer.js';
import type { ShareOptions } from '../share/share-consumer-options.js';
import type { ShareOpenings } from '../share/share-opening.js';
import type { Codec } from './codec.js';
import type { HostedTopic } from './hosted-topic.js';
import { describeTopic, type TopicDescription } from './topic-description.js';

/** What a topic's handle needs of its broker. */
export interface TopicHome {
  /** The producer that all topics share. */
  producer(): ProducerCore;
  consumers(): BrokerConsumers;
  workers(): ProcessSurroundings;
  shares(): ShareOpenings;
}

export class Topic<Output, Input = Output> {
  readonly codec: Codec<Output, Input>;
  /** @internal */
  readonly hosted: HostedTopic;
  readonly #home: TopicHome;

  /** @internal */
  constructor(hosted: HostedTopic, codec: Codec<Output, Input>, home: TopicHome) {
    this.hosted = hosted;
    this.codec = codec;
    this.#home = home;
  }

  get name(): string {
    return this.hosted.name;
  }

  /** How many there are now; `growTopic` adds to them. */
  get partitions(): number {
    return this.hosted.partitions;
  }

  /**
   * Sends by a producer that all topics of the broker share, with its default options. Resolves
   * when the records are durable. Rejects with RECORD_INVALID, RECORD_TOO_LARGE, KEY_REQUIRED,
   * VALUE_INVALID, UNKNOWN_TOPIC, UNKNOWN_PARTITION, BUFFER_FULL, BROKER_CLOSED, and what the
   * append of a log rejects with.
   */
  send(record: TopicRecord<Input>, options?: SendOptions): Promise<SentRecord>;
  send(records: readonly TopicRecord<Input>[], options?: SendOptions): Promise<SentRecords>;
  send(
    given: TopicRecord<Input> | readonly TopicRecord<Input>[],
    options?: SendOptions,
  ): Promise<SentRecord | SentRecords> {
    try {
      return sendBy(
        this.#home.producer(),
        { topic: this.hosted, codec: this.codec },
        given,
        options,
      );
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Has a handler process the records, as a member of a group: in order per key, keys beside each
   * other, again when it fails, and to the dead letters when it keeps failing. Begins at once.
   * Throws OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID, UNKNOWN_TOPIC, BROKER_CLOSED.
   */
  process(
    group: ProcessGroupOptions,
    handler: ProcessHandler<Output>,
    options: ProcessOptions = {},
  ): ProcessWorker {
    this.hosted.checkOpen();
    const source = { topic: this.name, codec: this.codec, handler };
    return ProcessWorker.start(source, group, options, this.#home.workers());
  }

  /**
   * A stream of records to send, with the backpressure of the producer. Throws OPTION_INVALID.
   */
  writable(options: WritableOptions = {}): Writable {
    return sendingStream((records: readonly TopicRecord<Input>[]) => this.send(records), options);
  }

  /**
   * Reads the topic, alone or as a member of a group; begins at once, and is closed by its loop or
   * with the broker. Throws OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID, UNKNOWN_TOPIC.
   */
  consumer(options: ConsumerOptions = {}): Consumer<Output> {
    this.hosted.checkOpen();
    return new Consumer([this.name], this.codec, options, this.#home.consumers());
  }

  /**
   * A consumer in a share group: messages one by one, each by one of the consumers, which may
   * outnumber the partitions. It joins with its first call, and is closed with the broker. Throws
   * OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID, UNKNOWN_TOPIC, BROKER_CLOSED.
   */
  share(options: ShareOptions): ShareConsumer<Output> {
    this.hosted.checkOpen();
    return new ShareConsumer(this.hosted, this.codec, options, this.#home.shares());
  }

  /** What the topic is, and the offsets of its partitions, which are opened for it. */
  async describe(): Promise<TopicDescription> {
    return await describeTopic(this.hosted);
  }
}

/** One record, or a list of them, by a producer. */
export function sendBy<Value>(
  producer: ProducerCore,
  target: { readonly topic: HostedTopic; readonly codec: Codec<unknown, Value> },
  given: TopicRecord<Value> | readonly TopicRecord<Value>[],
  options: SendOptions | undefined,
): Promise<SentRecord | SentRecords> {
  const hasId = options?.deduplicationId !== undefined;
  if (isList(given)) {
    if (hasId) throw idInvalid('one record, no list');
    return producer.send(target, given, allOfThem, options);
  }
  if (hasId) return sendDeduplicated(producer, target, given, options);
  if (options === undefined) return producer.sendOne(target, given, recordAt);
  return producer.send(target, [given], onlyOne, options);
}

function isList<Value>(
  given: TopicRecord<Value> | readonly TopicRecord<Value>[],
): given is readonly TopicRecord<Value>[] {
  return Array.isArray(given);
}

function allOfThem(sent: SentRecords): SentRecords {
  return sent;
}
