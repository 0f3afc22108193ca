/**
 * What a delivery state is made with, is asked, and tells of itself.
 */

import { assert } from '../../base/assert.js';
import { FAILURES_MAX, type LeaseEnded } from './share-deliveries.js';
import type { KeyBounds } from './share-keys.js';
import { DELIVERIES_MAX, SLOTS_MAX } from './share-receipt.js';

export interface DeliveryLimits {
  /** Messages that consumers have at once. */
  readonly inFlightMax: number;
  /** Messages that were given out and are not finished: in flight, back, waiting or exhausted. */
  readonly underWayMax: number;
  /** A message is given out this often at most. */
  readonly deliveriesMax: number;
  /** A message is not given out again when this many of its deliveries have failed. */
  readonly failuresMax: number;
}

export function checkDeliveryLimits(limits: DeliveryLimits): void {
  const { inFlightMax, underWayMax, deliveriesMax, failuresMax } = limits;
  assert(inFlightMax >= 1 && underWayMax >= 1, 'a message may be given out');
  assert(underWayMax <= SLOTS_MAX, 'what is under way fits in memory');
  assert(deliveriesMax >= 1 && deliveriesMax <= DELIVERIES_MAX, 'deliveries are counted so far');
  assert(failuresMax >= 1 && failuresMax <= FAILURES_MAX, 'failures are counted so far');
}

export interface DeliveryOptions {
  readonly startOffset: number;
  /** Times are monotonic milliseconds. */
  readonly nowMs: number;
  readonly limits: DeliveryLimits;
  /** Given: messages with a key are in key order. */
  readonly keyBounds?: KeyBounds | undefined;
  /** Called in the step in which a lease ends without its consumer; it changes nothing here. */
  readonly onLeaseEnded?: LeaseEnded | undefined;
}

export interface AcquireRequest {
  readonly max: number;
  /** The number of the consumer, below 65,536. */
  readonly owner: number;
  readonly nowMs: number;
  /** At most 24 days, as every time. */
  readonly leaseMs: number;
}

export interface ReleaseRequest {
  readonly nowMs: number;
  /** 0: it may be given out again at once. */
  readonly delayMs: number;
  /** Whether the delivery counts as a failure. */
  readonly isFailure: boolean;
}

export interface DeliveryCounts {
  /** Never given out yet. */
  readonly toCome: number;
  /** Back, and to be given out first. */
  readonly ready: number;
  /** Back, and to be given out after a delay. */
  readonly waiting: number;
  /** For the dead letters, and on the way to them. */
  readonly exhausted: number;
  readonly moving: number;
  readonly inFlight: number;
  /** As far as they were noted. */
  readonly inFlightBytes: number;
  /** From here on: so far, since the state was made. */
  readonly delivered: number;
  readonly redelivered: number;
  readonly acknowledged: number;
  readonly archived: number;
  readonly released: number;
  /** Leases that ended by time. */
  readonly expired: number;
}
