/**
 * What was given out of a partition, as Kafka tells it: batches of the records, and runs of offsets
 * with how often each message was given out.
 *
 * Batches are made anew: of those that producers sent only some records may be given out, and some
 * of them may not lie in the log any more.
 */

import type { Delivery } from '../../broker/main.js';
import { batchOf } from '../../storage/main.js';

export interface AcquiredRun {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly deliveryCount: number;
}

const DELIVERIES_TOLD_MAX = 0x7fff;

export function recordsOf(deliveries: readonly Delivery[]): Uint8Array[] {
  return runsOf(deliveries, () => true).map((run) => batchOf(run.map(({ record }) => record)));
}

/** Runs of offsets that were given out equally often, each of `countMax` at most. */
export function acquiredRuns(deliveries: readonly Delivery[], countMax: number): AcquiredRun[] {
  const isSame = (one: Delivery, other: Delivery, count: number): boolean =>
    one.deliveries === other.deliveries && (countMax <= 0 || count < countMax);
  return runsOf(deliveries, isSame).map((run) => ({
    firstOffset: run[0]?.offset ?? 0,
    lastOffset: run.at(-1)?.offset ?? 0,
    deliveryCount: Math.min(run[0]?.deliveries ?? 1, DELIVERIES_TOLD_MAX),
  }));
}

/** Deliveries at offsets that follow on each other, as long as `isSame` of neighbours. */
function runsOf(
  deliveries: readonly Delivery[],
  isSame: (one: Delivery, other: Delivery, count: number) => boolean,
): Delivery[][] {
  const runs: Delivery[][] = [];
  const ordered = [...deliveries].sort((one, other) => one.offset - other.offset);
  for (const delivery of ordered) {
    const run = runs.at(-1);
    const before = run?.at(-1);
    const isNext = before !== undefined && delivery.offset === before.offset + 1;
    if (isNext && run !== undefined && isSame(before, delivery, run.length)) run.push(delivery);
    else runs.push([delivery]);
  }
  return runs;
}
