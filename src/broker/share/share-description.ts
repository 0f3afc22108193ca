/**
 * A share group on a topic as people and programs see it.
 */

import type { DeliveryCounts } from './share-delivery-options.js';
import type { StateRange } from './share-describe.js';
import type { ShareGroup } from './share-group.js';

/** Ranges that a description of one partition holds at most. */
const RANGES_MAX = 1_000;

export interface SharePartitionDescription {
  readonly partition: number;
  /** Everything below is finished. */
  readonly startOffset: number;
  /** Behind the last offset that the group has looked at. */
  readonly endOffset: number;
  /** Offsets that it has not looked at yet. */
  readonly unread: number;
  readonly counts: DeliveryCounts;
  /** The first 1,000 ranges of one state, from the start offset on. */
  readonly ranges: readonly StateRange[];
}

export interface ShareDescription {
  readonly group: string;
  readonly topic: string;
  /** In this process. */
  readonly members: number;
  /** Messages that are not finished. */
  readonly unfinished: number;
  readonly partitions: readonly SharePartitionDescription[];
}

export function describeShare(group: ShareGroup): ShareDescription {
  return {
    group: group.name,
    topic: group.topic.name,
    members: group.memberCount,
    unfinished: group.unfinished(),
    partitions: group.partitions().map(({ partition, state, feed }) => ({
      partition,
      startOffset: state.startOffset,
      endOffset: state.endOffset,
      unread: feed.unread,
      counts: state.counts(),
      ranges: state.describe(RANGES_MAX),
    })),
  };
}
