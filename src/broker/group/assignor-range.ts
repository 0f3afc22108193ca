/**
 * Range: per topic, neighbouring partitions to each member; Kafka's `range`.
 *
 * The members of a topic, in order, get its partitions in blocks; the first ones get one more when
 * it does not come out even. Partition n of topics with as many partitions and the same members
 * goes to the same member, which is why joins of topics use it.
 */

import type { Assignment, AssignorInput } from './assignor.js';
import {
  compareMembers,
  emptyAssignment,
  partitionsOf,
  subscribedTopics,
} from './assignor-order.js';

export function assignRange(input: AssignorInput): Assignment {
  const { members, partitionCounts } = input;
  const assignment = emptyAssignment(members);
  const ordered = [...members].sort(compareMembers);
  for (const topic of subscribedTopics(input)) {
    const partitions = partitionsOf(topic, partitionCounts.get(topic) ?? 0);
    const takers = ordered.filter(({ topics }) => topics.includes(topic));
    const least = Math.floor(partitions.length / takers.length);
    const remainder = partitions.length % takers.length;
    let next = 0;
    for (const [place, { memberId }] of takers.entries()) {
      const count = least + (place < remainder ? 1 : 0);
      assignment.get(memberId)?.push(...partitions.slice(next, next + count));
      next += count;
    }
  }
  return assignment;
}
