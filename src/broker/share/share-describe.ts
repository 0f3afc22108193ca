/**
 * The state of each range of offsets of a partition, for people and for programs that look.
 */

import type { Deliveries } from './share-deliveries.js';
import type { DeliveryCounts } from './share-delivery-options.js';
import type { DeliveryLedger } from './share-ledger.js';
import type { OffsetRange } from './share-ranges.js';
import {
  type DeliveryStateName,
  EXHAUSTED,
  MOVING,
  phaseStates,
  phases,
  READY,
  WAITING,
} from './share-states.js';
import type { ToCome } from './share-to-come.js';

/** What has happened so far, since the state was made. */
export type DeliveryTotals = Pick<
  DeliveryCounts,
  'delivered' | 'redelivered' | 'acknowledged' | 'archived' | 'released'
>;

export function countsOf(
  { deliveries, toCome }: { readonly deliveries: Deliveries; readonly toCome: ToCome },
  totals: DeliveryTotals,
): DeliveryCounts {
  return {
    toCome: toCome.count,
    ready: deliveries.countOf(READY),
    waiting: deliveries.countOf(WAITING),
    exhausted: deliveries.countOf(EXHAUSTED),
    moving: deliveries.countOf(MOVING),
    inFlight: deliveries.inFlightCount,
    inFlightBytes: deliveries.inFlightBytes,
    ...totals,
    expired: deliveries.expiredCount,
  };
}

export interface StateRange extends OffsetRange {
  readonly state: DeliveryStateName;
}

/**
 * The first `max` runs of offsets in one state, from the start offset on. Offsets that nobody made
 * known are left out. Costs a sort of what is under way.
 */
export function describeStates(
  ledger: DeliveryLedger,
  deliveries: Deliveries,
  max: number,
): StateRange[] {
  const ranges: StateRange[] = [];
  for (const range of allRanges(ledger, deliveries)) {
    const last = ranges.at(-1);
    if (last?.end === range.first && last.state === range.state) {
      ranges[ranges.length - 1] = { ...last, end: range.end };
      continue;
    }
    if (ranges.length === max) break;
    ranges.push(range);
  }
  return ranges;
}

/** Runs in their order; neighbours may be in the same state. */
function* allRanges(ledger: DeliveryLedger, deliveries: Deliveries): Generator<StateRange> {
  let from = ledger.startOffset;
  const underWay = sortedByOffset(deliveries);
  let next = 0;
  for (const finished of finishedAndEnd(ledger)) {
    for (; next < underWay.length; next += 1) {
      const slot = underWay[next] ?? 0;
      const offset = deliveries.slots.offsetOf(slot);
      if (offset > finished.first) break;
      yield* available(ledger, from, offset);
      const phase = phases[deliveries.slots.phaseOf(slot)] ?? 'ready';
      yield { first: offset, end: offset + 1, state: phaseStates[phase] };
      from = offset + 1;
    }
    yield* available(ledger, from, finished.first);
    if (finished.state !== undefined) yield { ...finished, state: finished.state };
    from = finished.end;
  }
}

/** What is finished, and an empty run at the end. */
function* finishedAndEnd(
  ledger: DeliveryLedger,
): Generator<OffsetRange & { readonly state?: DeliveryStateName }> {
  for (const { first, end, ending } of ledger.finishedRanges()) yield { first, end, state: ending };
  yield { first: ledger.endOffset, end: ledger.endOffset };
}

function* available(ledger: DeliveryLedger, first: number, end: number): Generator<StateRange> {
  if (first >= end) return;
  for (const run of ledger.knownRanges(first, end)) yield { ...run, state: 'Available' };
}

function sortedByOffset({ slots }: Deliveries): Uint32Array {
  const used = new Uint32Array(slots.count);
  let count = 0;
  for (let slot = 0; slot < slots.end; slot += 1) {
    if (!slots.isUsed(slot)) continue;
    used[count] = slot;
    count += 1;
  }
  return used.sort((one, other) => slots.offsetOf(one) - slots.offsetOf(other));
}

export function sumOfCounts(all: readonly DeliveryCounts[]): DeliveryCounts {
  const sum = { ...NO_COUNTS };
  for (const counts of all) {
    for (const name of countNames) sum[name] += counts[name];
  }
  return sum;
}

const countNames = [
  'toCome',
  'ready',
  'waiting',
  'exhausted',
  'moving',
  'inFlight',
  'inFlightBytes',
  'delivered',
  'redelivered',
  'acknowledged',
  'archived',
  'released',
  'expired',
] as const satisfies readonly (keyof DeliveryCounts)[];

const NO_COUNTS: { -readonly [Name in keyof DeliveryCounts]: number } = {
  toCome: 0,
  ready: 0,
  waiting: 0,
  exhausted: 0,
  moving: 0,
  inFlight: 0,
  inFlightBytes: 0,
  delivered: 0,
  redelivered: 0,
  acknowledged: 0,
  archived: 0,
  released: 0,
  expired: 0,
};
