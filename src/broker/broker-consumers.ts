/**
 * The consumers of a broker: what they need of it, and who is told when topics change.
 */

import type { Clock } from '../base/clock.js';
import type { BrokerGroups } from './broker-groups.js';
import type { ConsumerSurroundings, OpenConsumer } from './consumer/consumer-surroundings.js';
import type { GroupCoordinator } from './group/group-coordinator.js';
import type { GroupTopics } from './group/group-topics.js';
import type { TopicRegistry, TopicWatcher } from './topic/topic-registry.js';

export class BrokerConsumers implements ConsumerSurroundings, TopicWatcher {
  readonly clock: Clock;
  readonly topics: ConsumerSurroundings['topics'];
  readonly groupTopics: GroupTopics;
  readonly #groups: BrokerGroups;
  readonly #open = new Set<OpenConsumer>();

  constructor(clock: Clock, registry: TopicRegistry, groups: BrokerGroups) {
    this.clock = clock;
    this.#groups = groups;
    this.groupTopics = groups.topics;
    this.topics = {
      names: () => registry.list().map(({ name }) => name),
      has: (name) => registry.find(name) !== undefined,
      find: (name) => registry.find(name),
    };
    registry.watch(this);
  }

  coordinator(): Promise<GroupCoordinator> {
    return this.#groups.coordinator();
  }

  added(consumer: OpenConsumer): void {
    this.#open.add(consumer);
  }

  removed(consumer: OpenConsumer): void {
    this.#open.delete(consumer);
  }

  grown(): void {
    for (const consumer of this.#open) consumer.noticeTopics();
  }

  deleting(topic: string): void {
    for (const consumer of this.#open) consumer.noticeTopics(topic);
  }

  /** Resolves when all have committed what they do by themselves, and have left their groups. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((consumer) => consumer.close()));
  }
}
