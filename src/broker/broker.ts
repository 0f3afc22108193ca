/**
 * The broker: topics in one folder, who sends to them, and who reads them.
 *
 * This class is the face; it holds no decision. Topics are `topic-registry.ts`, producers
 * `producer-core.ts`. One process holds a folder at a time.
 *
 *     <broker>/.lock .socket        who holds it
 *              __topics-0/          definitions, a compacted log
 *              __producers-0/       who producers are, a compacted log
 *              __transactions-0/    what was decided about transactions, a compacted log
 *              __offsets-0/         what groups have committed, a compacted log
 *              __queues-0/          definitions of queues, a compacted log
 *              __shares-0/          what share groups and queues have handed out and finished
 *              __exchanges-0/       exchanges and bindings, a compacted log
 *              <topic>-<n>/         one log per partition
 */

import { inspect } from 'node:util';
import { createError } from '../base/errors.js';
import type { BrokerRequest, HolderValue } from '../storage/main.js';
import type { BrokerConsumers } from './broker-consumers.js';
import type { BrokerEngine } from './broker-engine.js';
import { type BrokerEnvironment, systemBrokerEnvironment } from './broker-environment.js';
import { type BrokerParts, openBrokerParts } from './broker-opening.js';
import type { BrokerOptions } from './broker-options.js';
import { QueueFace } from './broker-queue-face.js';
import type { BrokerQueues } from './broker-queues.js';
import { carryOut, type HeldBroker, heldQueues, serveBroker } from './broker-service.js';
import { workerSurroundings } from './broker-workers.js';
import { ConsumeSessions } from './consumer/consume-sessions.js';
import { Consumer, type ConsumerOptions } from './consumer/consumer.js';
import type { TopicSelector } from './consumer/consumer-topics.js';
import type { Exchange } from './exchange/exchange.js';
import type { ExchangeKind } from './exchange/exchange-definition.js';
import type { ExchangeDescription } from './exchange/exchange-description.js';
import type { ExchangeOptions, TypedExchangeOptions } from './exchange/exchange-options.js';
import { Groups } from './group/groups.js';
import type { ProcessSurroundings } from './process/process-worker.js';
import type { Deduplicator } from './producer/deduplicator.js';
import type { DeduplicatorOptions } from './producer/deduplicator-options.js';
import { Deduplicators } from './producer/deduplicators.js';
import { Producer } from './producer/producer.js';
import { ProducerCore, type ProducerOptions } from './producer/producer-core.js';
import type { RequestStats } from './queue/request-replies.js';
import type { ShareOpenings } from './share/share-opening.js';
import { Shares } from './share/shares.js';
import { bytes, type Codec, checkCodec } from './topic/codec.js';
import type { HostedTopic } from './topic/hosted-topic.js';
import { Topic } from './topic/topic.js';
import {
  describeTopic,
  summarizeTopic,
  type TopicDescription,
  type TopicSummary,
} from './topic/topic-description.js';
import type { TopicOptions } from './topic/topic-options.js';
import type { TopicRegistry } from './topic/topic-registry.js';
import type { TransactionWork } from './transaction/transaction.js';
import type { TransactionCoordinator } from './transaction/transaction-coordinator.js';
import {
  checkTransactionalOptions,
  type TransactionalProducerOptions,
  type TransactionOptions,
} from './transaction/transaction-options.js';
import type { TransactionalProducer } from './transaction/transactional-producer.js';

/** A topic's options, and the codec that this handle of it uses. */
export interface TypedTopicOptions<Output, Input> extends TopicOptions {
  readonly codec: Codec<Output, Input>;
}

export interface TopicsConsumerOptions extends ConsumerOptions {
  /** Names, and patterns for names. */
  readonly topics: TopicSelector | readonly TopicSelector[];
}

export interface TypedConsumerOptions<Output> extends TopicsConsumerOptions {
  readonly codec: Codec<Output, never>;
}

type BytesTopic = Topic<Buffer, Uint8Array | string>;

