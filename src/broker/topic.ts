/**
 * A topic in the hands of a program: its name, its codec, and sending to it.
 *
 * A handle stays with the topic that it was made for. Once that is deleted, everything answers
 * UNKNOWN_TOPIC, also when another topic gets the name.
 */

import type { Codec } from './codec.js';
import type { HostedTopic } from './hosted-topic.js';
import type { ProducerCore, SendOptions } from './producer-core.js';
import type { TopicRecord } from './producer-records.js';
import type { SentRecords } from './producer-send.js';
import { describeTopic, type TopicDescription } from './topic-description.js';

/** Where one record is. */
export interface SentRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

export class Topic<Output, Input = Output> {
  readonly codec: Codec<Output, Input>;
  /** @internal */
  readonly hosted: HostedTopic;
  readonly #producer: () => ProducerCore;

  /** @internal */
  constructor(hosted: HostedTopic, codec: Codec<Output, Input>, producer: () => ProducerCore) {
    this.hosted = hosted;
    this.codec = codec;
    this.#producer = producer;
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
      return sendBy(this.#producer(), { topic: this.hosted, codec: this.codec }, given, options);
    } catch (error) {
      return Promise.reject(error);
    }
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
  if (isList(given)) return producer.send(target, given, allOfThem, options);
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

function onlyOne({ topic, ranges }: SentRecords): SentRecord {
  const [range] = ranges;
  return { topic, partition: range?.partition ?? -1, offset: range?.baseOffset ?? -1 };
}
