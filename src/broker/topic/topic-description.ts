/**
 * What a broker says about a topic: its definition, and where its partitions begin and end.
 */

import type { HostedTopic } from './hosted-topic.js';
import type { TopicConfig } from './topic-options.js';

export interface TopicSummary {
  readonly name: string;
  readonly topicId: string;
  readonly partitionCount: number;
  /** Milliseconds since 1970. */
  readonly createdMs: number;
  readonly options: TopicConfig;
}

export interface PartitionDescription {
  readonly partition: number;
  /** First readable offset. */
  readonly startOffset: number;
  /** Exclusive end of what is on the disk. */
  readonly endOffset: number;
}

export interface TopicDescription extends TopicSummary {
  readonly partitions: readonly PartitionDescription[];
}

export function summarizeTopic(topic: HostedTopic): TopicSummary {
  const { name, topicId, createdMs, config } = topic.definition;
  return { name, topicId, partitionCount: config.partitions, createdMs, options: config };
}

/** Opens the partitions that were ever used and are not open yet, one by one. */
export async function describeTopic(topic: HostedTopic): Promise<TopicDescription> {
  topic.checkOpen();
  const used = await topic.usedPartitions();
  const partitions: PartitionDescription[] = [];
  for (let partition = 0; partition < topic.partitions; partition += 1) {
    partitions.push(await describePartition(topic, partition, used.has(partition)));
  }
  return { ...summarizeTopic(topic), partitions };
}

async function describePartition(
  topic: HostedTopic,
  partition: number,
  isUsed: boolean,
): Promise<PartitionDescription> {
  if (!isUsed) return { partition, startOffset: 0, endOffset: 0 };
  const { startOffset, durableOffset } = await topic.partition(partition);
  return { partition, startOffset, endOffset: durableOffset };
}
