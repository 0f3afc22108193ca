/**
 * The topics of the model: which there are, in which life; what is asked for about them.
 *
 * A topic that was made is there with its partitions until somebody asks for its deletion, and one
 * whose deletion was answered never comes back.
 */

import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import type { HostedTopic } from '../../src/broker/topic/hosted-topic.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import type { TopicSummary } from '../../src/broker/topic/topic-description.js';
import type { GroupLedger } from './model-group.js';
import { type PartitionLedger, rule, type SentRecord, TopicLedger } from './model-ledger.js';
import type { Death } from './model-life.js';
import { readCommitted, readWhole } from './model-logs.js';
import type { ModelWorld } from './model-world.js';

const PARTITIONS_MAX = 5;
/** Small segments, so that there are many. */
const SEGMENT_BYTES = 4096;
/** Where workers put what cannot be processed; nobody else uses it. */
export const DEAD_TOPIC = 'dead';

const expected: readonly ErrorCode[] = ['TOPIC_EXISTS', 'UNKNOWN_TOPIC', 'OPTION_INVALID'];

export class ModelTopics {
  readonly #world: ModelWorld;
  /** By topic id. */
  readonly #ledgers = new Map<string, TopicLedger>();
  readonly #hosted = new Map<TopicLedger, HostedTopic>();
  /** Names of topics that are changed; once for each change. */
  #changing: string[] = [];

  constructor(world: ModelWorld) {
    this.#world = world;
  }

