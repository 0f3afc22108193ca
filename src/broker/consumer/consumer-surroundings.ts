/**
 * What a consumer needs of its broker.
 */

import type { Clock } from '../../base/clock.js';
import type { GroupCoordinator } from '../group/group-coordinator.js';
import type { GroupTopics } from '../group/group-topics.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { TopicCatalog } from './consumer-topics.js';

/** Who is told of topics, and closed with the broker. */
export interface OpenConsumer {
  noticeTopics(deleted?: string): void;
  close(): Promise<void>;
}

export interface ConsumerSurroundings {
  readonly clock: Clock;
  readonly topics: TopicCatalog & { find(name: string): HostedTopic | undefined };
  readonly groupTopics: GroupTopics;
  coordinator(): Promise<GroupCoordinator>;
  added(consumer: OpenConsumer): void;
  removed(consumer: OpenConsumer): void;
}
