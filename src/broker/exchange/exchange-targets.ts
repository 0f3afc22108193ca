/**
 * The seam between exchanges and what they route to: how queues and topics are found and sent to.
 */

import type { RecordHeaderInput } from '../../storage/main.js';
import type { StoredPlace } from '../producer/deduplication-window.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Transaction } from '../transaction/transaction.js';

/** What a queue takes beside a value; a topic takes its key and headers alone. */
export interface RoutedSendOptions {
  readonly key?: Uint8Array | string | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  readonly priority?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly at?: number | undefined;
  readonly group?: string | undefined;
  readonly deduplicationId?: string | undefined;
  readonly ttlMs?: number | undefined;
}

/** A message whose value is encoded. */
export interface RoutedSend extends RoutedSendOptions {
  readonly value: Uint8Array | string;
}

export interface QueueTarget {
  /** Its messages lie in it, and its ids count in it. */
  readonly topic: HostedTopic;
  /** The deduplication id of a message in this queue, which may be its content's. */
  idOf(message: RoutedSend): string | undefined;
  /** Resolves when the message is durable; throws, or rejects, what a send is refused with. */
  send(message: RoutedSend, signal: AbortSignal | undefined): Promise<unknown>;
  /** The same for a list. */
  sendAll(messages: readonly RoutedSend[], signal: AbortSignal | undefined): Promise<unknown>;
  /**
   * Sends in a transaction: seen when it commits. Ids were claimed before, `ids` are their headers.
   */
  sendIn(
    transaction: Transaction,
    messages: readonly RoutedSend[],
    ids: readonly (string | undefined)[],
  ): Promise<readonly StoredPlace[]>;
  /** So many messages that were sent in a transaction are there; for the statistics. */
  stored(count: number): void;
}

export interface ExchangeTargets {
  findTopic(name: string): HostedTopic | undefined;
  /** Undefined when there is no queue of this name. */
  findQueue(name: string): QueueTarget | undefined;
}
