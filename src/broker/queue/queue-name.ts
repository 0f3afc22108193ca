/**
 * Names of queues: those of topics, a little shorter, so that the names of internal topics that
 * are made of them have room.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { checkTopicName } from '../topic/topic-name.js';

/** Throws INVALID_TOPIC_NAME. */
export function checkQueueName(name: unknown): asserts name is string {
  checkTopicName(name);
  const max = limits.queueNameMax;
  if (name.length <= max) return;
  const reason = `the name of a queue has at most ${max} letters`;
  throw createError('INVALID_TOPIC_NAME', { topic: name.slice(0, 64), reason });
}
