/**
 * A message of a topic as a consumer in a share group gets it, with the ways to end it.
 */

import type { RecordHeader } from '../../storage/main.js';
import type { ConsumerRecord } from '../topic/codec.js';
import type { ShareReleaseOptions } from './share-consumer-options.js';
import type { Delivery } from './share-delivered.js';

/** What a message needs of its consumer. */
export interface ShareMessageHome {
  acknowledge(messages: readonly ShareMessage<unknown>[]): Promise<void>;
  release(messages: readonly ShareMessage<unknown>[], how?: ShareReleaseOptions): Promise<void>;
  reject(messages: readonly ShareMessage<unknown>[], why?: ShareRejectOptions): Promise<void>;
  renew(messages: readonly ShareMessage<unknown>[], leaseMs: number): Promise<void>;
}

export interface ShareRejectOptions {
  /** For the dead letter. */
  readonly reason?: string | undefined;
}

export class ShareMessage<Value> implements ConsumerRecord<Value> {
  readonly topic: string;
  /** Null in a tombstone. */
  readonly value: Value | null;
  /** @internal */
  readonly delivery: Delivery;
  readonly #home: ShareMessageHome;

  /** @internal */
  constructor(home: ShareMessageHome, delivery: Delivery, value: Value | null) {
    this.#home = home;
    this.topic = delivery.group.topic.name;
    this.delivery = delivery;
    this.value = value;
  }

  get partition(): number {
    return this.delivery.partition.partition;
  }

  get offset(): number {
    return this.delivery.offset;
  }

  get timestamp(): number {
    return this.delivery.record.timestamp;
  }

  get key(): Buffer | null {
    return this.delivery.record.key;
  }

  get headers(): readonly RecordHeader[] {
    return this.delivery.record.headers;
  }

  /** How often it was handed out, this time included. */
  get deliveries(): number {
    return this.delivery.deliveries;
  }

  /** How many of the deliveries before this one have failed. */
  get failures(): number {
    return this.delivery.failures;
  }

  /** When others may get the message, in milliseconds of the monotonic clock. */
  get leaseEndsMs(): number {
    return this.delivery.leaseEndsMs;
  }

  /** Names this delivery, also after a restart. */
  get receipt(): string {
    return this.delivery.group.receiptOf(this.delivery);
  }

  /** See {@link ShareConsumer.acknowledge}. */
  acknowledge(): Promise<void> {
    return this.#home.acknowledge([this]);
  }

  release(options?: ShareReleaseOptions): Promise<void> {
    return this.#home.release([this], options);
  }

  reject(options?: ShareRejectOptions): Promise<void> {
    return this.#home.reject([this], options);
  }

  renew(leaseMs: number): Promise<void> {
    return this.#home.renew([this], leaseMs);
  }
}
