/**
 * One delivery of a message: who has it is in the delivery state, and its receipt names it there.
 */

import { assert } from '../../base/assert.js';
import type { LogRecord } from '../../storage/main.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { ReceiptAnswer } from './share-errors.js';
import type { DeliverySource } from './share-source.js';

/** The group of a delivery, as far as a message needs it. */
export interface DeliveryGroup {
  readonly name: string;
  readonly topic: HostedTopic;
  receiptOf(delivery: Delivery): string;
}

/** The partition of a delivery, which ends it. */
export interface DeliveryPartition extends DeliverySource {
  readonly partition: number;
  /** Every receipt is stale from now on. */
  readonly isOver: boolean;
  readonly life: number;
  readonly place: { flush(acks: 'durable' | 'written'): Promise<void> };
  readonly state: { isHeld(offset: number, receipt: number): boolean };
  acknowledge(delivery: Delivery): ReceiptAnswer;
  reject(delivery: Delivery): ReceiptAnswer;
  archive(delivery: Delivery): ReceiptAnswer;
  release(delivery: Delivery, delayMs: number, isFailure: boolean): ReceiptAnswer;
  extend(delivery: Delivery, leaseMs: number): ReceiptAnswer;
  withdraw(offset: number, receipt: number, delayMs?: number): ReceiptAnswer;
  takeAway(delivery: Delivery): ReceiptAnswer;
  readMissing(deliveries: readonly Delivery[]): Promise<readonly Delivery[]>;
}

export class Delivery {
  readonly group: DeliveryGroup;
  readonly partition: DeliveryPartition;
  readonly offset: number;
  /** With partition and offset the fencing token; another one when the message was taken away. */
  receipt: number;
  /** Of the message, this one included if somebody saw it. */
  deliveries: number;
  /** Deliveries of it that have failed before. */
  readonly failures: number;
  /** Monotonic; an extension moves it. */
  leaseEndsMs: number;
  /** Of key, value and headers; 0 while the record is not read. */
  bytes = 0;
  #record: LogRecord | undefined;

  constructor(
    group: DeliveryGroup,
    partition: DeliveryPartition,
    offset: number,
    receipt: number,
    deliveries: number,
    failures: number,
    leaseEndsMs: number,
    record: LogRecord | undefined,
  ) {
    this.group = group;
    this.partition = partition;
    this.offset = offset;
    this.receipt = receipt;
    this.deliveries = deliveries;
    this.failures = failures;
    this.leaseEndsMs = leaseEndsMs;
    this.#record = record;
  }

  /** The message; a delivery that was made of a receipt has it once it was read. */
  get record(): LogRecord {
    assert(this.#record !== undefined, 'the record of the delivery is read');
    return this.#record;
  }

  get hasRecord(): boolean {
    return this.#record !== undefined;
  }

  setRecord(record: LogRecord): void {
    this.#record = record;
  }
}

/** A delivery that could not be ended as was asked. */
export interface RefusedDelivery {
  readonly delivery: Delivery;
  readonly answer: 'stale' | 'frozen';
}
