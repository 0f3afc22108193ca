/**
 * What members of the newer group protocol (KIP-848) ask and are told: one request, the heartbeat.
 *
 * A member says what it wants and what it has, and is told what to have; the coordinator assigns.
 * Each member has an epoch, which rises to that of the group when it has given up what others are
 * to get.
 */

import { limits } from '../../base/limits.js';
import { groupError } from './group-errors.js';
import type { MemberIdentity } from './group-requests.js';
import type { TopicPartition } from './group-topics.js';

/** A partition of a topic that another one of the same name is not mistaken for. */
export interface EpochPartition extends TopicPartition {
  readonly topicId: string;
}

/** Instead of an epoch: the member joins, leaves, or leaves its place as a static member. */
export const JOINS = 0;
export const LEAVES = -1;
export const LEAVES_ITS_PLACE = -2;

export interface EpochHeartbeat extends MemberIdentity {
  readonly groupId: string;
  readonly epoch: number;
  readonly rackId?: string | undefined;
  /** For people: what the member calls itself, and where it is. */
  readonly clientId?: string | undefined;
  readonly clientHost?: string | undefined;
  /** How long it may take to give partitions up. Undefined, here and below: as before. */
  readonly rebalanceTimeoutMs?: number | undefined;
  readonly topics?: readonly string[] | undefined;
  /** All topics whose names it matches, in the syntax of RE2; '': none. */
  readonly pattern?: string | undefined;
  readonly assignor?: string | undefined;
  /** The partitions that it has. */
  readonly owned?: readonly EpochPartition[] | undefined;
  /** Which of the topics that the pattern matches it may get. */
  readonly mayRead?: ((topic: string) => boolean) | undefined;
}

export interface EpochHeartbeatResult {
  readonly memberId: string;
  readonly epoch: number;
  readonly heartbeatIntervalMs: number;
  /** What it is to have; undefined: as it was told before. */
  readonly assignment: readonly EpochPartition[] | undefined;
  /**
   * Resolves when what has changed is durable: only then may the member be told. Rejects with what
   * an append rejects with.
   */
  readonly stored: Promise<void>;
}

export const epochAssignorNames = ['uniform', 'range'] as const;
export type EpochAssignorName = (typeof epochAssignorNames)[number];

export function isEpochAssignor(name: string): name is EpochAssignorName {
  return epochAssignorNames.some((known) => known === name);
}

/** Throws MEMBER_INVALID, ASSIGNOR_UNKNOWN. */
export function checkHeartbeat(request: EpochHeartbeat): void {
  const { groupId, memberId, instanceId, rackId, epoch, assignor } = request;
  const invalid = (what: string): Error => {
    return groupError('MEMBER_INVALID', { group: groupId, memberId, what, epoch });
  };
  if (epoch < LEAVES_ITS_PLACE) throw invalid('epoch');
  if (memberId === '' && epoch !== JOINS) throw invalid('memberId');
  if (Buffer.byteLength(memberId) > limits.memberIdBytesMax) throw invalid('memberId');
  if (instanceId === '' || rackId === '') throw invalid('instanceId or rackId');
  if (bytesOf([instanceId, rackId]) > limits.memberIdBytesMax) throw invalid('instanceId, rackId');
  if (epoch === LEAVES_ITS_PLACE && instanceId === undefined) throw invalid('instanceId');
  if (bytesOf(request.topics ?? []) > limits.memberMetadataBytesMax) throw invalid('topics');
  if (assignor !== undefined && !isEpochAssignor(assignor)) {
    const expected = epochAssignorNames.join(', ');
    throw groupError('ASSIGNOR_UNKNOWN', { group: groupId, assignor, expected });
  }
  const { rebalanceTimeoutMs = epoch === JOINS ? 0 : 1 } = request;
  const isTime = rebalanceTimeoutMs > 0 && rebalanceTimeoutMs <= limits.rebalanceTimeoutMsMax;
  if (!isTime) throw invalid('rebalanceTimeoutMs');
  if (epoch !== JOINS) return;
  const { owned, topics, pattern } = request;
  if (owned === undefined || owned.length > 0) throw invalid('topicPartitions');
  if (topics === undefined && pattern === undefined) throw invalid('subscription');
}

function bytesOf(texts: readonly (string | undefined)[]): number {
  return texts.reduce((sum, text = '') => sum + Buffer.byteLength(text), 0);
}
