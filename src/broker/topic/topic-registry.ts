/**
 * The topics of a broker: their definitions in a state log, and what is made of them.
 *
 * Every change is one durable definition, written before anything follows from it, one change at a
 * time:
 *
 *     create   active          folders come into being when a partition is first used
 *     alter    active          open logs are altered after it, the others when they are opened
 *     grow     active          the new partitions can be used after it
 *     delete   deleting        the topic is unknown from here on; its logs are closed and removed
 *              (none)          when the last folder is durably gone
 *
 * So a crash at any point leaves the old topic or the new one, or a deletion that open finishes.
 * Topics of the broker's own belong to another one, and go with it: one append says so of all.
 */

import { isDeepStrictEqual } from 'node:util';
import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Mutex } from '../../base/mutex.js';
import type { LogsFolder } from '../../storage/main.js';
import type { BrokerEnvironment } from '../broker-environment.js';
import type { StateLog } from '../state/state-log.js';
import { HostedTopic, type PartitionWatcher } from './hosted-topic.js';
import {
  decodeTopicDefinition,
  encodeTopicDefinition,
  type TopicDefinition,
} from './topic-definition.js';
import { topicExists, unknownTopic } from './topic-errors.js';
import {
  checkTopicName,
  collidingName,
  collisionKey,
  isInternalName,
  partitionFolder,
} from './topic-name.js';
import {
  alterTopicOptions,
  changedOptions,
  checkDeclared,
  growTopicOptions,
  resolveTopicOptions,
  type TopicConfig,
  type TopicOptions,
} from './topic-options.js';

/** Changes of topics that may wait for their turn. */
const CHANGES_MAX = 10_000;

interface DeletedTopic {
  readonly topic: HostedTopic;
  readonly definition: TopicDefinition;
}

/** Who is told of topics as they change; each is told once the change is durable. */
export interface TopicWatcher extends PartitionWatcher {
  /** Awaited before a topic of this name is made; a failure is that of the making. */
  creating?(topic: string): Promise<void>;
  /** The topic is unknown from here on; its logs are closed next. */
  deleting?(topic: string): void;
  /** The topic was made, or has more partitions. */
  grown?(topic: string): void;
  /** The topic is gone; awaited before its name can be used again. */
  deleted?(topic: string): Promise<void>;
}

export class TopicRegistry {
  readonly #folder: LogsFolder;
  readonly #environment: BrokerEnvironment;
  readonly #definitions: StateLog;
  readonly #topics = new Map<string, HostedTopic>();
  /** Topics whose removal failed in the middle, by name; asking again goes on with it. */
  readonly #deleting = new Map<string, DeletedTopic>();
  /** Names in use, those of topics that are being deleted too, by what they collide as. */
  readonly #names = new Map<string, string>();
  readonly #watchers: TopicWatcher[] = [];
  readonly #changes = new Mutex(CHANGES_MAX + 1);
  #changesPending = 0;
  #isClosed = false;

  private constructor(folder: LogsFolder, definitions: StateLog, environment: BrokerEnvironment) {
    this.#folder = folder;
    this.#definitions = definitions;
    this.#environment = environment;
  }

  /** Loads the definitions and finishes deletions that were cut short. */
  static async load(
    folder: LogsFolder,
    definitions: StateLog,
    environment: BrokerEnvironment,
  ): Promise<TopicRegistry> {
    const registry = new TopicRegistry(folder, definitions, environment);
    const found = new Map<string, TopicDefinition>();
    for await (const { key, value } of definitions.load()) {
      if (value === null) found.delete(key);
      else found.set(key, decodeTopicDefinition(key, value));
    }
    for (const [name, definition] of found) {
      registry.#names.set(collisionKey(name), name);
      if (definition.state === 'active') {
        registry.#topics.set(name, new HostedTopic(folder, definition, registry.#watchers));
      } else {
        await registry.#remove(definition);
      }
    }
    return registry;
  }

  /** Tells of changes, and of partitions that are opened, from now on; in the order of calls. */
  watch(watcher: TopicWatcher): void {
    this.#watchers.push(watcher);
  }

