/**
 * Names of topics: Kafka's rule, and the folders of their partitions.
 *
 * Two names that differ only in `.` and `_` are one to Kafka's metrics, which it warns of; here the
 * second one is refused. Names that begin with two underscores are the broker's own.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';

const NAME = /^[a-zA-Z0-9._-]+$/;
const INTERNAL_PREFIX = '__';

/** Throws INVALID_TOPIC_NAME. */
export function checkTopicName(name: unknown): asserts name is string {
  const reason = refusalOf(name);
  if (reason !== undefined) throw invalidName(name, reason);
}

/** Whether topics of this name are the broker's own, which users do not see. */
export function isInternalName(name: string): boolean {
  return name.startsWith(INTERNAL_PREFIX);
}

/** Equal for names that Kafka's metrics take for one. */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_');
}

export function collidingName(name: string, other: string): Error {
  return invalidName(name, `it differs from ${other} only in . and _`);
}

/** The folder of a partition, as Kafka names it. */
export function partitionFolder(topic: string, partition: number): string {
  return `${topic}-${partition}`;
}

/** The folder of a log of the broker's own. */
export function internalFolder(name: string): string {
  return `${INTERNAL_PREFIX}${name}-0`;
}

function refusalOf(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'it is no text';
  if (name === '') return 'it is empty';
  if (name.length > limits.topicNameMax) return `it has more than ${limits.topicNameMax} letters`;
  if (!NAME.test(name)) return 'it has other letters than a-z, A-Z, 0-9, ., _ and -';
  if (name === '.' || name === '..') return 'it means a folder';
  if (isInternalName(name)) return `names with ${INTERNAL_PREFIX} are the broker's own`;
  return undefined;
}

function invalidName(name: unknown, reason: string): Error {
  return createError('INVALID_TOPIC_NAME', {
    topic: String(name).slice(0, 64),
    reason,
    kafka: 'INVALID_TOPIC_EXCEPTION',
  });
}
