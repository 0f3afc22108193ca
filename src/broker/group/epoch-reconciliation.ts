/**
 * How a member gets from what it has to what it is to have: pure.
 *
 *     stable    it has, or was just told, all that it is to have
 *     revoking  it has to give partitions up first, and keeps its epoch until it has
 *     waiting   others still have some of what it is to have
 *
 * No partition has two members: what is to move is given only once nobody has it.
 */

import type { EpochPartition } from './epoch-requests.js';

/** A partition that a member has, and since which of its epochs. */
export interface HeldPartition {
  readonly at: EpochPartition;
  readonly sinceEpoch: number;
}

export interface MemberState {
  readonly phase: 'stable' | 'revoking' | 'waiting';
  readonly epoch: number;
  /** By their keys: see `partitionKey`. */
  readonly assigned: ReadonlyMap<string, HeldPartition>;
  /** What it was told to give up and has not yet. */
  readonly revoking: ReadonlyMap<string, EpochPartition>;
}

export interface MemberTarget {
  readonly epoch: number;
  readonly partitions: ReadonlyMap<string, EpochPartition>;
  /** Keys of what the member says that it has; undefined: it said nothing. */
  readonly owned: ReadonlySet<string> | undefined;
  /** Whether no other member has the partition. */
  readonly isFree: (key: string) => boolean;
}

export const newMemberState: MemberState = Object.freeze({
  phase: 'stable',
  epoch: 0,
  assigned: new Map(),
  revoking: new Map(),
});

export function partitionKey({ topicId, partition }: EpochPartition): string {
  return `${topicId}-${partition}`;
}

/** The same object where nothing changes. */
export function reconcile(state: MemberState, target: MemberTarget): MemberState {
  if (state.phase === 'stable' && state.epoch === target.epoch) return state;
  if (state.phase === 'revoking' && !hasGivenUp(state.revoking, target.owned)) return state;
  const kept = new Map<string, HeldPartition>();
  const revoking = new Map<string, EpochPartition>();
  for (const [key, held] of state.assigned) {
    if (target.partitions.has(key)) kept.set(key, held);
    else revoking.set(key, held.at);
  }
  if (revoking.size > 0 && !hasGivenUp(revoking, target.owned)) {
    return { phase: 'revoking', epoch: state.epoch, assigned: kept, revoking };
  }
  let phase: MemberState['phase'] = 'stable';
  for (const [key, at] of target.partitions) {
    if (kept.has(key)) continue;
    if (target.isFree(key)) kept.set(key, { at, sinceEpoch: target.epoch });
    else phase = 'waiting';
  }
  return { phase, epoch: target.epoch, assigned: kept, revoking: new Map() };
}

/** Who says nothing of what it has may still have all of it. */
function hasGivenUp(
  revoking: ReadonlyMap<string, EpochPartition>,
  owned: ReadonlySet<string> | undefined,
): boolean {
  if (owned === undefined) return false;
  for (const key of revoking.keys()) if (owned.has(key)) return false;
  return true;
}
