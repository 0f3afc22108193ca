/**
 * The receipt of a delivery: its slot and its number, in one whole number below 2^53.
 *
 * The deliveries of a message are numbered from 1 and a number is handed out once, so the offset
 * and the receipt together name one delivery of the partition: the fencing token. After a restart
 * the numbers go on from what was stored; whoever gives receipts to the outside adds the generation
 * of the group, which a reset raises.
 *
 * Who takes a message out of a group, to move it or to drop it, has the negative of the number: the
 * consumer that had it last can do nothing to it meanwhile. No receipt from outside is negative.
 */

import { assert } from '../../base/assert.js';

/** Messages of one partition that may be under way at once. */
export const SLOTS_MAX = 2 ** 22;
/** Deliveries of one message that are told apart. */
export const DELIVERIES_MAX = 2 ** 31 - 1;

export function receiptOf(slot: number, deliveries: number): number {
  assert(slot < SLOTS_MAX, 'the slot fits in a receipt');
  assert(deliveries > 0 && deliveries <= DELIVERIES_MAX, 'the delivery fits in a receipt');
  return deliveries * SLOTS_MAX + slot;
}

/** The receipt of who has taken the message that was last delivered by this one. */
export function takersReceiptOf(receipt: number): number {
  return -receipt;
}

export function isTakersReceipt(receipt: number): boolean {
  return receipt < 0;
}

export function slotOf(receipt: number): number {
  // The remainder of two numbers that are no small integers would be a call of `fmod`.
  const number = Math.abs(receipt);
  return number - Math.floor(number / SLOTS_MAX) * SLOTS_MAX;
}

/** The number of the delivery: 1 is the first of the message. */
export function deliveryOf(receipt: number): number {
  return Math.floor(Math.abs(receipt) / SLOTS_MAX);
}

/** Whether some delivery to a consumer can have this receipt. */
export function isReceipt(receipt: number): boolean {
  return Number.isSafeInteger(receipt) && receipt >= SLOTS_MAX;
}
