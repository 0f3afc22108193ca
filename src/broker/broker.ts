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
 *              <topic>-<n>/         one log per partition
 */

import { inspect } from 'node:util';
import { createError, hasCode } from '../base/errors.js';
import { resolveOptions } from '../base/options.js';
import { type BrokerRequest, type HolderValue, LogsFolder } from '../storage/main.js';
import { BrokerConsumers } from './broker-consumers.js';
import type { BrokerEngine } from './broker-engine.js';
import { type BrokerEnvironment, systemBrokerEnvironment } from './broker-environment.js';
import { BrokerGroups } from './broker-groups.js';
import { type BrokerOptions, brokerOptionTable } from './broker-options.js';
import { carryOut, type HeldBroker, serveBroker } from './broker-service.js';
import { workerSurroundings } from './broker-workers.js';
import { ConsumeSessions } from './consumer/consume-sessions.js';
import { Consumer, type ConsumerOptions } from './consumer/consumer.js';
import type { TopicSelector } from './consumer/consumer-topics.js';
import { Groups } from './group/groups.js';
import type { ProcessSurroundings } from './process/process-worker.js';
import { Deduplications } from './producer/deduplications.js';
import type { Deduplicator } from './producer/deduplicator.js';
import type { DeduplicatorOptions } from './producer/deduplicator-options.js';
import { Deduplicators } from './producer/deduplicators.js';
import { Producer } from './producer/producer.js';
import { ProducerCore, type ProducerOptions } from './producer/producer-core.js';
import { ProducerIds } from './producer/producer-ids.js';
import { OpenStates } from './state/open-states.js';
import { bytes, type Codec } from './topic/codec.js';
import type { HostedTopic } from './topic/hosted-topic.js';
import { Topic } from './topic/topic.js';
import {
  describeTopic,
  summarizeTopic,
  type TopicDescription,
  type TopicSummary,
} from './topic/topic-description.js';
import { internalFolder } from './topic/topic-name.js';
import type { TopicOptions } from './topic/topic-options.js';
import { TopicRegistry } from './topic/topic-registry.js';
import type { TransactionWork } from './transaction/transaction.js';
import { TransactionCoordinator } from './transaction/transaction-coordinator.js';
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

interface BrokerParts {
  readonly id: string;
  readonly folder: LogsFolder;
  readonly topics: TopicRegistry;
  readonly environment: BrokerEnvironment;
  readonly ids: ProducerIds;
  /** Logs of the broker's own state that are open, to be closed with it. */
  readonly states: OpenStates;
  readonly deduplications: Deduplications;
  readonly groups: BrokerGroups;
  readonly consumers: BrokerConsumers;
  readonly transactions: TransactionCoordinator;
}

const DEFINITIONS = internalFolder('topics');
const PRODUCERS = internalFolder('producers');
const DEDUPLICATION = internalFolder('deduplication');

export class Broker {
  readonly #parts: BrokerParts;
  readonly #producers = new Set<Producer>();
  readonly #deduplicators: Deduplicators;
  readonly #groups: Groups;
  readonly #sessions: ConsumeSessions;
  readonly #held: HeldBroker;
  #shared: ProducerCore | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: BrokerParts) {
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
    const { create, ...groupOptions } = resolveOptions(brokerOptionTable, options, directory);
    const folder = await openFolder(directory, create, environment);
    const states = new OpenStates(folder);
    let topics: TopicRegistry | undefined;
    try {
      await checkFolder(folder, create);
      const definitions = await states.open(DEFINITIONS);
      const id = await states.idOf(DEFINITIONS);
      const registry = await TopicRegistry.load(folder, definitions, environment);
      topics = registry;
      const ids = new ProducerIds(() => states.open(PRODUCERS));
      const deduplications = new Deduplications({
        clock: environment.clock,
        openState: () => states.open(DEDUPLICATION),
        topicIds: () => new Set(registry.list().map(({ definition }) => definition.topicId)),
      });
      registry.watch({ deleted: () => deduplications.forgetDeleted() });
      const names = await folder.names();
      const groups = await BrokerGroups.open(
        { registry, states, environment, options: groupOptions },
        names,
      );
      const { directory: path } = folder;
      const transactions = await TransactionCoordinator.open(
        { directory: path, environment, states, topics: registry, groups, ids },
        names,
      );
      const consumers = new BrokerConsumers(environment.clock, registry, groups);
      return new Broker({
        id,
        folder,
        topics: registry,
        environment,
        ids,
        states,
        deduplications,
        groups,
        consumers,
        transactions,
      });
    } catch (error) {
      await topics?.close().catch(() => undefined);
      await states.close().catch(() => undefined);
      await folder.close();
      throw error;
    }
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
    await this.#topics().grow(name, partitions);
  }

  /**
   * Changes options while the topic is in use; durable when it resolves, and effective from the
   * next append on. Throws OPTION_INVALID for options that a topic keeps from its creation on.
   */
  async alterTopic(name: string, changes: TopicOptions): Promise<void> {
    await this.#topics().alter(name, changes);
  }

  /**
   * Deletes a topic with all it holds, while it is in use: reading loops end, producers get
   * UNKNOWN_TOPIC. It is gone when this resolves; a deletion that a crash cuts short goes on with
   * the next open.
   */
  async deleteTopic(name: string): Promise<void> {
    await this.#topics().delete(name);
  }

  /** The groups of consumers: list, describe, reset, delete. */
  get groups(): Groups {
    return this.#groups;
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
    const { id, environment, groups, ids, transactions } = this.#parts;
    return { id, clock: environment.clock, topics, groups, ids, transactions };
  }

  /** @internal What sends and commits in one step. */
  get transactions(): TransactionCoordinator {
    this.#topics();
    return this.#parts.transactions;
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
      sessions: this.#sessions,
      partitionsOf: (name) => this.#topics().get(name).partitions,
    };
  }

  async #close(): Promise<void> {
    const { folder, states, topics, deduplications, groups, consumers } = this.#parts;
    try {
      await this.#sessions.closeAll();
      await consumers.close();
      await this.#parts.transactions.close();
      const producers = [...this.#producers].map((producer) => producer.close());
      await Promise.allSettled([...producers, this.#shared?.close()]);
      await deduplications.close();
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

async function openFolder(
  directory: string,
  mayCreate: boolean,
  environment: BrokerEnvironment,
): Promise<LogsFolder> {
  try {
    return await LogsFolder.open(directory, mayCreate, environment.storage);
  } catch (error) {
    if (!hasCode(error, 'LOG_NOT_FOUND')) throw error;
    throw createError('NOT_A_BROKER', { path: directory, actual: 'absent' }, error);
  }
}

/** A folder without definitions is a new broker when nothing else is in it. */
async function checkFolder(folder: LogsFolder, mayCreate: boolean): Promise<void> {
  const names = await folder.names();
  if (names.includes(DEFINITIONS)) return;
  const stranger = names.find((name) => !name.startsWith('.'));
  if (stranger === undefined && mayCreate) return;
  const facts = { expected: DEFINITIONS, actual: stranger ?? 'an empty folder' };
  throw createError('NOT_A_BROKER', { path: folder.directory, ...facts });
}

function checkCodec(codec: Codec<unknown, never> | undefined): void {
  if (codec === undefined) return;
  if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') return;
  throw createError('OPTION_INVALID', { option: 'codec', expected: 'encode and decode' });
}
