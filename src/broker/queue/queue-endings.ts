/**
 * How messages of a queue end: one, or a list of messages and receipts.
 *
 * Of a list all that can be are ended, and stored as one; then an error says that some could not,
 * because their deliveries are over or a transaction has them.
 */

import { createError, hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { MoveCause } from '../share/dead-letter-mover.js';
import { receiptRefused } from '../share/share-errors.js';
import type {
  DeadLetters,
  QueueDelivery,
  QueueGroup,
  RefusedQueueDelivery,
} from './queue-group.js';
import { QueueMessage } from './queue-message.js';
import { queueOptionTable } from './queue-options.js';

/** A message, or its receipt. */
export type MessageOrReceipt = QueueMessage<unknown> | string;

/** What is refused, in the order of the list. */
type Refused = readonly RefusedQueueDelivery[];

/** Facts of an error name so many messages at most. */
const NAMED_MAX = 100;

/** Of a rejected message. Throws OPTION_INVALID. */
export function rejectedFor(reason: unknown): { readonly reason: string; readonly code: string } {
  if (reason !== undefined && typeof reason !== 'string') {
    throw createError('OPTION_INVALID', { option: 'reason', expected: 'a text' });
  }
  return { reason: reason ?? 'rejected', code: 'MESSAGE_REJECTED' };
}

export class QueueEndings {
  readonly #queue: string;
  readonly #group: QueueGroup;
  readonly #letters: DeadLetters;

  constructor(queue: string, group: QueueGroup, letters: DeadLetters) {
    this.#queue = queue;
    this.#group = group;
    this.#letters = letters;
  }

  /** The shortest way for a message. Throws what is refused. */
  acknowledgeOne(message: QueueMessage<unknown>): Promise<void> {
    const { delivery } = message;
    const answer = this.#group.acknowledgeOne(delivery);
    if (typeof answer !== 'string') return answer;
    throw this.#refusedError(1, [{ delivery, answer }], []);
  }

  async acknowledge(list: readonly MessageOrReceipt[]): Promise<void> {
    await this.#each(list, (deliveries) => this.#group.acknowledgeAll(deliveries));
  }

  async release(
    list: readonly MessageOrReceipt[],
    { delayMs, isFailure }: { readonly delayMs: number; readonly isFailure: boolean },
  ): Promise<void> {
    checkMs('delayMs', delayMs, 0);
    await this.#each(list, (deliveries) => {
      return this.#group.releaseAll(deliveries, { delayMs, isFailure });
    });
  }

  async reject(list: readonly MessageOrReceipt[], reason: string | undefined): Promise<void> {
    const cause = rejectedFor(reason);
    await this.#each(list, (deliveries) => this.rejectAll(deliveries, cause));
  }

  async extend(list: readonly MessageOrReceipt[], leaseMs: number): Promise<void> {
    checkMs('leaseMs', leaseMs, 1);
    await this.#each(list, (deliveries) => this.#group.extendAll(deliveries, leaseMs));
  }

  /** To the dead letters; those whose deliveries are over come back. */
  async rejectAll(deliveries: readonly QueueDelivery[], cause: MoveCause): Promise<Refused> {
    const held = deliveries.filter((delivery) => this.#group.isHeld(delivery));
    // To repeat a rejection is harmless; everything else is stale.
    const over = deliveries.filter((delivery) => !this.#group.isHeld(delivery));
    const refused = over.length === 0 ? [] : [...(await this.#group.rejectAll(over))];
    if (held.length === 0) return refused;
    try {
      await this.#letters.move(await this.#group.withRecords(held), cause);
    } catch (error) {
      const answer = answerOf(error);
      if (answer === undefined) throw error;
      if (held.length === 1) return [...refused, ...held.map((delivery) => ({ delivery, answer }))];
      // One of them was refused and none was moved: each for itself.
      for (const delivery of held) refused.push(...(await this.rejectAll([delivery], cause)));
    }
    return refused;
  }

  async #each(
    list: readonly MessageOrReceipt[],
    end: (deliveries: readonly QueueDelivery[]) => Refused | Promise<Refused>,
  ): Promise<void> {
    const { deliveries, stale } = await this.#deliveriesOf(list);
    const refused = deliveries.length === 0 ? [] : await end(deliveries);
    if (refused.length + stale.length === 0) return;
    throw this.#refusedError(list.length, refused, stale);
  }

  /** Throws RECEIPT_INVALID when one of the receipts is none: then nothing was done. */
  async #deliveriesOf(list: readonly MessageOrReceipt[]): Promise<{
    readonly deliveries: readonly QueueDelivery[];
    readonly stale: readonly string[];
  }> {
    checkList(list);
    const deliveries: QueueDelivery[] = [];
    const stale: string[] = [];
    for (const one of list) {
      if (one instanceof QueueMessage) deliveries.push(this.#own(one));
      else await this.#find(one, deliveries, stale);
    }
    return { deliveries, stale };
  }

  #own(message: QueueMessage<unknown>): QueueDelivery {
    const { delivery } = message;
    if (delivery.partition.key.group === this.#queue) return delivery;
    const expected = `a message of ${this.#queue}`;
    // Only for the error: to make a receipt costs more than to acknowledge its message.
    throw createError('RECEIPT_INVALID', { receipt: message.receipt, expected });
  }

  async #find(receipt: string, deliveries: QueueDelivery[], stale: string[]): Promise<void> {
    try {
      deliveries.push(await this.#group.deliveryOf(receipt));
    } catch (error) {
      if (!hasCode(error, 'RECEIPT_STALE')) throw error;
      stale.push(receipt);
    }
  }

  #refusedError(count: number, refused: Refused, stale: readonly string[]): Error {
    const frozen = refused.filter(({ answer }) => answer === 'frozen').length;
    const isStale = stale.length + refused.length > frozen;
    const offsets = refused.slice(0, NAMED_MAX).map(({ delivery }) => delivery.offset);
    return receiptRefused(isStale ? 'stale' : 'frozen', {
      queue: this.#queue,
      refused: refused.length + stale.length,
      of: count,
      ...(offsets.length === 0 ? {} : { offsets: offsets.join(', ') }),
    });
  }
}

function answerOf(error: unknown): RefusedQueueDelivery['answer'] | undefined {
  if (hasCode(error, 'RECEIPT_STALE')) return 'stale';
  return hasCode(error, 'LEASE_FROZEN') ? 'frozen' : undefined;
}

function checkList(list: readonly MessageOrReceipt[]): void {
  const max = limits.queueBatchMax;
  const isList = Array.isArray(list) && list.length <= max;
  if (isList && list.every(isMessageOrReceipt)) return;
  const expected = `a list of at most ${max} messages and receipts`;
  throw createError('OPTION_INVALID', { option: 'messages', expected });
}

function isMessageOrReceipt(given: unknown): given is MessageOrReceipt {
  return typeof given === 'string' || given instanceof QueueMessage;
}

function checkMs(option: 'delayMs' | 'leaseMs', value: unknown, min: number): void {
  const { max } = queueOptionTable.visibilityTimeoutMs;
  if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return;
  const expected = `a whole number from ${min} to ${max} (ms)`;
  const actual = typeof value === 'number' ? value : typeof value;
  throw createError('OPTION_INVALID', { option, expected, actual });
}
