/**
 * From what a request names to the log of a partition.
 */

import { createError } from '../../base/errors.js';
import type { PartitionLog } from '../../broker/main.js';
import type { RequestAccess } from './authorization.js';
import type { KafkaNode } from './kafka-node.js';
import { NO_UUID } from './wire-type.js';

/** A topic by its name or, in newer versions, by its id. */
export interface NamedTopic {
  readonly name: string;
  readonly topicId: string;
}

type Topic = ReturnType<KafkaNode['engine']['topics']['get']>;

/** Throws ACCESS_DENIED, UNKNOWN_TOPIC, INVALID_TOPIC_NAME. */
export function topicOf(
  { engine }: KafkaNode,
  { name, topicId }: NamedTopic,
  access: RequestAccess,
): Topic {
  if (topicId === NO_UUID) {
    access.check('topic', name);
    return engine.topics.get(name);
  }
  const byId = engine.topics.list().find(({ definition }) => definition.topicId === topicId);
  if (byId !== undefined) {
    access.check('topic', byId.name);
    return byId;
  }
  throw createError('UNKNOWN_TOPIC', { topicId, kafka: 'UNKNOWN_TOPIC_ID' });
}

/**
 * The log: at once when it is open, so that what is asked of it goes in the order of the requests;
 * else as soon as it is. Throws, and rejects with, UNKNOWN_TOPIC, UNKNOWN_PARTITION, and what
 * opening a log throws.
 */
export function partitionOf(topic: Topic, partition: number): PartitionLog | Promise<PartitionLog> {
  topic.checkOpen();
  topic.checkPartition(partition);
  return topic.openPartition(partition) ?? topic.partition(partition);
}
