/**
 * How a group gets from one generation to the next: the phases, their timers, and sessions.
 *
 *     joins    until every member has joined again and no id is pending; or until the longest
 *              rebalance timeout, when dynamic members that did not come are removed
 *     fetches  until every member has fetched its assignment; whoever has not within the same
 *              time is removed, the leader too
 *
 * A static member that did not join again stays until its session ends: it may be restarting.
 * All times are monotonic. Every step here is synchronous: there is no moment at which a group is
 * between two states.
 */

import { assert } from '../../base/assert.js';
import type { Cancel, Clock } from '../../base/clock.js';
import type { Group } from './group.js';
import { groupDiagnostics, type MemberRemoval } from './group-diagnostics.js';
import { groupError } from './group-errors.js';
import type { GroupMember } from './group-member.js';
import type { GroupConfig } from './group-options.js';
import type { JoinedMember, JoinResult } from './group-requests.js';

export interface RebalancerContext {
  readonly clock: Clock;
  readonly config: GroupConfig;
  /** The group became stable or empty: what dates it is to be stored. */
  readonly onSettled: (group: Group) => void;
}

export class GroupRebalancer {
  readonly #context: RebalancerContext;

  constructor(context: RebalancerContext) {
    this.#context = context;
  }

  /** Begins to collect joins, unless that is under way; ends it at once when all are in. */
  prepare(group: Group, reason: string): void {
    if (group.state !== 'PreparingRebalance') {
      const wasEmpty = group.state === 'Empty';
      const error = groupError('REBALANCE_IN_PROGRESS', { group: group.groupId });
      for (const member of group.members) {
        member.syncing?.reject(error);
        member.syncing = undefined;
      }
      group.move('rebalance');
      groupDiagnostics.rebalance.publish({
        group: group.groupId,
        generation: group.generation,
        members: group.size,
        reason,
      });
      this.#beginJoins(group, wasEmpty);
      for (const member of group.members) {
        if (member.joining === undefined) this.notify(member);
      }
    }
    this.tryComplete(group);
  }

  /** Ends the collecting of joins when nobody is missing. */
  tryComplete(group: Group): void {
    if (group.state !== 'PreparingRebalance' || group.isGathering) return;
    if (group.pendingIds.size > 0) return;
    if (group.members.every((member) => member.joining !== undefined)) this.#completeJoins(group);
  }

  /** The leader gave the assignment: everybody who waits gets its part. */
  complete(group: Group, assignments: ReadonlyMap<string, Uint8Array>): void {
    for (const member of group.members) {
      member.assignment = assignments.get(member.memberId) ?? new Uint8Array(0);
    }
    group.move('assigned');
    for (const member of group.members) {
      if (member.syncing !== undefined) this.answerSync(group, member);
    }
    this.#context.onSettled(group);
  }

  /** Answers the sync of one member of a stable group. */
  answerSync(group: Group, member: GroupMember): void {
    assert(group.state === 'Stable', 'assignments are there');
    const { protocolType, protocol } = group;
    const { syncing, assignment } = member;
    member.syncing = undefined;
    member.owesSync = false;
    syncing?.resolve({ protocolType, protocol, assignment });
    this.touch(group, member);
    if (group.members.every(({ owesSync }) => !owesSync)) this.#endPhase(group);
  }

  /** Answers the join of one member with the generation as it is. */
  answerJoin(group: Group, member: GroupMember, skipAssignment = false): void {
    const { joining } = member;
    member.joining = undefined;
    joining?.resolve(joinResult(group, member, skipAssignment));
    this.touch(group, member);
  }

  /** Takes a member out, and lets the others go on. */
  remove(group: Group, member: GroupMember, reason: MemberRemoval): void {
    this.#drop(group, member, reason);
    if (group.state === 'PreparingRebalance') this.tryComplete(group);
    else this.prepare(group, `a member is gone: ${reason}`);
  }

  /** The member has been heard of: its session begins anew. */
  touch(group: Group, member: GroupMember): void {
    const { clock } = this.#context;
    const { sessionTimeoutMs } = member.request;
    member.sessionEndMs = clock.monotonicMs() + sessionTimeoutMs;
    if (member.cancelSession !== undefined) return;
    this.#watchSession(group, member, sessionTimeoutMs);
  }

  /** A shorter or longer session timeout than before counts from now. */
  renewSession(group: Group, member: GroupMember): void {
    member.cancelSession?.();
    member.cancelSession = undefined;
    this.touch(group, member);
  }

  /** Tells the member to ask how things are; never within the call that found out. */
  notify(member: GroupMember): void {
    const { onRebalance } = member.request;
    if (onRebalance !== undefined) queueMicrotask(onRebalance);
  }

  /** Ends all timers of a group and refuses whoever waits. */
  shut(group: Group, reason: MemberRemoval): void {
    this.#endPhase(group);
    for (const cancel of group.pendingIds.values()) cancel();
    group.pendingIds.clear();
    for (const member of group.members) this.#drop(group, member, reason);
    group.move('removed');
  }

