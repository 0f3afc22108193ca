/**
 * Round-robin: all partitions of all topics dealt out one by one; Kafka's `roundrobin`.
 *
 * A member that does not subscribe to the topic is passed over and keeps its turn's place in the
 * circle. With equal subscriptions, members differ by one partition at most.
 */

import type { Assignment, AssignorInput } from './assignor.js';
import {
  compareMembers,
  emptyAssignment,
  partitionsOf,
  subscribedTopics,
} from './assignor-order.js';

export function assignRoundRobin(input: AssignorInput): Assignment {
  const { members, partitionCounts } = input;
  const assignment = emptyAssignment(members);
  const circle = [...members].sort(compareMembers);
  const topicsOf = circle.map(({ topics }) => new Set(topics));
  let turn = 0;
  for (const topic of subscribedTopics(input)) {
    for (const partition of partitionsOf(topic, partitionCounts.get(topic) ?? 0)) {
      // Somebody subscribes to the topic, so this ends within one round.
      while (topicsOf[turn]?.has(topic) !== true) turn = (turn + 1) % circle.length;
      const taker = circle[turn];
      if (taker !== undefined) assignment.get(taker.memberId)?.push(partition);
      turn = (turn + 1) % circle.length;
    }
  }
  return assignment;
}
