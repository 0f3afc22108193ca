/**
 * What the leader of a generation works out for all of its members.
 */

import type { AssignorMember } from './assignor.js';
import { compareText } from './assignor-order.js';
import { type AssignorName, assignors } from './assignors.js';
import type { JoinResult, MemberAssignment } from './group-requests.js';
import { decodeSubscription, encodeAssignment } from './group-subscription-format.js';
import type { GroupTopics } from './group-topics.js';

export function isAssignor(name: string): name is AssignorName {
  return Object.hasOwn(assignors, name);
}

/** For the members of the join's answer; one whose metadata cannot be read gets nothing. */
export function leaderAssignments(
  assignor: AssignorName,
  { members }: JoinResult,
  topics: GroupTopics,
): MemberAssignment[] {
  const subscribers = members.map(({ memberId, instanceId, metadata }): AssignorMember => {
    const subscription = decodeSubscription(metadata);
    const { topics: wanted = [], owned = [], generation = -1 } = subscription ?? {};
    return { memberId, instanceId, topics: wanted, owned, generation };
  });
  const partitionCounts = new Map<string, number>();
  for (const topic of new Set(subscribers.flatMap((member) => member.topics))) {
    const count = topics.partitionCount(topic);
    if (count !== undefined) partitionCounts.set(topic, count);
  }
  const assignment = assignors[assignor].assign({ members: subscribers, partitionCounts });
  return [...assignment]
    .sort(([left], [right]) => compareText(left, right))
    .map(([memberId, partitions]) => ({ memberId, assignment: encodeAssignment(partitions) }));
}
