/**
 * The queues of a broker: their definitions in a state log, and their topics.
 *
 * One change at a time; each is durable when it resolves. What a crash cuts short, opening finishes
 * or undoes (`queue-recovery.ts`). The log is made by the first queue.
 */

import type { Clock } from '../../base/clock.js';
import { createError, hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Mutex } from '../../base/mutex.js';
import type { StateLog } from '../state/state-log.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { TopicRegistry } from '../topic/topic-registry.js';
import {
  decodeQueueDefinition,
  encodeQueueDefinition,
  type QueueDefinition,
} from './queue-definition.js';
import { notAQueue, queueExists, topicOfQueue, unknownQueue } from './queue-errors.js';
import { checkQueueName } from './queue-name.js';
import {
  alteredTopicOptions,
  alterQueueOptions,
  checkDeclaredQueue,
  type QueueOptions,
  resolveQueueOptions,
  topicOptionsOfQueue,
} from './queue-options.js';
import { queueRecoveryTable, type TopicFound } from './queue-recovery.js';

/** Changes of queues that may wait for their turn. */
const CHANGES_MAX = 10_000;

export interface QueueRegistryParts {
  readonly topics: TopicRegistry;
  readonly clock: Clock;
  /** The log of definitions, made when it is absent. */
  readonly openState: () => Promise<StateLog>;
  /** The delivery states of these topics are needed no more. */
  readonly forget: (topicIds: readonly string[]) => Promise<void>;
}

/** Who has queues open. */
export interface QueueWatcher {
  altered(definition: QueueDefinition): void;
  /** Awaited before the topic is deleted: nobody uses the queue from here on. */
  deleting(name: string): Promise<void>;
}

export class QueueRegistry {
  readonly #parts: QueueRegistryParts;
  readonly #queues = new Map<string, QueueDefinition>();
  /** Queues whose deletion failed in the middle; asking again goes on with it. */
  readonly #deleting = new Map<string, QueueDefinition>();
  readonly #changes = new Mutex(CHANGES_MAX + 1);
  #watcher: QueueWatcher | undefined;
  #changesPending = 0;
  #isClosed = false;

  private constructor(parts: QueueRegistryParts) {
    this.#parts = parts;
  }

  /** Loads the definitions when there are some, and settles what was cut short. */
  static async load(parts: QueueRegistryParts, hasState: boolean): Promise<QueueRegistry> {
    const registry = new QueueRegistry(parts);
    if (!hasState) return registry;
    const found = new Map<string, QueueDefinition>();
    for await (const { key, value } of (await parts.openState()).load()) {
      if (value === null) found.delete(key);
      else found.set(key, decodeQueueDefinition(key, value));
    }
    for (const definition of found.values()) await registry.#recover(definition);
    return registry;
  }

  watch(watcher: QueueWatcher): void {
    this.#watcher = watcher;
  }

  /** By name. */
  list(): readonly QueueDefinition[] {
    return [...this.#queues.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  find(name: string): QueueDefinition | undefined {
    return this.#queues.get(name);
  }

  /** Throws INVALID_TOPIC_NAME, UNKNOWN_QUEUE. */
  get(name: string): QueueDefinition {
    checkQueueName(name);
    const definition = this.#queues.get(name);
    if (definition === undefined) throw unknownQueue(name);
    return definition;
  }

  /** The topic of a queue that is there. */
  topicOf(name: string): HostedTopic {
    const topic = this.#parts.topics.find(name);
    if (topic === undefined) throw unknownQueue(name);
    return topic;
  }

  /** Throws QUEUE_CONFLICT when the topic of this name is a queue's: only the queue changes it. */
  checkNoQueue(topic: string): void {
    if (this.#parts.topics.find(topic)?.definition.owner === topic) throw topicOfQueue(topic);
  }

  /** The queue when it is there with these options, or made now. Throws QUEUE_CONFLICT. */
  declare(name: string, options: QueueOptions): Promise<QueueDefinition> {
    return this.#change(name, async () => {
      const definition = this.#queues.get(name);
      if (definition === undefined) return await this.#create(name, options);
      checkDeclaredQueue(name, definition.config, options);
      return definition;
    });
  }

