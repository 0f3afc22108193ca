/**
 * The orders that assignors share, so that every leader comes to the same result.
 *
 * Members are ordered by instance id where they have one, else by member id; names by code unit.
 */

import type { Assignment, AssignorInput, AssignorMember } from './assignor.js';
import type { TopicPartition } from './group-topics.js';

export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** Static members first, as in Kafka. */
export function compareMembers(left: AssignorMember, right: AssignorMember): number {
  const [here, there] = [left.instanceId, right.instanceId];
  if (here !== undefined && there !== undefined) return compareText(here, there);
  if (here !== undefined) return -1;
  if (there !== undefined) return 1;
  return compareText(left.memberId, right.memberId);
}

export function comparePartitions(left: TopicPartition, right: TopicPartition): number {
  return compareText(left.topic, right.topic) || left.partition - right.partition;
}

export function partitionName({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`;
}

/** The topics that exist and to which a member subscribes, in order. */
export function subscribedTopics({ members, partitionCounts }: AssignorInput): string[] {
  const topics = new Set(members.flatMap((member) => member.topics));
  return [...topics].filter((topic) => partitionCounts.has(topic)).sort(compareText);
}

/** All partitions of the topic, in order. */
export function partitionsOf(topic: string, count: number): TopicPartition[] {
  return Array.from({ length: count }, (_, partition) => ({ topic, partition }));
}

export function emptyAssignment(members: readonly AssignorMember[]): Assignment {
  return new Map(members.map(({ memberId }) => [memberId, []]));
}
