/**
 * Taking messages of a partition: acquired in blocks, and made deliveries with their records.
 *
 * What was acquired and does not fit in the bytes that are asked for is withdrawn in the same step.
 */

import { AcquiredBlock } from './share-acquired.js';
import { Delivery, type DeliveryPartition } from './share-delivered.js';
import type { DeliveryState } from './share-delivery.js';
import type { ShareFeed } from './share-feed.js';
import type { ShareIntake } from './share-intake.js';
import type { PartitionGroup, TakeRequest } from './share-partition-parts.js';

/** What one call acquires at most; who wants more calls again. */
const BLOCK_MESSAGES = 1_024;

export interface TakingParts {
  readonly group: PartitionGroup;
  /** Whose deliveries they are. */
  readonly partition: DeliveryPartition;
  readonly state: DeliveryState;
  readonly intake: ShareIntake;
  readonly feed: ShareFeed;
}

export class ShareTaking {
  readonly #parts: TakingParts;
  readonly #block = new AcquiredBlock(BLOCK_MESSAGES);

  constructor(parts: TakingParts) {
    this.#parts = parts;
  }

  /** Acquires messages, without the records of those that are to be read again. */
  take(request: TakeRequest, into: Delivery[]): number {
    const { state, intake, feed } = this.#parts;
    const { owner, nowMs, leaseMs, bytesMax } = request;
    const fitting = Math.ceil(bytesMax / Math.max(1, intake.averageBytes)) + 1;
    const max = Math.min(request.max, BLOCK_MESSAGES, fitting);
    const count = state.acquire(this.#block, { max, owner, nowMs, leaseMs });
    if (count < max) feed.want();
    else feed.roomMade();
    return this.#deliver(count, request, into);
  }

  /** Takes messages that had all their deliveries; they have no records yet. */
  takeExhausted(max: number): Delivery[] {
    const count = this.#parts.state.takeExhausted(this.#block, Math.min(max, BLOCK_MESSAGES));
    return this.#given(count, Number.POSITIVE_INFINITY);
  }

  /** Acquires these messages, those that may be had now, past all limits and out of their order. */
  takeAll(wanted: ReadonlySet<number>, nowMs: number, leaseMs: number): Delivery[] {
    const taken: Delivery[] = [];
    const request = { max: BLOCK_MESSAGES, owner: 0, nowMs, leaseMs };
    for (;;) {
      const count = this.#parts.state.acquireAll(this.#block, wanted, request);
      taken.push(...this.#given(count, nowMs + leaseMs));
      if (count < BLOCK_MESSAGES) return taken;
    }
  }

  /** The record of a delivery is known now, and with it what it takes of the limits. */
  note(delivery: Delivery, bytes: number): void {
    delivery.bytes = bytes;
    this.#parts.state.setBytes(delivery.offset, delivery.receipt, bytes);
  }

  /** Makes deliveries of the block, as far as their bytes fit; the others are withdrawn. */
  #deliver(count: number, { bytesMax, isFirst, nowMs, leaseMs }: TakeRequest, into: Delivery[]) {
    const { group, partition, state, intake } = this.#parts;
    const { offsets, receipts, deliveries, failures } = this.#block;
    const endsMs = nowMs + leaseMs;
    let total = 0;
    let given = 0;
    for (; given < count; given += 1) {
      const offset = offsets[given] ?? 0;
      const receipt = receipts[given] ?? 0;
      const record = intake.take(offset);
      const bytes = record?.contentBytes ?? 0;
      total += bytes;
      if (total > bytesMax && (given > 0 || !isFirst)) {
        if (record !== undefined) intake.giveBack(record);
        break;
      }
      const nth = deliveries[given] ?? 0;
      const failed = failures[given] ?? 0;
      const delivery = new Delivery(group, partition, offset, receipt, nth, failed, endsMs, record);
      if (record !== undefined) this.note(delivery, bytes);
      into.push(delivery);
    }
    for (let at = count - 1; at >= given; at -= 1) {
      state.withdraw(offsets[at] ?? 0, receipts[at] ?? 0);
    }
    return given;
  }

  #given(count: number, endsMs: number): Delivery[] {
    const { group, partition, intake } = this.#parts;
    const { offsets, receipts, deliveries, failures } = this.#block;
    return Array.from({ length: count }, (_, at) => {
      const [offset, receipt] = [offsets[at] ?? 0, receipts[at] ?? 0];
      const [nth, failed] = [deliveries[at] ?? 0, failures[at] ?? 0];
      const record = intake.take(offset);
      return new Delivery(group, partition, offset, receipt, nth, failed, endsMs, record);
    });
  }
}
