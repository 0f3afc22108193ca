/**
 * What opening a broker does about a queue that a crash has left half made or half deleted.
 *
 * A queue is a definition and a topic, stored one after the other:
 *
 *     create   creating   then the topic          then active
 *     alter    active     with the new options    then the topic follows
 *     delete   deleting   then the topic, with all that goes with it    then nothing
 *
 * The definition is the truth; the topic says by its owner whether it is the queue's.
 */

import type { QueueState } from './queue-definition.js';

/** `other`: a topic of this name that is not the queue's. */
export type TopicFound = 'absent' | 'own' | 'other';

export type QueueRecovery =
  /** The topic follows the definition, where they differ. */
  | 'keep'
  /** The creation is finished. */
  | 'activate'
  /** Nothing of the creation stays. */
  | 'undo'
  /** The deletion is finished. */
  | 'delete'
  /** No history leads here. */
  | 'corrupt';

export const queueRecoveryTable: Readonly<Record<QueueState, Record<TopicFound, QueueRecovery>>> = {
  creating: { absent: 'undo', own: 'activate', other: 'undo' },
  active: { absent: 'corrupt', own: 'keep', other: 'corrupt' },
  deleting: { absent: 'delete', own: 'delete', other: 'delete' },
};
