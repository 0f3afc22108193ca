/**
 * The topic in which the delayed messages of a queue wait: its name, partitions and options.
 *
 *     partition 0   messages, as they were sent, with a header that says when and where they enter
 *     partition 1   pages of the index (`delayed-page.ts`)
 *     partition 2   the state: what is finished, and which runs there are (`delayed-state.ts`)
 *
 * Nothing in it goes by age: what is needed no more is deleted by whoever knows.
 */

import type { TopicOptions } from '../topic/topic-options.js';

export const MESSAGES = 0;
export const PAGES = 1;
export const STATE = 2;

const PREFIX = '__delayed-';
const MIB = 1024 * 1024;
/** The state and the pages need room too, whatever the messages are. */
const BATCH_BYTES_MIN = MIB + 4 * 1024;

export function delayedTopicName(queue: string): string {
  return `${PREFIX}${queue}`;
}

/** `target`: the options of the queue's topic. What fits in there with the header fits here. */
export function delayedTopicOptions(
  target: Pick<TopicOptions, 'recordBytesMax' | 'batchBytesMax' | 'compression'> = {},
): TopicOptions {
  const { recordBytesMax = MIB, batchBytesMax = BATCH_BYTES_MIN, compression } = target;
  return {
    partitions: 3,
    cleanup: 'delete',
    retentionMs: 'unlimited',
    segmentBytes: 16 * MIB,
    recordBytesMax: Math.max(recordBytesMax, MIB),
    batchBytesMax: Math.max(batchBytesMax, BATCH_BYTES_MIN),
    ...(compression === undefined ? {} : { compression }),
  };
}
