/**
 * One member of a group of the newer protocol: who it is, what it wants, and what it has.
 */

import type { Cancel } from '../../base/clock.js';
import type { StoredMember } from './epoch-member-entry.js';
import { type MemberState, newMemberState } from './epoch-reconciliation.js';
import { type EpochAssignorName, type EpochHeartbeat, isEpochAssignor } from './epoch-requests.js';
import { TopicPattern } from './topic-pattern.js';

export class EpochMember {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  rackId: string | undefined;
  clientId: string | undefined;
  clientHost: string | undefined;
  rebalanceTimeoutMs = 0;
  topics: readonly string[] = [];
  pattern: TopicPattern | undefined;
  assignor: EpochAssignorName | undefined;
  mayRead: (topic: string) => boolean = () => true;
  state: MemberState = newMemberState;
  /** The one before: the answer that told the newer one may have been lost. */
  previousEpoch = 0;
  /** A static member that has left its place for a while. */
  isAway = false;
  /** It was not heard of since the restart. */
  isRestored = false;
  /** Monotonic time at which it is given up. */
  sessionEndMs = 0;
  cancelSession: Cancel | undefined;
  /** Ends the time that it has to give partitions up. */
  cancelRevocation: Cancel | undefined;

  constructor(memberId: string, instanceId: string | undefined) {
    this.memberId = memberId;
    this.instanceId = instanceId;
  }

  get epoch(): number {
    return this.state.epoch;
  }

  /** Takes over what the member says; whether it wants other topics. Throws PATTERN_INVALID. */
  update(request: EpochHeartbeat): boolean {
    const { topics = this.topics, pattern, assignor } = request;
    const wanted = patternOf(pattern, this.pattern);
    const isOther = !isSameList(topics, this.topics) || wanted?.source !== this.pattern?.source;
    this.topics = topics;
    this.pattern = wanted;
    if (assignor !== undefined && isEpochAssignor(assignor)) this.assignor = assignor;
    this.rackId = request.rackId ?? this.rackId;
    this.clientId = request.clientId ?? this.clientId;
    this.clientHost = request.clientHost ?? this.clientHost;
    this.rebalanceTimeoutMs = request.rebalanceTimeoutMs ?? this.rebalanceTimeoutMs;
    this.mayRead = request.mayRead ?? this.mayRead;
    return isOther;
  }

  /** As it was before a restart; what it may read is not known until it is heard of. */
  static restore(stored: StoredMember): EpochMember {
    const member = new EpochMember(stored.memberId, stored.instanceId);
    const { pattern, assignor, state } = stored;
    member.rackId = stored.rackId;
    member.clientId = stored.clientId;
    member.clientHost = stored.clientHost;
    member.rebalanceTimeoutMs = stored.rebalanceTimeoutMs;
    member.topics = stored.topics;
    member.pattern = patternOf(pattern, undefined);
    if (assignor !== undefined && isEpochAssignor(assignor)) member.assignor = assignor;
    member.state = state;
    member.previousEpoch = stored.previousEpoch;
    member.isAway = stored.isAway;
    const had = new Set([...state.assigned.values()].map(({ at }) => at.topic));
    member.mayRead = (topic) => had.has(topic);
    member.isRestored = true;
    return member;
  }

  /** As it is kept. */
  stored(): StoredMember {
    const { memberId, instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs } = this;
    const { topics, pattern, assignor, state, previousEpoch, isAway } = this;
    const named = { memberId, instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs };
    const wants = { topics, pattern: pattern?.source ?? '', assignor };
    return { ...named, ...wants, state, previousEpoch, isAway };
  }

  /** Another process has the place of this static member. */
  takePlaceOf(other: EpochMember): void {
    this.topics = other.topics;
    this.pattern = other.pattern;
    this.assignor = other.assignor;
    this.state = { ...other.state, phase: 'stable', epoch: 0, revoking: new Map() };
  }

  /** What it has said of itself goes; no timer is left. */
  end(): void {
    this.cancelSession?.();
    this.cancelRevocation?.();
    this.cancelSession = undefined;
    this.cancelRevocation = undefined;
  }
}

function patternOf(
  source: string | undefined,
  known: TopicPattern | undefined,
): TopicPattern | undefined {
  if (source === undefined || source === known?.source) return known;
  return source === '' ? undefined : new TopicPattern(source);
}

function isSameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, at) => text === other[at]);
}
