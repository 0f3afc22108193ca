/**
 * What one client of a share group fetches, and what it was given and has not ended: its session.
 *
 * Requests carry an epoch that rises by one with each, so both sides notice when one got lost. What
 * it has goes back when the session ends, or its connection does.
 */

import type { Delivery, HostedTopic, SharedGroup, ShareMember } from '../../broker/main.js';
import { kafkaErrors } from './error-codes.js';
import { epochAfter } from './fetch-session.js';
import type { shareFetch } from './messages/shares.js';
import type { RequestOf } from './wire-api.js';

type AcknowledgementBatch = RequestOf<
  typeof shareFetch
>['topics'][number]['partitions'][number]['acknowledgementBatches'][number];

export type AcknowledgementBatches = readonly AcknowledgementBatch[];

/** What a client says of a message. */
const ends = { gap: 0, accept: 1, release: 2, reject: 3, renew: 4 } as const;
type End = (typeof ends)[keyof typeof ends];

/** What is fetched of a topic. */
export class SharedTopic {
  readonly topicId: string;
  /** In the order in which they came. */
  readonly partitions = new Set<number>();
  readonly #held = new Map<string, Delivery>();
  #open: { readonly shared: SharedGroup; readonly member: ShareMember } | undefined;
  #isClosed = false;

  constructor(topicId: string) {
    this.topicId = topicId;
  }

  /** The member that takes messages for it; undefined: nothing was taken yet. */
  get member(): ShareMember | undefined {
    return this.#open?.member;
  }

  get leaseMs(): number | undefined {
    return this.#open?.shared.group.config.leaseMs;
  }

  /** Throws what `open` throws. */
  async join(open: () => Promise<SharedGroup>): Promise<ShareMember | undefined> {
    if (this.#open !== undefined) return this.#open.member;
    const shared = await open();
    if (this.#isClosed) {
      await shared.release();
      return undefined;
    }
    const member = shared.group.join({
      onLeaseEnded: ({ partition }, offset) => this.#held.delete(keyOf(partition, offset)),
    });
    this.#open = { shared, member };
    return member;
  }

  /** Undefined: all of the topic. */
  wanted({ partitions }: HostedTopic): ReadonlySet<number> | undefined {
    for (let partition = 0; partition < partitions; partition += 1) {
      if (!this.partitions.has(partition)) return this.partitions;
    }
    return undefined;
  }

  given(deliveries: readonly Delivery[]): void {
    for (const delivery of deliveries) {
      this.#held.set(keyOf(delivery.partition.partition, delivery.offset), delivery);
    }
  }

  /** Gives back what does not get to the client. */
  withdraw(deliveries: readonly Delivery[]): void {
    this.#open?.shared.group.withdraw(deliveries);
  }

  /**
   * Ends messages of a partition as the client says: all of them, or none when it does not have one
   * of them. Resolves, once that is durable, to the number of what went wrong. Rejects with what an
   * append rejects with.
   */
  async end(
    partition: number,
    batches: AcknowledgementBatches,
    mayRenew: boolean,
  ): Promise<number> {
    if (batches.length === 0) return kafkaErrors.NONE;
    if (!areFine(batches, mayRenew)) return kafkaErrors.INVALID_REQUEST;
    const named = this.#named(partition, batches);
    const open = this.#open;
    if (named === undefined || open === undefined) return kafkaErrors.INVALID_RECORD_STATE;
    const { group } = open.shared;
    const of = (...wanted: readonly End[]): Delivery[] =>
      named.filter(({ end }) => wanted.some((one) => one === end)).map(({ delivery }) => delivery);
    for (const { delivery, end } of named) {
      if (end !== ends.renew) this.#held.delete(keyOf(partition, delivery.offset));
    }
    const [accepted, rejected, released] = [
      of(ends.accept, ends.gap),
      of(ends.reject),
      of(ends.release),
    ];
    const refused = [
      ...group.extendAll(of(ends.renew), group.config.leaseMs),
      ...(await group.acknowledgeAll(accepted)),
      ...(await group.rejectAll(rejected)),
      ...(await group.releaseAll(released, {})),
    ];
    return refused.length > 0 ? kafkaErrors.INVALID_RECORD_STATE : kafkaErrors.NONE;
  }

  /** What it has goes back. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const open = this.#open;
    this.#open = undefined;
    this.#held.clear();
    await open?.member.close();
    await open?.shared.release();
  }

  /** Undefined: the client does not have one of them. */
  #named(
    partition: number,
    batches: AcknowledgementBatches,
  ): { readonly delivery: Delivery; readonly end: number }[] | undefined {
    const named: { delivery: Delivery; end: number }[] = [];
    for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
      // More than it has are not there, however many are named.
      if (lastOffset - firstOffset >= this.#held.size) return undefined;
      for (let offset = firstOffset; offset <= lastOffset; offset += 1) {
        const delivery = this.#held.get(keyOf(partition, offset));
        if (delivery === undefined) return undefined;
        const end = acknowledgeTypes[acknowledgeTypes.length === 1 ? 0 : offset - firstOffset];
        named.push({ delivery, end: end ?? ends.release });
      }
    }
    return named;
  }
}

export class ShareSession {
  readonly groupId: string;
  readonly memberId: string;
  readonly #topics = new Map<string, SharedTopic>();
  /** What the next request has to say. */
  #epoch = 1;
  #isClosed = false;

  constructor(groupId: string, memberId: string) {
    this.groupId = groupId;
    this.memberId = memberId;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get topics(): readonly SharedTopic[] {
    return [...this.#topics.values()];
  }

  get partitionCount(): number {
    return this.topics.reduce((sum, { partitions }) => sum + partitions.size, 0);
  }

  /** The next request has come. */
  advance(): void {
    this.#epoch = epochAfter(this.#epoch);
  }

  find(topicId: string): SharedTopic | undefined {
    return this.#topics.get(topicId);
  }

  add(topicId: string, partition: number): void {
    const known = this.#topics.get(topicId) ?? new SharedTopic(topicId);
    this.#topics.set(topicId, known);
    known.partitions.add(partition);
  }

  /** Nothing more is fetched of it; what was given of it can be ended still. */
  forget(topicId: string, partition: number): void {
    this.#topics.get(topicId)?.partitions.delete(partition);
  }

  /** One that had messages comes last the next time. */
  toEnd(topic: SharedTopic): void {
    this.#topics.delete(topic.topicId);
    this.#topics.set(topic.topicId, topic);
  }

  /** Idempotent; never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.topics.map((topic) => topic.close()));
  }
}

function areFine(batches: AcknowledgementBatches, mayRenew: boolean): boolean {
  let before = -1;
  for (const { firstOffset, lastOffset, acknowledgeTypes } of batches) {
    const count = lastOffset - firstOffset + 1;
    const hasTypes = acknowledgeTypes.length === 1 || acknowledgeTypes.length === count;
    if (firstOffset <= before || count < 1 || !hasTypes) return false;
    const typeMax = mayRenew ? ends.renew : ends.reject;
    if (acknowledgeTypes.some((type) => type < ends.gap || type > typeMax)) return false;
    before = lastOffset;
  }
  return true;
}

function keyOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
}
