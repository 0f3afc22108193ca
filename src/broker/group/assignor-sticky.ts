/**
 * Sticky: as even as the subscriptions allow, and nobody loses more than that takes; Kafka's
 * `sticky` and `cooperative-sticky`.
 *
 * It starts from what the members own, gives what nobody owns to the least loaded subscribers, and
 * then moves partitions along paths from a member to one that has at least two fewer. A path may
 * lead over others: A gives to B, B to C, where A and C have no topic in common. When no such path
 * is left, the loads are as even as they can be (an optimal semi-matching). Paths are the shortest
 * that there are, so little moves; and what has moved goes back to whoever had it where that, alone
 * or in exchange for something that is new there, makes no load less even.
 *
 * The cooperative form gives nobody a partition that another member still says it owns.
 */

import { assert } from '../../base/assert.js';
import type { Assignment, AssignorInput } from './assignor.js';
import { partitionName } from './assignor-order.js';
import { freePartitions, type StickyMember, stickyMembers } from './assignor-sticky-start.js';

export function assignSticky(input: AssignorInput): Assignment {
  const members = stickyMembers(input);
  for (const free of freePartitions(input, members)) {
    const takers = members.filter(({ topics }) => topics.has(free.topic));
    const taker = least(takers);
    if (taker !== undefined) taker.add(free);
  }
  while (balanceOnce(members));
  while (giveBack(members));
  return new Map(members.map((member) => [member.memberId, member.partitions()]));
}

export function assignCooperatively(input: AssignorInput): Assignment {
  const claims = new Map<string, Set<string>>();
  for (const { memberId, owned } of input.members) {
    for (const partition of owned) {
      const name = partitionName(partition);
      claims.set(name, (claims.get(name) ?? new Set()).add(memberId));
    }
  }
  const assignment = assignSticky(input);
  for (const [memberId, partitions] of assignment) {
    const given = partitions.filter((partition) => {
      const claimants = claims.get(partitionName(partition));
      if (claimants === undefined) return true;
      return claimants.size === 1 && claimants.has(memberId);
    });
    assignment.set(memberId, given);
  }
  return assignment;
}

/** Moves one partition's worth of load along one path; false when the loads are even. */
function balanceOnce(members: readonly StickyMember[]): boolean {
  const heaviestFirst = [...members].sort((left, right) => right.count - left.count);
  const lightest = heaviestFirst.at(-1)?.count ?? 0;
  for (const giver of heaviestFirst) {
    if (giver.count < lightest + 2) return false;
    const path = pathToRelief(giver, members);
    if (path === undefined) continue;
    for (const { from, to, topic } of path) to.add(from.give(topic, to));
    return true;
  }
  return false;
}

/** Undoes moves that the balance does not need; false when there are none. */
function giveBack(members: readonly StickyMember[]): boolean {
  let hasChanged = false;
  for (const keeper of members) {
    for (const partition of keeper.missing()) {
      const holder = members.find((member) => member.holds(partition));
      assert(holder !== undefined, 'every partition is held');
      if (keeper.count >= holder.count) {
        const exchanged = keeper.additions().find(({ topic }) => holder.topics.has(topic));
        if (exchanged === undefined) continue;
        keeper.remove(exchanged);
        holder.add(exchanged);
      }
      holder.remove(partition);
      keeper.add(partition);
      hasChanged = true;
    }
  }
  return hasChanged;
}

interface Step {
  readonly from: StickyMember;
  readonly to: StickyMember;
  readonly topic: string;
}

/** The steps, last one first, from the giver to the least loaded member that they reach. */
function pathToRelief(giver: StickyMember, members: readonly StickyMember[]): Step[] | undefined {
  const reachedBy = new Map<StickyMember, Step>();
  const seenTopics = new Set<string>();
  const queue = [giver];
  let relieved: StickyMember | undefined;
  for (const from of queue) {
    for (const topic of from.heldTopics()) {
      if (seenTopics.has(topic)) continue;
      seenTopics.add(topic);
      for (const to of members) {
        if (to === giver || reachedBy.has(to) || !to.topics.has(topic)) continue;
        reachedBy.set(to, { from, to, topic });
        queue.push(to);
        const isEnough = to.count <= giver.count - 2;
        if (isEnough && to.count < (relieved?.count ?? giver.count)) relieved = to;
      }
    }
  }
  if (relieved === undefined) return undefined;
  const steps: Step[] = [];
  for (let at = relieved; at !== giver; ) {
    const step = reachedBy.get(at);
    assert(step !== undefined, 'the path leads back to the giver');
    steps.push(step);
    at = step.from;
  }
  return steps;
}

/** Of members in order, the first of those with the fewest partitions. */
function least(members: readonly StickyMember[]): StickyMember | undefined {
  let found: StickyMember | undefined;
  for (const member of members) {
    if (found === undefined || member.count < found.count) found = member;
  }
  return found;
}
