/**
 * Errors about topics, each with the name that Kafka gives it.
 */

import { createError, type MillraceError } from '../../base/errors.js';

export function unknownTopic(topic: string): MillraceError {
  return createError('UNKNOWN_TOPIC', { topic, kafka: 'UNKNOWN_TOPIC_OR_PARTITION' });
}

export function unknownPartition(
  topic: string,
  partition: unknown,
  partitions: number,
): MillraceError {
  return createError('UNKNOWN_PARTITION', {
    topic,
    expected: `0 to ${partitions - 1}`,
    actual: String(partition).slice(0, 64),
    kafka: 'UNKNOWN_TOPIC_OR_PARTITION',
  });
}

export function topicExists(topic: string): MillraceError {
  return createError('TOPIC_EXISTS', { topic, kafka: 'TOPIC_ALREADY_EXISTS' });
}
