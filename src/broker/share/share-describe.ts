/**
 * The state of each range of offsets of a partition, for people and for programs that look.
 */

import type { Deliveries } from './share-deliveries.js';
import type { DeliveryLedger } from './share-ledger.js';
import type { OffsetRange } from './share-ranges.js';
import { type DeliveryStateName, phaseStates, phases } from './share-states.js';

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
