/**
 * The broker: topics in one folder, and who sends to them.
 *
 * This class is the face; it holds no decision. Topics are `topic-registry.ts`, producers
 * `producer-core.ts`. One process holds a folder at a time.
 *
 *     <broker>/.lock .socket        who holds it
 *              __topics-0/          definitions, a compacted log
 *              __producers-0/       who producers are, a compacted log
 *              <topic>-<n>/         one log per partition
 */

import { inspect } from 'node:util';
import { createError, hasCode } from '../base/errors.js';
import { resolveOptions } from '../base/options.js';
import { LogsFolder } from '../storage/main.js';
import { type BrokerEnvironment, systemBrokerEnvironment } from './broker-environment.js';
import { type BrokerOptions, brokerOptionTable } from './broker-options.js';
import { serveBroker } from './broker-service.js';
import { bytes, type Codec } from './codec.js';
import type { HostedTopic } from './hosted-topic.js';
import { OpenStates } from './open-states.js';
import { Producer } from './producer.js';
import { ProducerCore, type ProducerOptions } from './producer-core.js';
import { ProducerIds } from './producer-ids.js';
import { Topic } from './topic.js';
import {
  describeTopic,
  summarizeTopic,
  type TopicDescription,
  type TopicSummary,
} from './topic-description.js';
import { internalFolder } from './topic-name.js';
import type { TopicOptions } from './topic-options.js';
import { TopicRegistry } from './topic-registry.js';

/** A topic's options, and the codec that this handle of it uses. */
export interface TypedTopicOptions<Output, Input> extends TopicOptions {
  readonly codec: Codec<Output, Input>;
}

type BytesTopic = Topic<Buffer, Uint8Array | string>;

interface BrokerParts {
  readonly folder: LogsFolder;
  readonly topics: TopicRegistry;
  readonly environment: BrokerEnvironment;
  readonly ids: ProducerIds;
  /** Logs of the broker's own state that are open, to be closed with it. */
  readonly states: OpenStates;
}

const DEFINITIONS = internalFolder('topics');
const PRODUCERS = internalFolder('producers');

export class Broker {
  readonly #parts: BrokerParts;
  readonly #producers = new Set<Producer>();
  #shared: ProducerCore | undefined;
  #closing: Promise<void> | undefined;

  private constructor(parts: BrokerParts) {
    this.#parts = parts;
    parts.folder.serve((request) =>
      serveBroker(
        {
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
        },
        request,
      ),
    );
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
    const { create } = resolveOptions(brokerOptionTable, options, directory);
    const folder = await openFolder(directory, create, environment);
    const states = new OpenStates(folder);
    try {
      await checkFolder(folder, create);
      const definitions = await states.open(DEFINITIONS);
      const topics = await TopicRegistry.load(folder, definitions, environment);
      const ids = new ProducerIds(() => states.open(PRODUCERS));
      return new Broker({ folder, topics, environment, ids, states });
    } catch (error) {
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

  /** A producer with these options; it is closed with the broker at the latest. */
  producer(options: ProducerOptions = {}): Producer {
    const topics = this.#topics();
    const { environment, ids } = this.#parts;
    const producer = new Producer(new ProducerCore(options, environment, ids), {
      find: (name) => topics.get(name),
      closed: (closed) => this.#producers.delete(closed),
    });
    this.#producers.add(producer);
    return producer;
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
    const producer = (): ProducerCore => this.#sharedProducer();
    if (codec === undefined) return new Topic(hosted, bytes, producer);
    return new Topic(hosted, codec, producer);
  }

  #sharedProducer(): ProducerCore {
    this.#topics();
    this.#shared ??= new ProducerCore({}, this.#parts.environment, this.#parts.ids);
    return this.#shared;
  }

  async #close(): Promise<void> {
    const { folder, states, topics } = this.#parts;
    try {
      const producers = [...this.#producers].map((producer) => producer.close());
      await Promise.allSettled([...producers, this.#shared?.close()]);
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

function checkCodec(codec: Codec<unknown, unknown> | undefined): void {
  if (codec === undefined) return;
  if (typeof codec?.encode === 'function' && typeof codec.decode === 'function') return;
  throw createError('OPTION_INVALID', { option: 'codec', expected: 'encode and decode' });
}
