/**
 * The queues of a broker: which there are, those that are in use, and what they need of the broker.
 *
 *     __queues-0/    definitions, a compacted log; made by the first queue
 */

import { hasCode } from '../base/errors.js';
import type { BrokerEnvironment } from './broker-environment.js';
import type { BrokerShares } from './broker-shares.js';
import { DelayedMessages } from './delayed/delayed-messages.js';
import { delayedTopicName, delayedTopicOptions } from './delayed/delayed-topic.js';
import { deadTopicOptions } from './process/process-dead-letters.js';
import { WAITS } from './producer/deduplication-window.js';
import type { Deduplications } from './producer/deduplications.js';
import type { ProducerCore } from './producer/producer-core.js';
import { HostedQueue } from './queue/hosted-queue.js';
import { Queue, type QueueHome } from './queue/queue.js';
import type { QueueDefinition } from './queue/queue-definition.js';
import { describeQueue, type QueueDescription } from './queue/queue-description.js';
import { unknownQueue } from './queue/queue-errors.js';
import { checkQueueName } from './queue/queue-name.js';
import type { QueueSurroundings } from './queue/queue-opening.js';
import { NO_DEAD_LETTER, type QueueOptions } from './queue/queue-options.js';
import { QueueRegistry } from './queue/queue-registry.js';
import type { OpenDelays } from './queue/queue-sender.js';
import type { Replies } from './queue/request-replies.js';
import { DeadLetterMover } from './share/dead-letter-mover.js';
import type { OpenStates } from './state/open-states.js';
import { bytes, type Codec } from './topic/codec.js';
import type { HostedTopic } from './topic/hosted-topic.js';
import { internalFolder, isInternalName } from './topic/topic-name.js';
import type { TopicRegistry } from './topic/topic-registry.js';
import type { TransactionCoordinator } from './transaction/transaction-coordinator.js';
import type { TriageTarget } from './triage/queue-triage-move.js';

const DEFINITIONS = internalFolder('queues');

export interface BrokerQueuesParts {
  readonly environment: BrokerEnvironment;
  readonly topics: TopicRegistry;
  readonly states: OpenStates;
  readonly shares: BrokerShares;
  readonly transactions: TransactionCoordinator;
  readonly replies: Replies;
  readonly deduplications: Deduplications;
  /** Makes the producer that all queues share. */
  readonly makeProducer: () => ProducerCore;
}

export class BrokerQueues implements QueueHome {
  readonly registry: QueueRegistry;
  readonly #parts: BrokerQueuesParts;
  readonly #hosted = new Map<string, HostedQueue>();
  readonly #around: QueueSurroundings;
  #producer: ProducerCore | undefined;

  /** Settles what crashes have left unfinished. `names`: what lies in the broker's folder. */
  static async open(parts: BrokerQueuesParts, names: readonly string[]): Promise<BrokerQueues> {
    const { environment, topics, states, shares } = parts;
    const registry = await QueueRegistry.load(
      {
        topics,
        clock: environment.clock,
        openState: () => states.open(DEFINITIONS),
        forget: (topicIds) => shares.forgetTopics(topicIds),
      },
      names.includes(DEFINITIONS),
    );
    return new BrokerQueues(parts, registry);
  }

  private constructor(parts: BrokerQueuesParts, registry: QueueRegistry) {
    this.#parts = parts;
    this.registry = registry;
    this.#around = this.#surroundings();
    registry.watch({
      altered: (definition) => this.#hosted.get(definition.name)?.follow(definition),
      deleting: (name) => this.#forget(name),
    });
  }

  /** A handle of the queue when it is there with these options, made now when it is not. */
  async declare<Output, Input>(
    name: string,
    codec: Codec<Output, Input>,
    options: QueueOptions,
  ): Promise<Queue<Output, Input>> {
    const asked = this.registry.find(name) === undefined ? this.#optionsOf(name, options) : options;
    return await this.#handle(await this.registry.declare(name, asked), codec);
  }

  /** Throws QUEUE_EXISTS. */
  async create<Output, Input>(
    name: string,
    codec: Codec<Output, Input>,
    options: QueueOptions,
  ): Promise<Queue<Output, Input>> {
    const asked = this.#optionsOf(name, options);
    return await this.#handle(await this.registry.create(name, asked), codec);
  }

  async alter(name: string, changes: QueueOptions): Promise<void> {
    await this.registry.alter(name, changes);
  }

  async delete(name: string): Promise<void> {
    await this.registry.delete(name);
  }

  async describe(name: string): Promise<QueueDescription> {
    const definition = this.registry.get(name);
    return await describeQueue(await this.host(definition.name));
  }