  /** By name; the broker's own are left out. */
  list(): readonly HostedTopic[] {
    return this.all().filter(({ name }) => !isInternalName(name));
  }

  /** By name. */
  all(): readonly HostedTopic[] {
    return [...this.#topics.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  /** The broker's own topics that go with this one. */
  ownedBy(owner: string): readonly HostedTopic[] {
    return this.all().filter((topic) => isOwnedBy(topic, owner));
  }

  /** Throws INVALID_TOPIC_NAME, UNKNOWN_TOPIC. */
  get(name: string): HostedTopic {
    checkTopicName(name);
    const topic = this.#topics.get(name);
    if (topic === undefined) throw unknownTopic(name);
    return topic;
  }

  find(name: string): HostedTopic | undefined {
    return this.#topics.get(name);
  }

  /** The topic when it is there with these options, or made now. Throws TOPIC_CONFLICT. */
  declare(name: string, options: TopicOptions): Promise<HostedTopic> {
    return this.#change(name, async () => {
      const topic = this.#topics.get(name);
      if (topic === undefined) return await this.#create(name, options);
      checkDeclared(topic.definition.config, options, name);
      return topic;
    });
  }

  /** Throws TOPIC_EXISTS. `owner` is the queue that the topic is made for. */
  create(name: string, options: TopicOptions, owner?: string): Promise<HostedTopic> {
    return this.#change(name, () => {
      if (this.#topics.has(name)) throw topicExists(name);
      return this.#create(name, options, owner);
    });
  }

  /**
   * A topic of the broker's own, made or altered to have these options: it is in no list, users
   * cannot name it, and it goes with its owner. Throws UNKNOWN_TOPIC without the owner.
   */
  declareInternal(name: string, options: TopicOptions, owner: string): Promise<HostedTopic> {
    assert(isInternalName(name), 'the name is one of the broker itself');
    return this.#changeAny(name, async () => {
      if (!this.#topics.has(owner)) throw unknownTopic(owner);
      const topic = this.#topics.get(name);
      if (topic === undefined) return await this.#create(name, options, owner);
      if (topic.definition.owner !== owner) throw topicExists(name);
      const { config } = topic.definition;
      const altered = alterTopicOptions(config, changedOptions(config, options), name);
      if (!isDeepStrictEqual(config, altered)) await this.#define(topic, altered);
      return topic;
    });
  }

  /** What a topic has for which nothing is said. */
  defaults(): TopicConfig {
    return resolveTopicOptions({}, 'topic');
  }

  /** Throws what making the topic would reject with, and makes none. */
  checkCreate(name: string, options: TopicOptions): void {
    checkTopicName(name);
    if (this.#topics.has(name) || this.#deleting.has(name)) throw topicExists(name);
    const colliding = this.#names.get(collisionKey(name));
    if (colliding !== undefined && colliding !== name) throw collidingName(name, colliding);
    resolveTopicOptions(options, name);
  }

  alter(name: string, changes: TopicOptions): Promise<void> {
    return this.#redefine(name, (config) => alterTopicOptions(config, changes, name));
  }

  async grow(name: string, partitions: number): Promise<void> {
    await this.#redefine(name, (config) => growTopicOptions(config, partitions, name));
    for (const watcher of this.#watchers) watcher.grown?.(name);
  }

  /** Throws UNKNOWN_TOPIC. A deletion that failed goes on with the next one. */
  delete(name: string): Promise<void> {
    return this.#change(name, async () => {
      const topic = this.#topics.get(name);
      if (topic !== undefined) await this.#beginDeletion([topic, ...this.ownedBy(name)]);
      const deleting = [...this.#deleting.values()].filter(
        (one) => one.definition.name === name || one.definition.owner === name,
      );
      if (deleting.length === 0) throw unknownTopic(name);
      // The owner last: as long as it is there, asking again goes on with the others.
      deleting.sort((one) => (one.definition.name === name ? 1 : -1));
      for (const { topic: closing, definition } of deleting) {
        await closing.close('deleted');
        for (const watcher of this.#watchers) await watcher.deleted?.(definition.name);
        await this.#remove(definition);
        this.#deleting.delete(definition.name);
      }
    });
  }

  /** Ends once the changes that were asked for are through; logs are drained and closed. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#changes.run(() => undefined);
    const closing = [...this.#topics.values()].map((topic) => topic.close('closed'));
    const failed = (await Promise.allSettled(closing)).find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #change<T>(name: string, change: () => T | Promise<T>): Promise<T> {
    checkTopicName(name);
    return await this.#changeAny(name, change);
  }

  async #changeAny<T>(name: string, change: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) throw createError('BROKER_CLOSED', { path: this.#folder.directory });
    if (this.#changesPending === CHANGES_MAX) {
      throw createError('BUFFER_FULL', { topic: name, changes: CHANGES_MAX });
    }
    this.#changesPending += 1;
    try {
      return await this.#changes.run(change);
    } finally {
      this.#changesPending -= 1;
    }
  }

  async #create(name: string, options: TopicOptions, owner?: string): Promise<HostedTopic> {
    const colliding = this.#names.get(collisionKey(name));
    if (colliding !== undefined && colliding !== name) throw collidingName(name, colliding);
    if (this.#deleting.has(name)) throw topicExists(name);
    if (this.#topics.size >= limits.topicsMax) {
      const facts = { expected: `at most ${limits.topicsMax} topics`, actual: this.#topics.size };
      throw createError('OPTION_INVALID', { option: 'topics', ...facts });
    }
    const definition: TopicDefinition = {
      name,
      topicId: this.#environment.storage.newLogId(),
      state: 'active',
      createdMs: this.#environment.clock.nowMs(),
      config: resolveTopicOptions(options, name),
      owner,
    };
    for (const watcher of this.#watchers) await watcher.creating?.(name);
    await this.#store(name, definition);
    const topic = new HostedTopic(this.#folder, definition, this.#watchers);
    this.#topics.set(name, topic);
    this.#names.set(collisionKey(name), name);
    for (const watcher of this.#watchers) watcher.grown?.(name);
    return topic;
  }

  #redefine(name: string, configOf: (config: TopicConfig) => TopicConfig): Promise<void> {
    return this.#change(name, async () => {
      const topic = this.get(name);
      await this.#define(topic, configOf(topic.definition.config));
    });
  }

  async #define(topic: HostedTopic, config: TopicConfig): Promise<void> {
    const definition = { ...topic.definition, config };
    await this.#store(topic.name, definition);
    await topic.follow(definition);
  }

  /** The topics are unknown from here on. */
  async #beginDeletion(topics: readonly HostedTopic[]): Promise<void> {
    const deleting = topics.map((topic): DeletedTopic => {
      return { topic, definition: { ...topic.definition, state: 'deleting' } };
    });
    const entries = deleting.map(({ definition }) => {
      return { key: definition.name, value: encodeTopicDefinition(definition) };
    });
    await this.#definitions.append(entries);
    for (const one of deleting) {
      const { name } = one.definition;
      this.#topics.delete(name);
      this.#deleting.set(name, one);
      for (const watcher of this.#watchers) watcher.deleting?.(name);
    }
  }

  /** Removes the folders, then the definition, each durably. */
  async #remove(definition: TopicDefinition): Promise<void> {
    const { name, config } = definition;
    const folders = Array.from({ length: config.partitions }, (_, partition) =>
      partitionFolder(name, partition),
    );
    await this.#folder.removeLogs(folders);
    await this.#store(name, undefined);
    this.#names.delete(collisionKey(name));
  }

  async #store(key: string, definition: TopicDefinition | undefined): Promise<void> {
    const value = definition === undefined ? null : encodeTopicDefinition(definition);
    await this.#definitions.append([{ key, value }]);
  }
}

/** A queue's own topic belongs to the queue of its name, and is not one of the broker's own. */
function isOwnedBy({ name, definition }: HostedTopic, owner: string): boolean {
  return definition.owner === owner && name !== owner;
}
