/**
 * Messages that are wanted out of their order, by whoever looks after a group: searches of what is
 * under way, so not for the hot path.
 */

import type { Deliveries } from './share-deliveries.js';
import type { DeliveryLedger } from './share-ledger.js';
import { SLOTS_MAX } from './share-receipt.js';
import { NONE } from './share-slots.js';
import { READY } from './share-states.js';
import type { RememberedDeliveries } from './share-stored.js';
import type { ToCome } from './share-to-come.js';

const NO_ATTEMPTS = { deliveries: 0, failures: 0 };

export interface OrderParts {
  readonly ledger: DeliveryLedger;
  readonly deliveries: Deliveries;
  readonly toCome: ToCome;
  readonly remembered: RememberedDeliveries;
}

/**
 * Takes out the slots of the wanted messages that may be given out now, up to `max`. What was not
 * offered yet is known from here on: whoever wants it has read it.
 */
export function takeWanted(parts: OrderParts, wanted: ReadonlySet<number>, max: number): number[] {
  const { ledger, deliveries, toCome, remembered } = parts;
  const slots = deliveries.takeReady((offset) => wanted.has(offset), max);
  const underWay = deliveries.offsetsAmong(wanted);
  for (const offset of wanted) {
    if (slots.length === max || deliveries.slots.count === SLOTS_MAX) break;
    const isToCome = (): boolean => !ledger.isFinished(offset) && !underWay.has(offset);
    if (ledger.isKnown(offset)) {
      if (!toCome.remove(offset, isToCome)) continue;
    } else {
      ledger.learn(offset, offset + 1, () => undefined);
      toCome.passOver(offset);
    }
    slots.push(deliveries.begin(offset, remembered.take(offset) ?? NO_ATTEMPTS, NONE));
  }
  return slots;
}

/** The lowest offsets of messages that nobody has and that wait for nothing. */
export function oldestAvailable({ ledger, deliveries }: OrderParts, max: number): Set<number> {
  const { slots } = deliveries;
  const held = new Set<number>();
  for (let slot = 0; slot < slots.end; slot += 1) {
    if (slots.isUsed(slot) && slots.phaseOf(slot) !== READY) held.add(slots.offsetOf(slot));
  }
  const found = new Set<number>();
  let offset = ledger.firstUnfinishedFrom(ledger.startOffset);
  while (found.size < max && offset < ledger.endOffset) {
    if (ledger.isKnown(offset) && !held.has(offset)) found.add(offset);
    offset = ledger.firstUnfinishedFrom(offset + 1);
  }
  return found;
}