  /** Throws QUEUE_EXISTS. */
  create(name: string, options: QueueOptions): Promise<QueueDefinition> {
    return this.#change(name, () => {
      if (this.#queues.has(name)) throw queueExists(name);
      return this.#create(name, options);
    });
  }

  alter(name: string, changes: QueueOptions): Promise<QueueDefinition> {
    return this.#change(name, async () => {
      const before = this.get(name);
      const config = alterQueueOptions(name, before.config, changes);
      const after: QueueDefinition = { ...before, config };
      await this.#store(name, after);
      // A priority is there before anybody may use it. When it cannot be made now, nobody sees the
      // change before it is asked for again, or the next open carries it out.
      await this.#follow(after);
      this.#queues.set(name, after);
      this.#watcher?.altered(after);
      return after;
    });
  }

  /** Throws UNKNOWN_QUEUE. A deletion that failed goes on with the next one. */
  async delete(name: string): Promise<void> {
    await this.#change(name, async () => {
      const definition = this.#queues.get(name);
      if (definition !== undefined) await this.#beginDeletion(definition);
      else if (!this.#deleting.has(name)) throw unknownQueue(name);
    });
    // Between two changes: whoever is to end may be waiting for one.
    await this.#watcher?.deleting(name);
    await this.#change(name, async () => {
      const deleting = this.#deleting.get(name);
      if (deleting !== undefined) await this.#finishDeletion(deleting);
    });
  }

  /** Ends once the changes that were asked for are through. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changes.run(() => undefined);
  }

  async #change<T>(name: string, change: () => T | Promise<T>): Promise<T> {
    checkQueueName(name);
    if (this.#isClosed) throw createError('BROKER_CLOSED', { queue: name });
    if (this.#changesPending === CHANGES_MAX) {
      throw createError('BUFFER_FULL', { queue: name, changes: CHANGES_MAX });
    }
    this.#changesPending += 1;
    try {
      return await this.#changes.run(change);
    } finally {
      this.#changesPending -= 1;
    }
  }

  async #create(name: string, options: QueueOptions): Promise<QueueDefinition> {
    const config = resolveQueueOptions(name, options);
    const { topics, clock } = this.#parts;
    if (this.#deleting.has(name)) throw queueExists(name);
    if (topics.find(name) !== undefined) throw notAQueue(name);
    if (this.#queues.size >= limits.queuesMax) {
      throw createError('QUEUES_FULL', { expected: `at most ${limits.queuesMax} queues` });
    }
    const createdMs = clock.nowMs();
    const creating: QueueDefinition = { name, state: 'creating', createdMs, config, topicIds: [] };
    await this.#store(name, creating);
    try {
      await topics.create(name, topicOptionsOfQueue(config), name);
    } catch (error) {
      await this.#store(name, undefined);
      throw hasCode(error, 'TOPIC_EXISTS') ? notAQueue(name) : error;
    }
    return await this.#activate(creating);
  }

  async #activate(creating: QueueDefinition): Promise<QueueDefinition> {
    const definition: QueueDefinition = { ...creating, state: 'active' };
    await this.#store(definition.name, definition);
    this.#queues.set(definition.name, definition);
    return definition;
  }

  /** The topic gets the options that the definition says. */
  async #follow({ name, config }: QueueDefinition): Promise<void> {
    const { topics } = this.#parts;
    const topic = this.topicOf(name);
    const changes = alteredTopicOptions(topic.definition.config, config);
    if (Object.keys(changes).length > 0) await topics.alter(name, changes);
    if (topic.partitions < config.priorities) await topics.grow(name, config.priorities);
  }

  async #beginDeletion(definition: QueueDefinition): Promise<void> {
    const { name } = definition;
    const { topics } = this.#parts;
    const gone = [this.topicOf(name), ...topics.ownedBy(name)];
    const topicIds = gone.map((topic) => topic.definition.topicId);
    const deleting: QueueDefinition = { ...definition, state: 'deleting', topicIds };
    await this.#store(name, deleting);
    this.#queues.delete(name);
    this.#deleting.set(name, deleting);
  }

  async #finishDeletion({ name, topicIds }: QueueDefinition): Promise<void> {
    const { topics, forget } = this.#parts;
    try {
      await topics.delete(name);
    } catch (error) {
      if (!hasCode(error, 'UNKNOWN_TOPIC')) throw error;
    }
    await forget(topicIds);
    await this.#store(name, undefined);
    this.#deleting.delete(name);
  }

  async #recover(definition: QueueDefinition): Promise<void> {
    const { name, state } = definition;
    const found = this.#topicFound(name);
    switch (queueRecoveryTable[state][found]) {
      case 'keep':
        this.#queues.set(name, definition);
        return await this.#follow(definition);
      case 'activate':
        await this.#activate(definition);
        return;
      case 'undo':
        return await this.#store(name, undefined);
      case 'delete':
        if (found === 'own') return await this.#finishDeletion(definition);
        await this.#parts.forget(definition.topicIds);
        return await this.#store(name, undefined);
      case 'corrupt':
        throw createError('LOG_CORRUPT', { queue: name, expected: 'the topic of the queue' });
    }
  }

  #topicFound(name: string): TopicFound {
    const topic = this.#parts.topics.find(name);
    if (topic === undefined) return 'absent';
    return topic.definition.owner === name ? 'own' : 'other';
  }

  async #store(key: string, definition: QueueDefinition | undefined): Promise<void> {
    const state = await this.#parts.openState();
    const value = definition === undefined ? null : encodeQueueDefinition(definition);
    await state.append([{ key, value }]);
  }
}