  #drop(group: Group, member: GroupMember, reason: MemberRemoval): void {
    const { groupId } = group;
    const { memberId, instanceId } = member;
    group.remove(member);
    member.refuse(
      reason === 'closed'
        ? groupError('BROKER_CLOSED', { group: groupId })
        : groupError('UNKNOWN_MEMBER', { group: groupId, memberId, reason }),
    );
    this.notify(member);
    groupDiagnostics.memberRemoved.publish({ group: groupId, memberId, instanceId, reason });
  }

  #beginJoins(group: Group, wasEmpty: boolean): void {
    const delayMs = this.#context.config.groupInitialRebalanceDelayMs;
    const timeoutMs = rebalanceTimeoutMs(group);
    group.isGathering = wasEmpty && delayMs > 0;
    const waitMs = group.isGathering ? Math.min(delayMs, timeoutMs) : timeoutMs;
    this.#beginPhase(group, waitMs, () => this.#endJoins(group));
  }

  #endJoins(group: Group): void {
    assert(group.state === 'PreparingRebalance', 'joins are collected');
    if (group.isGathering) {
      // The members that have come are there; pending ones get the time that a rebalance takes.
      group.isGathering = false;
      this.#beginPhase(group, rebalanceTimeoutMs(group), () => this.#endJoins(group));
      this.tryComplete(group);
      return;
    }
    for (const member of group.members) {
      if (member.joining !== undefined || member.instanceId !== undefined) continue;
      this.#drop(group, member, 'did not join again');
    }
    this.#completeJoins(group);
  }

  #completeJoins(group: Group): void {
    const { groupId } = group;
    const hasJoined = group.members.some((member) => member.joining !== undefined);
    if (group.size > 0 && !hasJoined) {
      // Static members only, all of them away: they come back, or their sessions end.
      this.#beginPhase(group, rebalanceTimeoutMs(group), () => this.#endJoins(group));
      return;
    }
    this.#endPhase(group);
    group.beginGeneration();
    group.move(group.size === 0 ? 'emptied' : 'joined');
    const { generation, leaderId, protocol, state } = group;
    groupDiagnostics.generation.publish({
      group: groupId,
      generation,
      members: group.size,
      leaderId,
      protocol,
      state,
    });
    if (state === 'Empty') {
      group.emptySinceMs = this.#context.clock.nowMs();
      this.#context.onSettled(group);
      return;
    }
    this.#beginPhase(group, rebalanceTimeoutMs(group), () => this.#endFetches(group));
    for (const member of group.members) {
      member.assignment = new Uint8Array(0);
      // A static member that is away owes nothing: it is given up when its session ends.
      member.owesSync = member.joining !== undefined;
      if (member.owesSync) this.answerJoin(group, member);
    }
  }

  #endFetches(group: Group): void {
    const late = group.members.filter(({ owesSync, syncing }) => owesSync && syncing === undefined);
    for (const member of late) this.#drop(group, member, 'did not fetch its assignment');
    this.prepare(group, 'members did not fetch their assignments');
  }

  #watchSession(group: Group, member: GroupMember, delayMs: number): void {
    member.cancelSession = this.#context.clock.schedule(delayMs, () => {
      member.cancelSession = undefined;
      const nowMs = this.#context.clock.monotonicMs();
      // Whoever waits for us is alive; its session begins with the answer.
      if (member.isWaiting) member.sessionEndMs = nowMs + member.request.sessionTimeoutMs;
      const restMs = member.sessionEndMs - nowMs;
      if (restMs > 0) this.#watchSession(group, member, restMs);
      else this.remove(group, member, 'session timeout');
    });
  }

  #beginPhase(group: Group, delayMs: number, end: () => void): void {
    this.#endPhase(group);
    group.cancelPhase = after(this.#context.clock, delayMs, () => {
      group.cancelPhase = undefined;
      end();
    });
  }

  #endPhase(group: Group): void {
    group.cancelPhase?.();
    group.cancelPhase = undefined;
  }
}

/** The longest that a member of the group asked for. */
function rebalanceTimeoutMs(group: Group): number {
  return group.members.reduce(
    (longest, { request }) => Math.max(longest, request.rebalanceTimeoutMs),
    1,
  );
}

/** `schedule`, but never early. */
export function after(clock: Clock, delayMs: number, run: () => void): Cancel {
  const endMs = clock.monotonicMs() + delayMs;
  let cancel = clock.schedule(delayMs, step);
  function step(): void {
    const restMs = endMs - clock.monotonicMs();
    if (restMs > 0) cancel = clock.schedule(restMs, step);
    else run();
  }
  return () => cancel();
}

function joinResult(group: Group, member: GroupMember, skipAssignment: boolean): JoinResult {
  const { generation, leaderId, protocolType, protocol } = group;
  const isLeader = member.memberId === leaderId;
  return {
    generation,
    memberId: member.memberId,
    leaderId,
    protocolType,
    protocol,
    skipAssignment,
    members: isLeader ? group.members.map((other) => joinedMember(other, protocol)) : [],
  };
}

function joinedMember(member: GroupMember, protocol: string): JoinedMember {
  const { memberId, instanceId } = member;
  const metadata = member.metadataOf(protocol);
  assert(metadata !== undefined, 'every member knows the protocol of its generation');
  return { memberId, instanceId, metadata };
}
