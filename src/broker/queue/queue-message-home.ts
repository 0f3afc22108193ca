/**
 * What the messages of one handle do when they are ended by themselves.
 */

import type { Codec } from '../topic/codec.js';
import type { Transaction } from '../transaction/transaction.js';
import type { HostedQueue } from './hosted-queue.js';
import { type QueueEndings, rejectedFor } from './queue-endings.js';
import type { QueueDelivery } from './queue-group.js';
import type { MessageHome, QueueMessage } from './queue-message.js';
import { replyBy } from './queue-request.js';

export class QueueMessageHome implements MessageHome {
  readonly #queue: HostedQueue;
  /** For replies that bring none. */
  readonly #codec: Codec<unknown, unknown>;

  constructor(queue: HostedQueue, codec: Codec<unknown, unknown>) {
    this.#queue = queue;
    this.#codec = codec;
  }

  acknowledge(message: QueueMessage<unknown>): Promise<void> {
    try {
      // Whoever does not look at what it resolves to is to hear of a rejection: a promise for each.
      return this.#queue.handedOut().endings.acknowledgeOne(message).then();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async release(message: QueueMessage<unknown>, delayMs: number): Promise<void> {
    await (await this.#endings()).release([message], { delayMs, isFailure: false });
  }

  async reject(message: QueueMessage<unknown>, reason: string | undefined): Promise<void> {
    await (await this.#endings()).reject([message], reason);
  }

  async rejectIn(
    transaction: Transaction,
    { delivery }: QueueMessage<unknown>,
    reason: string | undefined,
  ): Promise<void> {
    const { letters } = await this.#queue.messages();
    await letters.moveIn(transaction, [delivery], rejectedFor(reason));
  }

  async extend(message: QueueMessage<unknown>, leaseMs: number): Promise<void> {
    await (await this.#endings()).extend([message], leaseMs);
  }

  receiptOf(delivery: QueueDelivery): string {
    return this.#queue.receiptOf(delivery);
  }

  reply(
    { record }: QueueMessage<unknown>,
    value: unknown,
    codec: Codec<unknown, unknown> = this.#codec,
  ): Promise<boolean> {
    return replyBy(record.headers, this.#queue.replies, codec, value);
  }

  async #endings(): Promise<QueueEndings> {
    return (await this.#queue.messages()).endings;
  }
}
