/**
 * What is told about groups: plain values, for people and for programs.
 */

import type { EpochGroupState } from './epoch-group.js';
import type { Group } from './group.js';
import { lagOf } from './group-lag.js';
import type { GroupConfig } from './group-options.js';
import { CONSUMER_PROTOCOL } from './group-requests.js';
import type { GroupState } from './group-state.js';
import { decodeAssignment } from './group-subscription-format.js';
import { topicsOf } from './group-subscriptions.js';
import type { GroupPartition, TopicPartition } from './group-topics.js';
import type { CommittedOffset } from './offset-entry.js';

export interface GroupListing {
  readonly groupId: string;
  readonly state: GroupState | EpochGroupState;
  /** Of the classic protocol, or of the newer one, whose members have epochs. */
  readonly type: 'classic' | 'consumer';
  /** Empty when nobody ever joined: its offsets were committed by hand. */
  readonly protocolType: string;
  readonly members: number;
}

export interface MemberDescription {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly clientId: string | undefined;
  readonly clientHost: string | undefined;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  /** Undefined when the metadata are not a subscription. */
  readonly topics: readonly string[] | undefined;
  /** Of the current generation; undefined when it cannot be read. */
  readonly partitions: readonly TopicPartition[] | undefined;
}

export interface GroupPartitionDescription extends TopicPartition {
  /** The member that owns it, if one does. */
  readonly memberId: string | undefined;
  readonly committedOffset: number | undefined;
  readonly metadata: string;
  /** Bounds of the log; undefined when the partition is gone. */
  readonly startOffset: number | undefined;
  readonly endOffset: number | undefined;
  /** Undefined without a commit, and without a log. */
  readonly lag: number | undefined;
}

export interface GroupDescription extends GroupListing {
  readonly generation: number;
  /** The assignor in use; empty without members. */
  readonly protocol: string;
  readonly leaderId: string;
  readonly memberList: readonly MemberDescription[];
  /** Every partition with a commit or an owner. */
  readonly partitions: readonly GroupPartitionDescription[];
  /** The sum of the lags that are known. */
  readonly lag: number;
}

export function listGroup(group: Group): GroupListing {
  const { groupId, protocolType, size, epochs } = group;
  const state = epochs?.state ?? group.state;
  const type = epochs === undefined ? 'classic' : 'consumer';
  return { groupId, state, type, protocolType, members: size };
}

export function describeMembers(
  group: Group,
  { groupConsumerSessionTimeoutMs: sessionTimeoutMs }: GroupConfig,
): MemberDescription[] {
  const { epochs } = group;
  if (epochs !== undefined) {
    return epochs.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      topics: member.topics,
      partitions: [...member.state.assigned.values()].map(({ at: { topic, partition } }) => {
        return { topic, partition };
      }),
    }));
  }
  return group.members.map((member) => {
    const { memberId, instanceId, request, assignment } = member;
    const { clientId, clientHost, sessionTimeoutMs, rebalanceTimeoutMs } = request;
    const isConsumer = group.protocolType === CONSUMER_PROTOCOL;
    return {
      memberId,
      instanceId,
      clientId,
      clientHost,
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      topics: topicsOf(group, member),
      partitions: isConsumer ? decodeAssignment(assignment) : undefined,
    };
  });
}

export function describePartition(
  at: TopicPartition,
  memberId: string | undefined,
  committed: CommittedOffset | undefined,
  log: GroupPartition | undefined,
): GroupPartitionDescription {
  const { topic, partition } = at;
  const startOffset = log?.startOffset;
  const endOffset = log?.durableOffset;
  const committedOffset = committed?.offset;
  const isKnown = startOffset !== undefined && endOffset !== undefined;
  const lag = isKnown ? lagOf({ committed: committedOffset, startOffset, endOffset }) : undefined;
  const metadata = committed?.metadata ?? '';
  return { topic, partition, memberId, committedOffset, metadata, startOffset, endOffset, lag };
}
