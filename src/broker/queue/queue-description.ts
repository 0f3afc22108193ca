/**
 * What a broker says about a queue: its definition, where it lies, and its statistics.
 */

import { describeTopic, type PartitionDescription } from '../topic/topic-description.js';
import type { HostedQueue } from './hosted-queue.js';
import type { QueueDefinition } from './queue-definition.js';
import type { QueueConfig } from './queue-options.js';
import type { QueueStats } from './queue-stats.js';

export interface QueueSummary {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly options: QueueConfig;
}

export interface QueueDescription extends QueueSummary {
  /** Of its topic, which has the same name. */
  readonly topicId: string;
  /** By priority. */
  readonly partitions: readonly PartitionDescription[];
  readonly stats: QueueStats;
}

export function summarizeQueue({ name, createdMs, config }: QueueDefinition): QueueSummary {
  return { name, createdMs, options: config };
}

export async function describeQueue(queue: HostedQueue): Promise<QueueDescription> {
  const { topicId, partitions } = await describeTopic(queue.topic);
  const stats = await queue.stats();
  return { ...summarizeQueue(queue.definition), topicId, partitions, stats };
}