  /** The queue of this name while there is one; the same object for all who ask. */
  find(name: string): HostedQueue | undefined {
    const definition = this.registry.find(name);
    if (definition === undefined) return undefined;
    const known = this.#hosted.get(name);
    if (known !== undefined) return known;
    const topic = this.registry.topicOf(name);
    const hosted = new HostedQueue(definition, topic, this.#around);
    this.#hosted.set(name, hosted);
    return hosted;
  }

  /** The same, once its delayed messages can enter. Throws INVALID_TOPIC_NAME, UNKNOWN_QUEUE. */
  async host(name: string): Promise<HostedQueue> {
    checkQueueName(name);
    const hosted = this.find(name);
    if (hosted === undefined) throw unknownQueue(name);
    await hosted.start();
    return hosted;
  }

  /**
   * Where dead letters of this name go: a queue, made now when there is none; or a topic, where
   * somebody has made one. Undefined: there are none.
   */
  async deadLetterTarget(name: string, of: QueueDefinition): Promise<HostedTopic | undefined> {
    if (name === NO_DEAD_LETTER) return undefined;
    const { topics } = this.#parts;
    const found = topics.find(name);
    if (found !== undefined) return found;
    try {
      await this.registry.create(name, this.#deadQueueOptions(of));
    } catch (error) {
      if (!hasCode(error, 'QUEUE_EXISTS') && !hasCode(error, 'QUEUE_CONFLICT')) throw error;
    }
    return topics.get(name);
  }

  /** Letters wait until somebody decides: they are not given up themselves. */
  #deadQueueOptions(of: QueueDefinition): QueueOptions {
    const source = this.registry.topicOf(of.name).definition.config;
    const { recordBytesMax, batchBytesMax } = deadTopicOptions(source);
    return {
      maxDeliveries: 'unlimited',
      deadLetter: NO_DEAD_LETTER,
      priorities: of.config.priorities,
      recordBytesMax,
      batchBytesMax,
    };
  }

  /** A queue that is made by hand for the letters of another is as if the first letter made it. */
  #optionsOf(name: string, options: QueueOptions): QueueOptions {
    const { maxDeliveries, maxFailures, deadLetter, fifo } = options;
    if ((maxDeliveries ?? maxFailures ?? deadLetter) !== undefined) return options;
    const of = this.registry.list().find(({ config }) => config.deadLetter === name);
    if (of === undefined) return options;
    const { priorities, ...letters } = this.#deadQueueOptions(of);
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    return { ...letters, ...(fifo ? {} : { priorities }), ...Object.fromEntries(given) };
  }

  get transactions(): TransactionCoordinator {
    return this.#parts.transactions;
  }

  /** Where messages are redriven to: a queue, or a topic that is none. */
  target(name: string): TriageTarget | undefined {
    const hosted = this.find(name);
    const topic = hosted?.topic ?? this.#parts.topics.find(name);
    if (topic === undefined || isInternalName(name)) return undefined;
    if (hosted === undefined) return { topic };
    return {
      topic,
      sendIn: (transaction, messages) => {
        const { fifo } = hosted.config;
        const fitting = messages.map(({ group, ...message }) =>
          fifo ? { ...message, group } : message,
        );
        // Without the ids of deduplication: these are sent on purpose.
        return hosted.sendIn(bytes, transaction, fitting, []);
      },
    };
  }

  /** Consumers leave, workers stop; then what was sent is stored. Idempotent. */
  async close(): Promise<void> {
    await this.registry.close();
    await Promise.allSettled([...this.#hosted.values()].map((hosted) => hosted.close('closed')));
    await this.#producer?.close();
  }

  async #handle<Output, Input>(
    { name }: QueueDefinition,
    codec: Codec<Output, Input>,
  ): Promise<Queue<Output, Input>> {
    return new Queue(await this.host(name), codec, this);
  }

  async #forget(name: string): Promise<void> {
    const hosted = this.#hosted.get(name);
    this.#hosted.delete(name);
    await hosted?.close('deleted');
  }

  #surroundings(): QueueSurroundings {
    const { environment, shares, transactions, replies, makeProducer } = this.#parts;
    const { clock, newSeed } = environment;
    return {
      clock,
      newSeed,
      replies,
      producer: () => {
        this.#producer ??= makeProducer();
        return this.#producer;
      },
      openGroup: (topic, settings, extras) => shares.open(topic, topic.name, settings, extras),
      openLetters: (queue, group, target) => {
        const { name } = queue;
        const origin = { group: name, topic: name, queue: name };
        const find = (): Promise<HostedTopic | undefined> => {
          return this.deadLetterTarget(target(), queue);
        };
        return new DeadLetterMover({ group, origin, target: find, transactions, clock });
      },
      keepIds: (topic, log, partition, end) =>
        this.#parts.deduplications.of(topic).keep(log, partition, end),
      openDelays: (queue, mayMake) => this.#openDelays(queue, mayMake),
      deadQueue: (name) => this.#deadQueue(name),
    };
  }

  async #openDelays(queue: QueueDefinition, mayMake: boolean): Promise<OpenDelays | undefined> {
    const { topics, transactions, environment } = this.#parts;
    const name = delayedTopicName(queue.name);
    if (!mayMake && topics.find(name) === undefined) return undefined;
    const options = delayedTopicOptions(queue.config);
    const topic = await topics.declareInternal(name, options, queue.name);
    const target = this.registry.topicOf(queue.name);
    const { clock } = environment;
    const delays = await DelayedMessages.open({
      queue: queue.name,
      topic,
      target,
      transactions,
      clock,
      deleting: (log, end) => this.#parts.deduplications.of(target).keep(log, WAITS, end),
    });
    return { delays, topic };
  }

  #deadQueue(name: string): { unfinished(): Promise<number> } | undefined {
    const hosted = this.find(name);
    if (hosted === undefined) return undefined;
    return {
      unfinished: async () => {
        const { group } = await hosted.messages();
        await group.catchUp();
        return group.unfinished();
      },
    };
  }
}
