/**
 * Who says which partitions a consumer has: a group, or the consumer itself.
 */

import type { OffsetToCommit } from '../group/group-commits.js';
import type { TopicPartition } from '../group/group-topics.js';

/** What a source does to its consumer; the calls never overlap. */
export interface AssignmentTarget {
  assign(partitions: readonly TopicPartition[]): Promise<void>;
  /** Gives them up in order; when it resolves they may go to others. */
  revoke(partitions: readonly TopicPartition[]): Promise<void>;
  /** They are somebody else's by now. */
  lose(partitions: readonly TopicPartition[]): Promise<void>;
}

/** Who commits, as a transaction needs it to commit offsets in a member's name. */
export interface ConsumerMember {
  readonly groupId: string;
  readonly memberId: string;
  readonly generation: number;
  readonly instanceId?: string;
}

export interface AssignmentSource {
  /** Whether what the consumer has is its own still. */
  readonly isMember: boolean;
  /** Undefined without a group. */
  readonly member: ConsumerMember | undefined;
  /** What the consumer was told it has, and not to give up since. */
  readonly owned: readonly TopicPartition[];
  /** Resolves after `stop`; rejects with what ended it before. */
  readonly finished: Promise<void>;
  /** The topics that are subscribed to are these now, or have more partitions. */
  setTopics(topics: readonly string[]): void;
  commit(offsets: readonly OffsetToCommit[]): Promise<void>;
  /** Gives up everything. */
  stop(): Promise<void>;
}
