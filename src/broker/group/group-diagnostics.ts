/**
 * What groups tell on `node:diagnostics_channel`: every channel and its payload.
 *
 * The rules are those of `base/diagnostics.ts`: names are permanent, payloads may gain fields.
 */

import { DiagnosticsChannel } from '../../base/diagnostics.js';
import type { GroupState } from './group-state.js';

interface GroupEventFacts {
  readonly group: string;
}

export interface GroupRebalanceStarted extends GroupEventFacts {
  readonly generation: number;
  readonly members: number;
  readonly reason: string;
}

export interface GroupGenerationBegun extends GroupEventFacts {
  readonly generation: number;
  readonly members: number;
  readonly leaderId: string;
  readonly protocol: string;
  readonly state: GroupState;
}

export interface GroupMemberRemoved extends GroupEventFacts {
  readonly memberId: string;
  readonly instanceId: string | undefined;
  readonly reason: MemberRemoval;
}

export type MemberRemoval =
  | 'left'
  | 'session timeout'
  | 'did not join again'
  | 'did not fetch its assignment'
  | 'did not give up partitions'
  | 'closed';

export interface GroupLag extends GroupEventFacts {
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: number;
  readonly endOffset: number;
  /** Records behind the commit, up to the durable end. */
  readonly lag: number;
}

export interface GroupOffsetsExpired extends GroupEventFacts {
  readonly partitions: number;
}

/** A committed offset lay in records that are gone: consumers go on at the end of what is left. */
export interface GroupOffsetClamped extends GroupEventFacts {
  readonly topic: string;
  readonly partition: number;
  readonly committedOffset: number;
  readonly offset: number;
  readonly epoch: number;
}

/** What dates a group could not be stored; its members are not touched. */
export interface GroupStoreFailed extends GroupEventFacts {
  readonly cause: unknown;
}

/** What is done from time to time failed; it is tried again. */
export interface GroupUpkeepFailed {
  readonly task: 'expiry' | 'lag' | 'forget';
  readonly cause: unknown;
}

export const groupDiagnostics = Object.freeze({
  rebalance: new DiagnosticsChannel<GroupRebalanceStarted>('millrace:group:rebalance'),
  generation: new DiagnosticsChannel<GroupGenerationBegun>('millrace:group:generation'),
  memberRemoved: new DiagnosticsChannel<GroupMemberRemoved>('millrace:group:member-removed'),
  lag: new DiagnosticsChannel<GroupLag>('millrace:group:lag'),
  offsetsExpired: new DiagnosticsChannel<GroupOffsetsExpired>('millrace:group:offsets-expired'),
  offsetClamped: new DiagnosticsChannel<GroupOffsetClamped>('millrace:group:offset-clamped'),
  upkeepFailed: new DiagnosticsChannel<GroupUpkeepFailed>('millrace:group:upkeep-failed'),
  storeFailed: new DiagnosticsChannel<GroupStoreFailed>('millrace:group:store-failed'),
});
