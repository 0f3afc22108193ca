/**
 * Which committed offsets go: pure; Kafka's rules.
 *
 *     no members ever (commits by hand)   when the commit is older than the limit
 *     empty                               when the group has been empty, and the commit is older
 *     with members                        when the commit is older and no member subscribes to
 *                                         the topic; nothing when the subscriptions are not known
 *
 * A group that rebalances keeps everything.
 */

import type { GroupState } from './group-state.js';
import type { CommittedOffset } from './offset-entry.js';

export interface ExpiryFacts {
  readonly state: GroupState;
  readonly protocolType: string;
  readonly emptySinceMs: number;
  /** The topics that members subscribe to; undefined when that cannot be read. */
  readonly subscribed: ReadonlySet<string> | undefined;
  readonly offsets: readonly CommittedOffset[];
}

export function expiredOffsets(
  facts: ExpiryFacts,
  nowMs: number,
  retentionMs: number,
): CommittedOffset[] {
  const { state, protocolType, emptySinceMs, subscribed, offsets } = facts;
  const isOld = (sinceMs: number) => nowMs - sinceMs >= retentionMs;
  switch (state) {
    case 'Empty': {
      const sinceMs = protocolType === '' ? 0 : emptySinceMs;
      return offsets.filter(({ committedAtMs }) => isOld(Math.max(sinceMs, committedAtMs)));
    }
    case 'Stable':
      if (subscribed === undefined) return [];
      return offsets.filter(
        ({ topic, committedAtMs }) => !subscribed.has(topic) && isOld(committedAtMs),
      );
    case 'PreparingRebalance':
    case 'CompletingRebalance':
    case 'Dead':
      return [];
  }
}
