/**
 * Who takes part in a group, whatever form it has: what commands do to it, what the world sees.
 */

import { type ErrorCode, hasCode, MillraceError } from '../../src/base/errors.js';
import type { PartitionLease } from '../../src/broker/consumer/consumer-lease.js';
import type { ConsumerCoreOptions } from '../../src/broker/consumer/consumer-options.js';
import type { AssignorName } from '../../src/broker/group/assignors.js';
import type { GroupLedger } from './model-group.js';

const SESSION_MS = 15_000;
const REBALANCE_MS = 25_000;
const HEARTBEAT_MS = 4_500;
/** Small, so that readers wait. */
export const PREFETCH_COUNT = 3;
export const PREFETCH_BYTES = 1024;

export interface MemberPlan {
  readonly topics: readonly string[];
  readonly assignor: AssignorName;
  readonly instanceId: string | undefined;
  /** Who sees what is merely written may see what a power cut takes back. */
  readonly durability: 'durable' | 'written';
}

export interface Participant {
  readonly group: GroupLedger;
  readonly name: string;
  readonly plan: MemberPlan;
  /** Neither crashed nor ended. */
  readonly isLive: boolean;
  readonly memberId: string;
  /** What it owns, as far as it can be seen, and in which generation. */
  readonly claims: {
    readonly generation: number;
    readonly leases: readonly PartitionLease[];
  };
  /** Lets it do so many batches, each in a transaction or without. */
  work(count: number, isTransactional: boolean): void;
  stall(): void;
  resume(): void;
  crash(): void;
  stop(): void;
  pause(which: number): void;
  seek(which: number): void;
  /** Nothing goes wrong any more. */
  setBack(): void;
  /** What is read ahead has its bound. */
  checkBounds(): void;
  picture(): string;
}

/** What a member may be told when others were faster. */
const expected: readonly ErrorCode[] = [
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER',
  'FENCED_INSTANCE',
  'REBALANCE_IN_PROGRESS',
  'UNKNOWN_PARTITION',
  'UNKNOWN_TOPIC',
  'BROKER_CLOSED',
  'OFFSET_HELD',
  'CONSUMER_CLOSED',
];

export function isExpected(error: unknown): boolean {
  return expected.some((code) => hasCode(error, code));
}

export function codeOf(error: unknown): string {
  return error instanceof MillraceError ? error.code : 'other';
}

export function memberOptions(group: GroupLedger, plan: MemberPlan) {
  return {
    group: group.name,
    assignor: plan.assignor,
    durability: plan.durability,
    sessionTimeoutMs: SESSION_MS,
    heartbeatIntervalMs: HEARTBEAT_MS,
    rebalanceTimeoutMs: REBALANCE_MS,
    prefetchCount: PREFETCH_COUNT,
    prefetchBytes: PREFETCH_BYTES,
    ...(plan.instanceId === undefined ? {} : { instanceId: plan.instanceId }),
  } satisfies ConsumerCoreOptions;
}
