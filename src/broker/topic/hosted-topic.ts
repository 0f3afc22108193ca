/**
 * A topic in an open broker: its definition as it is now, and the logs of its partitions.
 *
 * A log is opened when it is first used and stays open until the topic or the broker is closed.
 * The definition is the truth: a log that remembers other options, because a crash came between
 * the two, is altered when it is opened.
 */

import { assert } from '../../base/assert.js';
import { createError, hasCode } from '../../base/errors.js';
import type { Log, LogOptions, LogsFolder } from '../../storage/main.js';
import { embedPartitionLog, type PartitionLog } from './partition-log.js';
import type { TopicDefinition } from './topic-definition.js';
import { unknownPartition, unknownTopic } from './topic-errors.js';
import { partitionFolder } from './topic-name.js';
import { logOptionsOf, rememberedLogOptions } from './topic-options.js';

/** Who is told of the partitions of topics. */
export interface PartitionWatcher {
  /** Awaited before anybody else gets the log; a failure is that of the opening. */
  opening?(topic: string, partition: number, log: PartitionLog): Promise<void>;
  /** The log can be used from here on. */
  opened?(topic: string, partition: number, log: PartitionLog): void;
}

interface HostedPartition {
  readonly log: Log;
  readonly partition: PartitionLog;
}

export class HostedTopic {
  readonly #folder: LogsFolder;
  readonly #watchers: readonly PartitionWatcher[];
  #definition: TopicDefinition;
  #state: 'open' | 'deleted' | 'closed' = 'open';
  /** By number; absent until somebody asks for it. */
  readonly #opening = new Map<number, Promise<HostedPartition>>();
  readonly #open = new Map<number, PartitionLog>();

  /** `watchers` may gain members later: those hear of what is opened from then on. */
  constructor(
    folder: LogsFolder,
    definition: TopicDefinition,
    watchers: readonly PartitionWatcher[] = [],
  ) {
    assert(definition.state === 'active', 'a topic that is used is not being deleted');
    this.#folder = folder;
    this.#watchers = watchers;
    this.#definition = definition;
  }

  get name(): string {
    return this.#definition.name;
  }

  get definition(): TopicDefinition {
    return this.#definition;
  }

  get partitions(): number {
    return this.#definition.config.partitions;
  }

  get isDeleted(): boolean {
    return this.#state === 'deleted';
  }

  /** The log of a partition when it is open. */
  openPartition(partition: number): PartitionLog | undefined {
    return this.#open.get(partition);
  }

  /**
   * The log of a partition, opened now when it is not. Throws UNKNOWN_PARTITION, UNKNOWN_TOPIC once
   * the topic was deleted, BROKER_CLOSED, and what `Log.open` throws.
   */
  async partition(partition: number): Promise<PartitionLog> {
    this.checkOpen();
    this.checkPartition(partition);
    return (await this.#host(partition)).partition;
  }

  /** How much the log of a partition takes on the disk, in bytes. Throws as `partition` does. */
  async partitionBytes(partition: number): Promise<number> {
    this.checkOpen();
    this.checkPartition(partition);
    const { log } = await this.#host(partition);
    return (await log.stats()).bytes;
  }

  /** Partitions that nobody has used have no log yet: they are empty. */
  async usedPartitions(): Promise<ReadonlySet<number>> {
    const names = new Set(await this.#folder.names());
    const used = new Set<number>();
    for (let partition = 0; partition < this.partitions; partition += 1) {
      if (names.has(partitionFolder(this.name, partition))) used.add(partition);
    }
    return used;
  }

  /** Throws UNKNOWN_PARTITION. */
  checkPartition(partition: unknown): asserts partition is number {
    const isKnown = Number.isSafeInteger(partition) && Number(partition) >= 0;
    if (isKnown && Number(partition) < this.partitions) return;
    throw unknownPartition(this.name, partition, this.partitions);
  }

  /** Throws when the topic is not there any more. */
  checkOpen(): void {
    if (this.#state === 'deleted') throw unknownTopic(this.name);
    if (this.#state === 'closed') throw createError('BROKER_CLOSED', { topic: this.name });
  }

  /** The definition has changed, and is durable: logs that are open follow. */
  async follow(definition: TopicDefinition): Promise<void> {
    this.#definition = definition;
    const remembered = rememberedLogOptions(definition.config);
    for (const opening of [...this.#opening.values()]) {
      const hosted = await opening.catch(() => undefined);
      await hosted?.log.alter(remembered);
    }
  }

  /** The topic is gone, or the broker closes: logs are drained and closed, reading loops end. */
  async close(reason: 'deleted' | 'closed'): Promise<void> {
    this.#state = reason;
    const closing = [...this.#opening.values()].map(async (opening) => {
      // A log that could not be opened has told whoever asked for it.
      const hosted = await opening.catch(() => undefined);
      await hosted?.log.close();
    });
    const results = await Promise.allSettled(closing);
    this.#open.clear();
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  #host(partition: number): Promise<HostedPartition> {
    const known = this.#opening.get(partition);
    if (known !== undefined) return known;
    const opening = this.#openLog(partition);
    this.#opening.set(partition, opening);
    opening.catch(() => this.#opening.delete(partition));
    return opening;
  }

  async #openLog(partition: number): Promise<HostedPartition> {
    this.checkOpen();
    const { topicId, config } = this.#definition;
    const name = partitionFolder(this.name, partition);
    const log = await this.#openAltered(name, logOptionsOf(config), topicId);
    const { logId } = log.describe();
    if (logId !== topicId) {
      await log.close();
      const message = 'the folder of the partition belongs to another topic';
      const facts = { topic: this.name, partition, expected: topicId, actual: logId };
      throw createError('TOPIC_CONFLICT', { message, ...facts });
    }
    const embedded = embedPartitionLog(log);
    try {
      for (const watcher of this.#watchers) await watcher.opening?.(this.name, partition, embedded);
    } catch (error) {
      await log.close();
      throw error;
    }
    this.#open.set(partition, embedded);
    for (const watcher of this.#watchers) watcher.opened?.(this.name, partition, embedded);
    return { log, partition: embedded };
  }

  async #openAltered(name: string, options: LogOptions, topicId: string): Promise<Log> {
    try {
      return await this.#folder.openLog(name, options, topicId);
    } catch (error) {
      if (!hasCode(error, 'OPTION_CONFLICT')) throw error;
    }
    const remembered = rememberedLogOptions(this.#definition.config);
    const others = Object.entries(options).filter(([option]) => !(option in remembered));
    const log = await this.#folder.openLog(name, Object.fromEntries(others));
    try {
      await log.alter(remembered);
    } catch (error) {
      await log.close();
      throw error;
    }
    return log;
  }
}
