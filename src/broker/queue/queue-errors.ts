/**
 * Errors about queues and their topics, in one place each.
 */

import { createError, type MillraceError } from '../../base/errors.js';

export function unknownQueue(queue: string): MillraceError {
  return createError('UNKNOWN_QUEUE', { queue: queue.slice(0, 64) });
}

export function queueExists(queue: string): MillraceError {
  return createError('QUEUE_EXISTS', { queue });
}

/** The name is taken by a topic that is no queue's. */
export function notAQueue(queue: string): MillraceError {
  const facts = { expected: 'a queue', actual: 'a topic that is no queue' };
  return createError('QUEUE_CONFLICT', { queue, option: 'name', ...facts });
}

/** What is asked of the topic is the queue's to do. */
export function topicOfQueue(topic: string): MillraceError {
  const message = 'the topic belongs to a queue, which alone changes it';
  return createError('QUEUE_CONFLICT', { message, queue: topic });
}
