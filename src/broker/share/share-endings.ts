/**
 * Ending deliveries in lists: what can be ended is, and the rest is told.
 */

import type { Delivery, DeliveryPartition, RefusedDelivery } from './share-delivered.js';
import { type ReceiptAnswer, receiptRefused } from './share-errors.js';

/** An error names so many of the refused ones. */
const SHOWN_MAX = 100;

/** A message that is done with; its bytes when they are known. */
export interface FinishedMessage {
  readonly partition: number;
  readonly offset: number;
  readonly bytes?: number | undefined;
}

/** Ends each of them; returns those that could not be. `done`: those that this has ended. */
export function endEach(
  deliveries: readonly Delivery[],
  end: (delivery: Delivery) => ReceiptAnswer,
  done?: Delivery[],
): RefusedDelivery[] {
  const refused: RefusedDelivery[] = [];
  for (const delivery of deliveries) {
    const answer = end(delivery);
    if (answer === 'done') done?.push(delivery);
    else if (answer !== 'already') refused.push({ delivery, answer });
  }
  return refused;
}

/** Stores what the partitions owe; all appends of a turn are one. */
export async function flush(
  deliveries: readonly Delivery[],
  acks: 'durable' | 'written',
): Promise<void> {
  let last: DeliveryPartition | undefined;
  let flushing: Promise<void> | undefined;
  for (const { partition } of deliveries) {
    if (partition === last || partition.isOver) continue;
    last = partition;
    flushing = partition.place.flush(acks);
  }
  await flushing;
}

export function byPartition(deliveries: readonly Delivery[]): Map<DeliveryPartition, Delivery[]> {
  const found = new Map<DeliveryPartition, Delivery[]>();
  for (const delivery of deliveries) {
    const own = found.get(delivery.partition);
    if (own === undefined) found.set(delivery.partition, [delivery]);
    else own.push(delivery);
  }
  return found;
}

/** Throws RECEIPT_STALE or LEASE_FROZEN, with which were refused, unless none was. */
export function throwRefused(
  deliveries: readonly Delivery[],
  refused: readonly RefusedDelivery[],
): void {
  const [first] = refused;
  if (first === undefined) return;
  const { group, partition } = first.delivery;
  const shown = refused.slice(0, SHOWN_MAX).map(({ delivery }) => delivery);
  throw receiptRefused(refused.some(({ answer }) => answer === 'stale') ? 'stale' : 'frozen', {
    group: group.name,
    topic: group.topic.name,
    partition: partition.partition,
    refused: refused.length,
    of: deliveries.length,
    offsets: shown.map((each) => `${each.partition.partition}-${each.offset}`).join(' '),
  });
}
