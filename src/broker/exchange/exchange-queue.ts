/**
 * A queue as an exchange sends to it.
 *
 * What a message says is for all who get it, and queues differ: a priority that a queue does not
 * have is its highest (as in RabbitMQ), and a group means nothing where order is none of the
 * queue's business (as a standard queue behind a FIFO topic in SNS).
 */

import { sha256Hex } from '../../base/hashing.js';
import type { StoredPlace } from '../producer/deduplication-window.js';
import type { HostedQueue } from '../queue/hosted-queue.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Transaction } from '../transaction/transaction.js';
import type { QueueTarget, RoutedSend } from './exchange-targets.js';

const made = new WeakMap<HostedQueue, QueueTarget>();

/** One for each queue, for as long as it is there. */
export function queueTarget(queue: HostedQueue): QueueTarget {
  const known = made.get(queue);
  if (known !== undefined) return known;
  const target = new ExchangeQueue(queue);
  made.set(queue, target);
  return target;
}

class ExchangeQueue implements QueueTarget {
  readonly #queue: HostedQueue;

  constructor(queue: HostedQueue) {
    this.#queue = queue;
  }

  get topic(): HostedTopic {
    return this.#queue.topic;
  }

  idOf({ deduplicationId, value }: RoutedSend): string | undefined {
    if (deduplicationId !== undefined) return deduplicationId;
    return this.#queue.config.deduplication === 'content' ? sha256Hex(value) : undefined;
  }

  send(message: RoutedSend, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#queue.send(bytes, this.#suited(message), signal);
  }

  sendAll(messages: readonly RoutedSend[], signal: AbortSignal | undefined): Promise<unknown> {
    return this.#queue.sendAll(bytes, this.#allSuited(messages), signal);
  }

  async sendIn(
    transaction: Transaction,
    messages: readonly RoutedSend[],
    ids: readonly (string | undefined)[],
  ): Promise<readonly StoredPlace[]> {
    const suited = this.#allSuited(messages);
    const sent = await this.#queue.sendIn(bytes, transaction, suited, ids);
    return sent.map(({ place }) => place);
  }

  stored(count: number): void {
    this.#queue.noteSent(count);
  }

  #allSuited(messages: readonly RoutedSend[]): readonly RoutedSend[] {
    return messages.map((message) => this.#suited(message));
  }

  #suited(message: RoutedSend): RoutedSend {
    const { priority = 0, group } = message;
    const { priorities, fifo } = this.#queue.config;
    const isSuited = priority < priorities && (fifo || group === undefined);
    if (isSuited) return message;
    return {
      ...message,
      priority: Math.min(priority, priorities - 1),
      group: fifo ? group : undefined,
    };
  }
}
