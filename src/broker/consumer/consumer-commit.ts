/**
 * A commit of what is held, over the changes of a group's generation.
 *
 * Between two generations a group refuses commits, also of partitions that their owner keeps. As
 * long as all of them are held the commit is tried again; it is never tried again for a partition
 * that was given up meanwhile: somebody else may be further by now. One that went away and has
 * come back is another lease, whatever its name.
 */

import type { Clock } from '../../base/clock.js';
import { hasCode } from '../../base/errors.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import { groupError } from '../group/group-errors.js';
import type { PartitionLease } from './consumer-lease.js';

type HeldLease = Pick<PartitionLease, 'isHeld'>;

export interface CommitParts {
  readonly clock: Clock;
  readonly groupId: string;
  /** How long it is tried again. */
  readonly timeoutMs: number;
  /** Who holds the partition now; looked at once, when the commit begins. */
  leaseOf(at: OffsetToCommit): HeldLease | undefined;
  commit(offsets: readonly OffsetToCommit[]): Promise<void>;
}

const PAUSE_MS = 20;

export async function commitHeld(
  parts: CommitParts,
  offsets: readonly OffsetToCommit[],
): Promise<void> {
  const { clock, timeoutMs } = parts;
  const endMs = clock.monotonicMs() + timeoutMs;
  const leases = offsets.map((at) => parts.leaseOf(at));
  for (;;) {
    checkHeld(parts.groupId, offsets, leases);
    try {
      return await parts.commit(offsets);
    } catch (error) {
      const isBetween = hasCode(error, 'REBALANCE_IN_PROGRESS');
      if (!isBetween && !hasCode(error, 'ILLEGAL_GENERATION')) throw error;
      if (clock.monotonicMs() >= endMs) throw error;
    }
    await new Promise<void>((resolve) => {
      clock.schedule(PAUSE_MS, resolve, 'keep-alive');
    });
  }
}

function checkHeld(
  groupId: string,
  offsets: readonly OffsetToCommit[],
  leases: readonly (HeldLease | undefined)[],
): void {
  const lost = offsets.find((_at, index) => leases[index]?.isHeld !== true);
  if (lost === undefined) return;
  const { topic, partition, offset } = lost;
  throw groupError('ILLEGAL_GENERATION', {
    message: 'the partition is not held any more',
    group: groupId,
    topic,
    partition,
    offset,
  });
}
