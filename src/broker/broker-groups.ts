/**
 * The groups of a broker: the coordinator over its topics, made when somebody needs it.
 *
 * A folder in which no group ever was has no log of offsets; the first one makes it. Where there
 * is one it is loaded with the broker, so that every log that is opened learns which of its
 * records groups have done with.
 */

import type { BrokerEnvironment } from './broker-environment.js';
import { GroupCoordinator } from './group/group-coordinator.js';
import { groupDiagnostics } from './group/group-diagnostics.js';
import type { GroupOptions } from './group/group-options.js';
import type { GroupTopics, TopicPartition } from './group/group-topics.js';
import type { OpenStates } from './state/open-states.js';
import type { PartitionLog } from './topic/partition-log.js';
import { internalFolder } from './topic/topic-name.js';
import type { TopicRegistry, TopicWatcher } from './topic/topic-registry.js';

const OFFSETS = internalFolder('offsets');

export interface BrokerGroupsParts {
  readonly registry: TopicRegistry;
  readonly states: OpenStates;
  readonly environment: BrokerEnvironment;
  readonly options: GroupOptions;
}

export class BrokerGroups implements TopicWatcher {
  readonly topics: GroupTopics;
  readonly #parts: BrokerGroupsParts;
  #opening: Promise<GroupCoordinator> | undefined;
  #current: GroupCoordinator | undefined;
  /** Offsets of topics that are gone could not be removed yet. */
  #hasMissing = false;

  /** `names`: what lies in the broker's folder. */
  static async open(parts: BrokerGroupsParts, names: readonly string[]): Promise<BrokerGroups> {
    const groups = new BrokerGroups(parts);
    parts.registry.watch(groups);
    if (names.includes(OFFSETS)) await groups.coordinator();
    return groups;
  }

  private constructor(parts: BrokerGroupsParts) {
    this.#parts = parts;
    this.topics = groupTopics(parts.registry);
  }

  /** Undefined while there was never a group. */
  get current(): GroupCoordinator | undefined {
    return this.#current;
  }

  /** Throws what opening the log of offsets throws; the next call tries again. */
  coordinator(): Promise<GroupCoordinator> {
    if (this.#opening === undefined) {
      this.#opening = this.#open();
      this.#opening.catch(() => {
        this.#opening = undefined;
      });
    }
    return this.#opening;
  }

  opened(topic: string, partition: number, log: PartitionLog): void {
    for (const { group, offset } of this.#current?.committedAt({ topic, partition }) ?? []) {
      log.reportOffset(group, offset);
    }
  }

  /** Offsets of an earlier topic of this name would be taken for its own. */
  async creating(): Promise<void> {
    const coordinator = this.#current;
    if (coordinator === undefined || !this.#hasMissing) return;
    await coordinator.forgetMissing();
    this.#hasMissing = false;
  }

  grown(topic: string): void {
    this.#current?.noticeTopics([topic]);
  }

  async deleted(topic: string): Promise<void> {
    const coordinator = await this.#opening?.catch(() => undefined);
    await coordinator?.forgetTopic(topic);
  }

  /** Whoever waits is refused. Idempotent. */
  async close(): Promise<void> {
    const coordinator = await this.#opening?.catch(() => undefined);
    await coordinator?.close();
  }

  async #open(): Promise<GroupCoordinator> {
    const { states, environment, options } = this.#parts;
    const { clock, storage } = environment;
    const stateLog = await states.open(OFFSETS);
    const newId = () => storage.newLogId();
    const coordinator = await GroupCoordinator.open(
      { clock, stateLog, topics: this.topics, newId },
      options,
    );
    try {
      await coordinator.forgetMissing();
    } catch (cause) {
      // A full disk is no reason not to open: it is done before a topic is made.
      this.#hasMissing = true;
      groupDiagnostics.upkeepFailed.publish({ task: 'forget', cause });
    }
    this.#current = coordinator;
    return coordinator;
  }
}

function groupTopics(registry: TopicRegistry): GroupTopics {
  return {
    *names() {
      for (const { name } of registry.all()) yield name;
    },
    find: (topic) => {
      const hosted = registry.find(topic);
      if (hosted === undefined) return undefined;
      return { topicId: hosted.definition.topicId, partitionCount: hosted.partitions };
    },
    partitionCount: (topic) => registry.find(topic)?.partitions,
    partition: async (topic, partition) => {
      const hosted = registry.find(topic);
      if (hosted === undefined || partition >= hosted.partitions) return undefined;
      return await hosted.partition(partition);
    },
    onCommitted: (group: string, { topic, partition }: TopicPartition, offset) => {
      registry.find(topic)?.openPartition(partition)?.reportOffset(group, offset);
    },
  };
}
