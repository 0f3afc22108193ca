/**
 * The statistics of a queue, put together of what its parts count.
 */

import type { Clock } from '../../base/clock.js';
import type { QueueGroup } from './queue-group.js';
import type { QueueLimits } from './queue-limits.js';
import type { OpenMessages } from './queue-messages.js';
import type { DeadQueue } from './queue-opening.js';
import type { OpenDelays } from './queue-sender.js';
import type { QueueRateMeter, QueueStats } from './queue-stats.js';

/** A queue, as far as it is counted. */
export interface CountedQueue {
  readonly name: string;
  readonly clock: Clock;
  readonly limits: QueueLimits | undefined;
  readonly delayed: OpenDelays | undefined;
  readonly sent: number;
  readonly rates: QueueRateMeter;
}

/** Messages that can be received now. */
export function depthOf(group: QueueGroup): number {
  const { inFlight, waiting, exhausted, moving } = group.counts();
  const others = inFlight + waiting + exhausted + moving + group.undecided();
  return Math.max(0, group.unfinished() - others);
}

export async function statsOf(
  queue: CountedQueue,
  { group, expiry }: OpenMessages,
  letters: DeadQueue | undefined,
): Promise<QueueStats> {
  await group.catchUp();
  const dead = (await letters?.unfinished()) ?? 0;
  const oldest = await group.oldestTimestamp();
  const counts = group.counts();
  const { clock, limits, delayed, sent } = queue;
  const unfinished = group.unfinished();
  const waitingCount = delayed?.delays.count ?? 0;
  return {
    queue: queue.name,
    depth: depthOf(group),
    inFlight: counts.inFlight,
    inFlightBytes: counts.inFlightBytes,
    waiting: counts.waiting,
    delayed: waitingCount,
    nextDelayedMs: delayed?.delays.nextDueMs,
    dying: counts.exhausted + counts.moving,
    dead,
    length: unfinished + waitingCount,
    lengthBytes: limits?.length().bytes,
    oldestAgeMs: oldest === undefined ? 0 : Math.max(0, clock.nowMs() - oldest),
    waitingSends: limits?.waitingCount ?? 0,
    sent,
    delivered: counts.delivered,
    redelivered: counts.redelivered,
    acknowledged: counts.acknowledged,
    released: counts.released,
    leasesExpired: counts.expired,
    archived: counts.archived,
    expired: expiry.count,
    dropped: limits?.dropped ?? 0,
    rates: queue.rates.rates(clock.monotonicMs(), sent, counts),
  };
}
