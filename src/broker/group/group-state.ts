/**
 * The states of a group, how it moves among them, and what it answers in each: Kafka's classic
 * group protocol as two tables.
 *
 *     Empty                no members; may hold committed offsets
 *     PreparingRebalance   collects joins: from all members, or until the rebalance timeout
 *     CompletingRebalance  a generation has begun; its leader works out the assignment
 *     Stable               every member has, or may fetch, its assignment
 *     Dead                 removed, or the broker is closing; a final state
 *
 * A row that is not in a table is a bug of the coordinator, not of a client.
 */

import { assert } from '../../base/assert.js';
import type { ErrorCode } from '../../base/errors.js';

export const groupStates = [
  'Empty',
  'PreparingRebalance',
  'CompletingRebalance',
  'Stable',
  'Dead',
] as const;
export type GroupState = (typeof groupStates)[number];

export const groupEvents = [
  /** A member came, went, or asks for other things; or the topics changed. */
  'rebalance',
  /** The joins are in, and there are members. */
  'joined',
  /** The joins are in, and nobody is left. */
  'emptied',
  /** The leader gave the assignment. */
  'assigned',
  'removed',
] as const;
export type GroupEvent = (typeof groupEvents)[number];

export const groupTransitions: Readonly<
  Record<GroupState, Readonly<Partial<Record<GroupEvent, GroupState>>>>
> = {
  Empty: { rebalance: 'PreparingRebalance', removed: 'Dead' },
  PreparingRebalance: { joined: 'CompletingRebalance', emptied: 'Empty', removed: 'Dead' },
  CompletingRebalance: { rebalance: 'PreparingRebalance', assigned: 'Stable', removed: 'Dead' },
  Stable: { rebalance: 'PreparingRebalance', removed: 'Dead' },
  Dead: {},
};

export function nextState(state: GroupState, event: GroupEvent): GroupState {
  const next = groupTransitions[state][event];
  assert(next !== undefined, 'the group may move like this');
  return next;
}

/** What a member that the group knows, in the current generation where it names one, may ask. */
export const groupRequests = [
  'join',
  'rejoin',
  'sync',
  'heartbeat',
  'commit',
  /** A commit without a member, by a consumer that assigns its partitions itself. */
  'commit-alone',
  /** Changes by hand: delete the group, or set its offsets. */
  'administer',
] as const;
export type GroupRequest = (typeof groupRequests)[number];

export type GroupAnswer =
  /** It is done, or answered, at once. */
  | 'accept'
  /** It is answered when the state ends. */
  | 'wait'
  /** It begins a rebalance, and waits. */
  | 'rebalance'
  /** A rebalance when it changes what the group knows of the member; otherwise as it is. */
  | 'compare'
  | Extract<
      ErrorCode,
      'UNKNOWN_MEMBER' | 'REBALANCE_IN_PROGRESS' | 'GROUP_NOT_EMPTY' | 'GROUP_NOT_FOUND'
    >;

export const groupAnswers: Readonly<
  Record<GroupState, Readonly<Record<GroupRequest, GroupAnswer>>>
> = {
  Empty: {
    join: 'rebalance',
    rejoin: 'UNKNOWN_MEMBER',
    sync: 'UNKNOWN_MEMBER',
    heartbeat: 'UNKNOWN_MEMBER',
    commit: 'UNKNOWN_MEMBER',
    'commit-alone': 'accept',
    administer: 'accept',
  },
  PreparingRebalance: {
    join: 'wait',
    rejoin: 'wait',
    sync: 'REBALANCE_IN_PROGRESS',
    heartbeat: 'REBALANCE_IN_PROGRESS',
    // Members still own what they have, and commit it before they give it up.
    commit: 'accept',
    'commit-alone': 'UNKNOWN_MEMBER',
    administer: 'GROUP_NOT_EMPTY',
  },
  CompletingRebalance: {
    join: 'rebalance',
    rejoin: 'compare',
    sync: 'wait',
    heartbeat: 'accept',
    commit: 'REBALANCE_IN_PROGRESS',
    'commit-alone': 'UNKNOWN_MEMBER',
    administer: 'GROUP_NOT_EMPTY',
  },
  Stable: {
    join: 'rebalance',
    rejoin: 'compare',
    sync: 'accept',
    heartbeat: 'accept',
    commit: 'accept',
    'commit-alone': 'UNKNOWN_MEMBER',
    administer: 'GROUP_NOT_EMPTY',
  },
  Dead: {
    join: 'UNKNOWN_MEMBER',
    rejoin: 'UNKNOWN_MEMBER',
    sync: 'UNKNOWN_MEMBER',
    heartbeat: 'UNKNOWN_MEMBER',
    commit: 'UNKNOWN_MEMBER',
    'commit-alone': 'UNKNOWN_MEMBER',
    administer: 'GROUP_NOT_FOUND',
  },
};
