/**
 * A message as a consumer gets it: its value, what goes with it, and the ways to end it.
 *
 * Key, value and headers are views of what was read, which stay valid for as long as they are
 * referenced; `copy()` lets go of the memory around them. A value of bytes is looked up when it is
 * asked for; those of other codecs were decoded before, so that one which cannot be is never
 * handed out.
 */

import type { LogRecord, RecordHeader } from '../../storage/main.js';
import { EXCHANGE_HEADER, ROUTING_KEY_HEADER } from '../exchange/exchange-message.js';
import type { Codec } from '../topic/codec.js';
import type { Transaction } from '../transaction/transaction.js';
import type { MessageEndings } from '../worker/queue-worker-source.js';
import type { QueueDelivery } from './queue-group.js';
import { groupIn, textIn, userHeaders } from './queue-headers.js';
import { receivedId } from './queue-message-id.js';
import { replyToIn } from './queue-reply-to.js';

/** A codec whose values need no decoding. */
export interface PlainCodec<Output> extends Codec<Output, never> {
  decode(bytes: Buffer): Output;
}

export function isPlain<Output>(codec: Codec<Output, never>): codec is PlainCodec<Output> {
  return codec.recordAt !== undefined;
}

/** The value of a message: decoded, or to be looked up. */
export type MessageValue<Output> =
  | { readonly value: Output | null }
  | { readonly codec: PlainCodec<Output> };

export interface ReleaseOptions {
  /** How long until it can be received again; 0 when absent. */
  readonly delayMs?: number | undefined;
}

export interface RejectOptions {
  /** For the dead letter. */
  readonly reason?: string | undefined;
}

export interface ReplyOptions {
  /** Encodes the answer; the queue's own when absent. */
  readonly codec?: Codec<unknown, unknown> | undefined;
}

/** What a message needs of its queue. */
export interface MessageHome {
  acknowledge(message: QueueMessage<unknown>): Promise<void>;
  release(message: QueueMessage<unknown>, delayMs: number): Promise<void>;
  reject(message: QueueMessage<unknown>, reason: string | undefined): Promise<void>;
  rejectIn(
    transaction: Transaction,
    message: QueueMessage<unknown>,
    reason: string | undefined,
  ): Promise<void>;
  extend(message: QueueMessage<unknown>, leaseMs: number): Promise<void>;
  receiptOf(delivery: QueueDelivery): string;
  reply(
    message: QueueMessage<unknown>,
    value: unknown,
    codec: Codec<unknown, unknown> | undefined,
  ): Promise<boolean>;
}

export class QueueMessage<Value> {
  /** @internal */
  readonly delivery: QueueDelivery;
  /** @internal */
  readonly record: LogRecord;
  readonly #home: MessageHome;
  readonly #content: MessageValue<Value>;
  #endings: MessageEndings | undefined;

  /** @internal */
  constructor(
    home: MessageHome,
    delivery: QueueDelivery,
    content: MessageValue<Value>,
    record: LogRecord = delivery.record,
  ) {
    this.#home = home;
    this.delivery = delivery;
    this.#content = content;
    this.record = record;
  }

  get id(): string {
    return receivedId(this.priority, this.offset, this.record.headers);
  }

  /** Null when it was sent without one. */
  get value(): Value | null {
    const content = this.#content;
    if ('value' in content) return content.value;
    const { value } = this.record;
    return value === null ? null : content.codec.decode(value);
  }

  get key(): Buffer | null {
    return this.record.key;
  }

  /** As they were sent. */
  get headers(): readonly RecordHeader[] {
    return userHeaders(this.record.headers);
  }

  /** When it was stored, or its delay was over, in milliseconds since 1970. */
  get timestamp(): number {
    return this.record.timestamp;
  }

  get priority(): number {
    return this.delivery.partition.key.partition;
  }

  /** What it is in order with, where the queue is first in, first out. */
  get group(): string | undefined {
    return groupIn(this.record.headers);
  }

  /** Where it lies among the messages of its priority. */
  get offset(): number {
    return this.delivery.offset;
  }

  /** How often it was handed out, this time included. */
  get deliveries(): number {
    return this.delivery.deliveries;
  }

  /** How many of the deliveries before this one have failed. */
  get failures(): number {
    return this.delivery.failures;
  }

  /** Names this delivery, also in other processes that ask the holder of the broker. */
  get receipt(): string {
    return this.#home.receiptOf(this.delivery);
  }

  /** When others may get the message, in milliseconds of the monotonic clock. */
  get leaseEndsMs(): number {
    return this.delivery.leaseEndsMs;
  }

  /**
   * The message is done with; durable when this resolves. To repeat it is harmless. Rejects with
   * RECEIPT_STALE when the delivery is over, LEASE_FROZEN when a transaction has the message.
   */
  acknowledge(): Promise<void> {
    return this.#endings?.acknowledge() ?? this.#home.acknowledge(this);
  }

  /** Gives it back, for others or for later. Rejects as `acknowledge`, and OPTION_INVALID. */
  release({ delayMs = 0 }: ReleaseOptions = {}): Promise<void> {
    return this.#endings?.release({ delayMs }) ?? this.#home.release(this, delayMs);
  }

  /** Moves it to the dead letters. Rejects as `acknowledge`. */
  reject({ reason }: RejectOptions = {}): Promise<void> {
    return this.#endings?.reject({ reason }) ?? this.#home.reject(this, reason);
  }

  /** @internal What `transaction.reject` does with a message. */
  rejectIn(transaction: Transaction, reason: string | undefined): Promise<void> {
    return this.#home.rejectIn(transaction, this, reason);
  }

  /** Others do not get it for `leaseMs` milliseconds from now. Rejects as `release`. */
  extend(leaseMs: number): Promise<void> {
    return this.#endings?.extend(leaseMs) ?? this.#home.extend(this, leaseMs);
  }

  /** The exchange that it came by, and with which key. */
  get exchange(): string | undefined {
    return textIn(this.record.headers, EXCHANGE_HEADER);
  }

  get routingKey(): string | undefined {
    return textIn(this.record.headers, ROUTING_KEY_HEADER);
  }

  /**
   * Where the answer of a request goes, which no other request has; undefined for other messages.
   * Passed on in the header `millrace-reply-to`, it lets whoever gets that message answer.
   */
  get replyTo(): string | undefined {
    return replyToIn(this.record.headers);
  }

  /**
   * Answers whoever sent it by `request`; false when nobody waits for the answer any more. Rejects
   * with VALUE_INVALID.
   */
  reply(value: unknown, { codec }: ReplyOptions = {}): Promise<boolean> {
    return this.#home.reply(this, value, codec);
  }

  /** The same message in memory of its own; either of the two ends it. */
  copy(): QueueMessage<Value> {
    const copy = new QueueMessage(this.#home, this.delivery, this.#content, this.record.copy());
    if (this.#endings !== undefined) copy.endBy(this.#endings);
    return copy;
  }

  /** @internal Whoever runs a handler sees to how its message ends. */
  endBy(endings: MessageEndings): void {
    this.#endings = endings;
  }
}