export class Broker extends QueueFace {
  readonly #parts: BrokerParts;
  readonly #producers = new Set<Producer>();
  readonly #deduplicators: Deduplicators;
  readonly #groups: Groups;
  readonly #shares: Shares;
  readonly #sessions: ConsumeSessions;
  readonly #held: HeldBroker;
  #shared: ProducerCore | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: BrokerParts) {
    super();
    this.#parts = parts;
    this.#deduplicators = new Deduplicators({
      clock: parts.environment.clock,
      openState: (name, options) => parts.states.open(name, options),
      checkOpen: () => void this.#topics(),
    });
    this.#groups = new Groups(() => {
      this.#topics();
      return parts.groups.coordinator();
    });
    this.#shares = new Shares(() => {
      this.#topics();
      return parts.shares;
    }, parts.topics);
    this.#sessions = new ConsumeSessions(parts.consumers);
    this.#held = this.#holdings();
    parts.folder.serve((request) => serveBroker(this.#held, request));
  }

  /**
   * Opens the broker in `directory`, making it when it is absent. Deletions of topics that were cut
   * short are finished first.
   *
   * Throws NOT_A_DIRECTORY, NOT_A_BROKER, PERMISSION_DENIED, LOG_LOCKED, OPTION_UNKNOWN,
   * OPTION_INVALID, LOG_CORRUPT, FORMAT_UNSUPPORTED.
   */
  static async open(
    directory: string,
    options: BrokerOptions = {},
    environment: BrokerEnvironment = systemBrokerEnvironment,
  ): Promise<Broker> {
    return new Broker(await openBrokerParts(directory, options, environment));
  }

  get directory(): string {
    return this.#parts.folder.directory;
  }

  /**
   * The topic of this name when it is there, made now when it is not. Without a codec its values
   * are bytes. Throws INVALID_TOPIC_NAME, TOPIC_CONFLICT (an option differs from the topic's),
   * OPTION_UNKNOWN, OPTION_INVALID.
   */
  topic(name: string, options?: TopicOptions): Promise<BytesTopic>;
  topic<Output, Input>(
    name: string,
    options: TypedTopicOptions<Output, Input>,
  ): Promise<Topic<Output, Input>>;
  async topic(
    name: string,
    { codec, ...options }: Partial<TypedTopicOptions<unknown, unknown>> = {},
  ): Promise<unknown> {
    checkCodec(codec);
    return this.#handle(await this.#topics().declare(name, options), codec);
  }

  /** Makes a topic. Throws TOPIC_EXISTS, and otherwise like `topic`. */
  createTopic(name: string, options?: TopicOptions): Promise<BytesTopic>;
  createTopic<Output, Input>(
    name: string,
    options: TypedTopicOptions<Output, Input>,
  ): Promise<Topic<Output, Input>>;
  async createTopic(
    name: string,
    { codec, ...options }: Partial<TypedTopicOptions<unknown, unknown>> = {},
  ): Promise<unknown> {
    checkCodec(codec);
    return this.#handle(await this.#topics().create(name, options), codec);
  }

  /** By name. */
  listTopics(): readonly TopicSummary[] {
    return this.#topics().list().map(summarizeTopic);
  }

  /** Opens the partitions of the topic, for their offsets. Throws UNKNOWN_TOPIC. */
  async describeTopic(name: string): Promise<TopicDescription> {
    return await describeTopic(this.#topics().get(name));
  }

  /** Adds partitions, up to so many; keys move to other ones. Throws OPTION_INVALID. */
  async growTopic(name: string, partitions: number): Promise<void> {
    this.queues.registry.checkNoQueue(name);
    await this.#topics().grow(name, partitions);
  }

  /**
   * Changes options while the topic is in use; durable when it resolves, and effective from the
   * next append on. Throws OPTION_INVALID for options that a topic keeps from its creation on.
   */
  async alterTopic(name: string, changes: TopicOptions): Promise<void> {
    this.queues.registry.checkNoQueue(name);
    await this.#topics().alter(name, changes);
  }

  /**
   * Deletes a topic with all it holds, while it is in use: reading loops end, producers get
   * UNKNOWN_TOPIC. It is gone when this resolves; a deletion that a crash cuts short goes on with
   * the next open.
   */
  async deleteTopic(name: string): Promise<void> {
    this.queues.registry.checkNoQueue(name);
    await this.#topics().delete(name);
  }

  /** The groups of consumers: list, describe, reset, delete. */
  get groups(): Groups {
    return this.#groups;
  }

  /** The share groups of topics and queues: list, describe, reset, delete. */
  get shares(): Shares {
    return this.#shares;
  }

  /**
   * Reads topics by names and patterns, alone or as a member of a group; topics that are made
   * later and match a pattern are noticed. Values are bytes, unless `codec` reads them. Throws
   * OPTION_UNKNOWN, OPTION_INVALID, GROUP_INVALID, INVALID_TOPIC_NAME, UNKNOWN_TOPIC.
   */
  consumer(options: TopicsConsumerOptions): Consumer<Buffer>;
  consumer<Output>(options: TypedConsumerOptions<Output>): Consumer<Output>;
  consumer({ topics, codec, ...options }: Partial<TypedConsumerOptions<unknown>>): unknown {
    checkCodec(codec);
    const selectors = Array.isArray(topics) ? topics : [topics];
    return codec === undefined
      ? new Consumer(selectors, bytes, options, this.consumers)
      : new Consumer(selectors, codec, options, this.consumers);
  }

  /** @internal */
  get queues(): BrokerQueues {
    this.#topics();
    return this.#parts.queues;
  }

  /** @internal What consumers are made over. */
  get consumers(): BrokerConsumers {
    this.#topics();
    return this.#parts.consumers;
  }

  /**
   * A producer with these options; it is closed with the broker at the latest. With a
   * `transactionalId` it sends in transactions alone, and fences whoever had that id.
   */
  producer(options?: ProducerOptions): Producer;
  producer(options: TransactionalProducerOptions): TransactionalProducer;
  producer(
    options: ProducerOptions | TransactionalProducerOptions = {},
  ): Producer | TransactionalProducer {
    const topics = this.#topics();
    if ('transactionalId' in options) {
      checkTransactionalOptions(options);
      return this.#parts.transactions.producer(options);
    }
    const { environment, ids, deduplications } = this.#parts;
    const producer = new Producer(new ProducerCore(options, environment, ids, deduplications), {
      find: (name) => topics.get(name),
      closed: (closed) => this.#producers.delete(closed),
    });
    this.#producers.add(producer);
    return producer;
  }

  /**
   * Runs `work` in a transaction: what it sends and the offsets that it commits are seen together,
   * or never. When it returns, everything is committed, durable and seen, and this resolves to what
   * it returned; when it throws, all is undone, and this rejects with what it threw.
   *
   * Rejects, and all is undone, with TRANSACTION_TIMED_OUT, TRANSACTION_ABORTED (a send has failed,
   * or a log cannot be written: see `cause`), TRANSACTION_TOO_LARGE, with the signal's reason, with
   * what the commit of a group rejects with (ILLEGAL_GENERATION, REBALANCE_IN_PROGRESS, ...),
   * OFFSET_HELD, DISK_FULL, BROKER_CLOSED; TRANSACTIONS_FULL before anything was done. Only with
   * OUTCOME_UNKNOWN it is committed, or undone, when the broker is opened the next time.
   */
  async transaction<T>(work: TransactionWork<T>, options?: TransactionOptions): Promise<T> {
    this.#topics();
    return await this.#parts.transactions.run(work, options);
  }

  /** @internal What servers of wire protocols are made over. */
  get engine(): BrokerEngine {
    const topics = this.#topics();
    const { id, environment, groups, groupSettings, shares, ids, transactions } = this.#parts;
    const { clock } = environment;
    return { id, clock, topics, groups, groupSettings, shares, ids, transactions };
  }

  /** @internal What sends and commits in one step. */
  get transactions(): TransactionCoordinator {
    this.#topics();
    return this.#parts.transactions;
  }

  /**
   * The exchange of this name when it is there with this kind and alternate, made now when it is
   * not; without a kind it has to be there. The exchange `''` is always there: it routes to the
   * queue whose name is the key. Without a codec values are bytes. Rejects with
   * INVALID_EXCHANGE_NAME, EXCHANGE_CONFLICT, UNKNOWN_EXCHANGE, EXCHANGES_FULL, OPTION_UNKNOWN,
   * OPTION_INVALID.
   */
  exchange(name: string, kind?: ExchangeKind, options?: ExchangeOptions): Promise<Exchange>;
  exchange<Input>(
    name: string,
    kind: ExchangeKind | undefined,
    options: TypedExchangeOptions<Input>,
  ): Promise<Exchange<Input>>;
  async exchange(
    name: string,
    kind?: ExchangeKind,
    options?: Partial<TypedExchangeOptions<unknown>>,
  ): Promise<unknown> {
    checkCodec(options?.codec);
    return await this.#parts.exchanges.declare(name, kind, options);
  }

  /** Makes an exchange. Rejects with EXCHANGE_EXISTS, and otherwise like `exchange`. */
  createExchange(name: string, kind: ExchangeKind, options?: ExchangeOptions): Promise<Exchange>;
  createExchange<Input>(
    name: string,
    kind: ExchangeKind,
    options: TypedExchangeOptions<Input>,
  ): Promise<Exchange<Input>>;
  async createExchange(
    name: string,
    kind: ExchangeKind,
    options?: Partial<TypedExchangeOptions<unknown>>,
  ): Promise<unknown> {
    checkCodec(options?.codec);
    return await this.#parts.exchanges.create(name, kind, options);
  }

  /** By name, with what was published since the broker was opened. */
  listExchanges(): readonly ExchangeDescription[] {
    return this.#parts.exchanges.list();
  }

  /** Throws UNKNOWN_EXCHANGE. */
  describeExchange(name: string): ExchangeDescription {
    return this.#parts.exchanges.describe(name);
  }

  /** What became of the requests that were sent through queues since the broker was opened. */
  requestStats(): RequestStats {
    return this.#parts.replies.stats();
  }

  /** Deletes an exchange with its bindings, and those to it. Rejects with UNKNOWN_EXCHANGE. */
  deleteExchange(name: string): Promise<void> {
    return this.#parts.exchanges.delete(name);
  }

  /**
   * The table of this name, of ids that were processed: it makes a handler run once for each id.
   * Throws OPTION_UNKNOWN, OPTION_INVALID, OPTION_CONFLICT (it is in use with other ones).
   */
  deduplicator(name: string, options: DeduplicatorOptions = {}): Promise<Deduplicator> {
    return this.#deduplicators.open(name, options);
  }

  /**
   * @internal What a process that asks over the holder's socket would get; for the command, which
   * asks the same when it holds the broker itself.
   */
  carryOut(request: BrokerRequest): Promise<Readonly<Record<string, HolderValue>>> {
    this.#topics();
    return carryOut(this.#held, request);
  }

  /**
   * Stores what was sent, ends reading loops and gives the folder free. Idempotent; calls that come
   * later reject with BROKER_CLOSED.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  [inspect.custom](): string {
    const state = this.#closing === undefined ? 'open' : 'closed';
    return `Broker ${this.directory} (${state}, ${this.#parts.topics.list().length} topics)`;
  }

  #topics(): TopicRegistry {
    if (this.#closing === undefined) return this.#parts.topics;
    throw createError('BROKER_CLOSED', { path: this.directory });
  }

  #handle(hosted: HostedTopic, codec: Codec<unknown, unknown> | undefined): unknown {
    const home = {
      producer: (): ProducerCore => this.#sharedProducer(),
      consumers: (): BrokerConsumers => this.consumers,
      workers: (): ProcessSurroundings => this.#workers(),
      shares: (): ShareOpenings => {
        this.#topics();
        return this.#parts.shareOpenings;
      },
    };
    if (codec === undefined) return new Topic(hosted, bytes, home);
    return new Topic(hosted, codec, home);
  }

  #workers(): ProcessSurroundings {
    this.#topics();
    return workerSurroundings(this.#parts);
  }

  #sharedProducer(): ProducerCore {
    this.#topics();
    const { environment, ids, deduplications } = this.#parts;
    this.#shared ??= new ProducerCore({}, environment, ids, deduplications);
    return this.#shared;
  }

  /** What other processes may use of it. */
  #holdings(): HeldBroker {
    return {
      listTopics: () => this.listTopics(),
      describeTopic: (name) => this.describeTopic(name),
      createTopic: (name, options) => this.createTopic(name, options),
      alterTopic: (name, changes) => this.alterTopic(name, changes),
      growTopic: (name, partitions) => this.growTopic(name, partitions),
      deleteTopic: (name) => this.deleteTopic(name),
      send: (name, records) => {
        const topic = this.#topics().get(name);
        return this.#sharedProducer().send({ topic, codec: bytes }, records, (sent) => sent);
      },
      groups: this.#groups,
      exchanges: this.#parts.exchanges,
      queues: heldQueues(() => this.queues),
      sessions: this.#sessions,
      partitionsOf: (name) => this.#topics().get(name).partitions,
    };
  }

  async #close(): Promise<void> {
    const { folder, states, topics, deduplications, groups, consumers } = this.#parts;
    try {
      this.#parts.replies.close();
      await this.#sessions.closeAll();
      await this.#parts.queues.close();
      await this.#parts.shareOpenings.close();
      await consumers.close();
      await this.#parts.exchanges.close();
      await this.#parts.transactions.close();
      const producers = [...this.#producers].map((producer) => producer.close());
      await Promise.allSettled([...producers, this.#shared?.close()]);
      await deduplications.close();
      await this.#parts.shares.close();
      await groups.close();
      await topics.close();
    } finally {
      try {
        await states.close();
      } finally {
        await folder.close();
      }
    }
  }
}