  /** Those that the broker has now, but for the dead letters. */
  get all(): TopicLedger[] {
    const summaries = this.#world.life.broker.listTopics();
    return summaries.filter(({ name }) => name !== DEAD_TOPIC).map((one) => this.#ledgerOf(one));
  }

  get names(): string[] {
    return this.all.map(({ name }) => name);
  }

  /** Changes that have no answer yet. */
  get changing(): number {
    return this.#changing.length;
  }

  summaryOf(topic: TopicLedger): TopicSummary {
    const found = this.#world.life.broker.listTopics().find(({ name }) => name === topic.name);
    rule(found !== undefined, `${topic.name} is there`);
    return found;
  }

  /** The topic in this life, once it is known to be there; a deleted one refuses. */
  hosted(topic: TopicLedger): HostedTopic | undefined {
    return this.#hosted.get(topic);
  }

  /** Whose log that is; undefined when it was closed. */
  partitionOf(name: string, partition: number, log: PartitionLog): PartitionLedger | undefined {
    for (const [topic, hosted] of this.#hosted) {
      if (topic.name !== name || hosted.openPartition(partition) !== log) continue;
      return topic.partition(partition);
    }
    return undefined;
  }

  /** The partition that has this name now. */
  partitionAt(name: string, partition: number): PartitionLedger | undefined {
    return this.all.find((topic) => topic.name === name)?.partition(partition);
  }

  /** The partition that a record was sent to, when it is this one of its topic. */
  partitionOfRecord(id: string, partition: number): PartitionLedger | undefined {
    for (const topic of this.#ledgers.values()) {
      if (topic.sent.has(id)) return topic.partition(partition);
    }
    return undefined;
  }

  recordOf(id: string): SentRecord | undefined {
    for (const { sent } of this.#ledgers.values()) {
      const record = sent.get(id);
      if (record !== undefined) return record;
    }
    return undefined;
  }

  // ---- What is asked for.

  create(name: string, partitions: number): void {
    this.#change(name, this.createNow(name, partitions));
  }

  async createNow(name: string, partitions: number): Promise<void> {
    const { life } = this.#world;
    const options = { partitions, segmentBytes: SEGMENT_BYTES, indexIntervalBytes: 0 };
    const { hosted } = await life.broker.createTopic(name, options);
    if (life.isOver) return;
    const ledger = this.#ledgerOf(hosted.definition);
    this.#hosted.set(ledger, hosted);
    ledger.partitionsAnswered = Math.max(ledger.partitionsAnswered, partitions);
    this.#world.created(ledger);
  }

  grow(topic: TopicLedger, by: number): void {
    if (this.#changing.includes(topic.name)) return;
    const { partitionCount } = this.summaryOf(topic);
    const count = Math.min(PARTITIONS_MAX, partitionCount + by);
    if (count === partitionCount) return;
    const { life } = this.#world;
    const grown = life.broker.growTopic(topic.name, count).then(() => {
      if (!life.isOver) topic.partitionsAnswered = Math.max(topic.partitionsAnswered, count);
    });
    this.#change(topic.name, grown);
  }

  delete(topic: TopicLedger): void {
    // A name may get another topic behind what is under way.
    if (this.#changing.includes(topic.name)) return;
    const { life } = this.#world;
    topic.isDoomed = true;
    const deleted = life.broker.deleteTopic(topic.name).then(() => {
      if (!life.isOver) topic.isDeleted = true;
    });
    this.#change(topic.name, deleted);
  }

  // ---- What is checked.

  /** Another process has the folder. */
  async beginLife(): Promise<void> {
    this.#changing = [];
    this.#hosted.clear();
    for (const topic of this.all) {
      const { hosted } = await this.#world.life.broker.topic(topic.name);
      this.#hosted.set(topic, hosted);
    }
  }

  check(): void {
    const found = new Set(this.all);
    for (const topic of this.#ledgers.values()) {
      const about = `${topic.name}(${topic.incarnation})`;
      if (topic.isDeleted) rule(!found.has(topic), `${about} was deleted`);
      else if (found.has(topic)) {
        const { partitionCount } = this.summaryOf(topic);
        rule(partitionCount >= topic.partitionsAnswered, `${about} has its partitions`);
        topic.isDoomed = this.#changing.includes(topic.name);
      } else {
        rule(topic.isDoomed || topic.partitionsAnswered === 0, `${about} is there`);
        topic.isDeleted = true;
      }
    }
  }

  /** Checks every log; says which records can be seen by readers of committed ones. */
  async checkLogs(
    after: Death | 'nothing',
    groups: readonly GroupLedger[],
  ): Promise<Map<TopicLedger, Set<string>>> {
    const visible = new Map<TopicLedger, Set<string>>();
    for (const topic of this.all) {
      const hosted = this.hosted(topic);
      if (hosted === undefined) continue;
      const seen = new Set<string>();
      visible.set(topic, seen);
      const used = await hosted.usedPartitions();
      for (let at = 0; at < hosted.partitions; at += 1) {
        const log = used.has(at) ? await hosted.partition(at) : undefined;
        const ids = log === undefined ? [] : await readWhole(log);
        const partition = topic.partition(at);
        partition.check(ids, after, log?.durableOffset ?? 0);
        for (const group of groups) group.cut(partition, ids.length);
        for (const id of log === undefined ? [] : await readCommitted(log)) seen.add(id);
      }
      checkPlain(topic, seen);
    }
    return visible;
  }

  #change(name: string, change: Promise<void>): void {
    const { life } = this.#world;
    const changing = this.#changing;
    changing.push(name);
    const ended = (): void => {
      changing.splice(changing.indexOf(name), 1);
    };
    change.then(ended, (error: unknown) => {
      ended();
      if (life.isOver || expected.some((code) => hasCode(error, code))) return;
      this.#world.fail('a change of a topic failed', error);
    });
  }

  #ledgerOf({ name, topicId }: Pick<TopicSummary, 'name' | 'topicId'>): TopicLedger {
    let ledger = this.#ledgers.get(topicId);
    if (ledger === undefined) {
      ledger = new TopicLedger(name, this.#ledgers.size);
      this.#ledgers.set(topicId, ledger);
    }
    return ledger;
  }
}

/** Nobody has a transaction open: what was sent without one is seen, as far as it is there. */
function checkPlain(topic: TopicLedger, visible: ReadonlySet<string>): void {
  for (const { id, transaction } of topic.sent.values()) {
    if (transaction !== undefined || !topic.homes.has(id)) continue;
    rule(visible.has(id), `${topic.name}: ${id} is there, and readers do not see it`);
  }
}
