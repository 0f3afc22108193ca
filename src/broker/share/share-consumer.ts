/**
 * A consumer in a share group of a topic: it takes messages one by one, and ends each by itself.
 *
 * Consumers may outnumber partitions. What is taken is hidden from others until it is ended, or its
 * time is over; then it is handed out again, up to as often as the group says.
 */

import { createError } from '../../base/errors.js';
import { resolveOptions } from '../../base/options.js';
import { asInvalid, type Codec } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import {
  resolveShareOptions,
  type ShareConfig,
  type ShareOptions,
  type ShareReceiveOptions,
  type ShareReleaseOptions,
  shareOptionTable,
  shareReceiveTable,
  shareReleaseTable,
} from './share-consumer-options.js';
import type { Delivery } from './share-delivered.js';
import { describeShare, type ShareDescription } from './share-description.js';
import type { ShareGroup } from './share-group.js';
import type { ShareMember } from './share-member.js';
import { ShareMessage, type ShareMessageHome, type ShareRejectOptions } from './share-message.js';
import type { OpenShare, ShareOpenings } from './share-opening.js';
import { isGroupOfQueue } from './shares.js';

/** A message, or its receipt. */
export type SharedMessage = ShareMessage<unknown> | string;

interface Joined extends OpenShare {
  readonly member: ShareMember;
}

export class ShareConsumer<Output> implements ShareMessageHome {
  readonly topic: string;
  readonly group: string;
  readonly #hosted: HostedTopic;
  readonly #codec: Codec<Output, never>;
  readonly #given: ShareOptions;
  readonly #config: ShareConfig;
  readonly #openings: ShareOpenings;
  #joining: Promise<Joined> | undefined;
  #closing: Promise<void> | undefined;

  /** @internal */
  constructor(
    hosted: HostedTopic,
    codec: Codec<Output, never>,
    options: ShareOptions,
    openings: ShareOpenings,
  ) {
    this.#config = resolveShareOptions(options, hosted.name);
    const { group } = this.#config;
    if (isGroupOfQueue(hosted, group)) {
      const expected = 'another group than that of the queue, which the queue hands out itself';
      throw createError('OPTION_INVALID', { option: 'group', expected, actual: group });
    }
    this.#given = { ...options };
    this.#hosted = hosted;
    this.#codec = codec;
    this.#openings = openings;
    this.topic = hosted.name;
    this.group = this.#config.group;
    openings.added(this);
  }

  /**
   * Messages, as many as there are up to `max` (1), hidden from others from now on. Waits for the
   * first one up to `waitMs` (0), and resolves to none when there is none, or the consumer closes.
   * A value that the codec cannot read counts as a failure, and is not handed out.
   *
   * Rejects with OPTION_INVALID, OPTION_CONFLICT (the group is in use with other options), the
   * signal's reason, CONSUMER_CLOSED, UNKNOWN_TOPIC, BROKER_CLOSED, DISK_FULL and what reading and
   * appending reject with; then nothing was received.
   */
  async receive({ signal, ...given }: ShareReceiveOptions = {}): Promise<ShareMessage<Output>[]> {
    const options = resolveOptions(shareReceiveTable, given, this.topic);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
    }
    const { group, member } = await this.#joined();
    const { max, waitMs } = options;
    const maxBytes = options.maxBytes === 'unlimited' ? undefined : options.maxBytes;
    const leaseMs =
      given.visibilityTimeoutMs === undefined ? undefined : options.visibilityTimeoutMs;
    for (;;) {
      const deliveries = await member.receive({ max, maxBytes, waitMs, leaseMs, signal });
      const messages = await this.#readOrWithdraw(group, deliveries);
      if (messages.length > 0 || deliveries.length === 0) return messages;
    }
  }

  /**
   * The messages are done with, and are not handed out again; durable when it resolves. To repeat
   * it is harmless. Rejects with RECEIPT_STALE when a delivery is over, LEASE_FROZEN when a
   * transaction has a message (the others of a list are done with), RECEIPT_INVALID, DISK_FULL and
   * what an append rejects with.
   */
  async acknowledge(messages: SharedMessage | readonly SharedMessage[]): Promise<void> {
    const { group } = await this.#joined();
    await group.acknowledge(await this.#deliveriesOf(messages));
  }

  /** Gives messages back, for others or for later. Rejects as `acknowledge`. */
  async release(
    messages: SharedMessage | readonly SharedMessage[],
    options: ShareReleaseOptions = {},
  ): Promise<void> {
    const how = resolveOptions(shareReleaseTable, options, this.topic);
    const { group } = await this.#joined();
    await group.release(await this.#deliveriesOf(messages), how);
  }

  /** The messages are never handed out again: dead letters, if there are. As `acknowledge`. */
  async reject(
    messages: SharedMessage | readonly SharedMessage[],
    { reason }: ShareRejectOptions = {},
  ): Promise<void> {
    if (reason !== undefined && typeof reason !== 'string') {
      throw createError('OPTION_INVALID', { option: 'reason', expected: 'a text' });
    }
    const { group, letters } = await this.#joined();
    const deliveries = await this.#deliveriesOf(messages);
    const held = deliveries.filter((delivery) => group.isHeld(delivery));
    if (letters !== undefined && held.length > 0) {
      const cause = { reason: reason ?? 'rejected', code: 'MESSAGE_REJECTED' };
      await letters.move(await group.withRecords(held), cause);
    }
    // Without dead letters all of them, with them those that are over: to repeat it is harmless.
    const rest =
      letters === undefined ? deliveries : deliveries.filter((each) => !held.includes(each));
    if (rest.length > 0) await group.reject(rest);
  }

  /** Others do not get the messages for `leaseMs` milliseconds from now. As `acknowledge`. */
  async renew(messages: SharedMessage | readonly SharedMessage[], leaseMs: number): Promise<void> {
    const given = { visibilityTimeoutMs: leaseMs };
    const { visibilityTimeoutMs: checked } = resolveOptions(
      { visibilityTimeoutMs: shareOptionTable.visibilityTimeoutMs },
      given,
      this.topic,
    );
    const { group } = await this.#joined();
    group.extend(await this.#deliveriesOf(messages), checked);
  }

  /** The state of the group on this topic. */
  async describe(): Promise<ShareDescription> {
    const { group } = await this.#joined();
    return describeShare(group);
  }

  /** Gives back what it has; calls of `receive` that wait resolve to none. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#openings.removed(this);
    const joined = await this.#joining?.catch(() => undefined);
    await joined?.member.close();
    await joined?.release();
  }

  #joined(): Promise<Joined> {
    if (this.#closing !== undefined) {
      const facts = { group: this.group, topic: this.topic };
      return Promise.reject(createError('CONSUMER_CLOSED', facts));
    }
    if (this.#joining === undefined) {
      this.#joining = this.#join();
      this.#joining.catch(() => {
        this.#joining = undefined;
      });
    }
    return this.#joining;
  }

  async #join(): Promise<Joined> {
    const open = await this.#openings.open(this.#hosted, this.#given, this.#config);
    const { consumerInFlightMax: count, consumerInFlightBytesMax: bytes, priority } = this.#config;
    try {
      const member = open.group.join({
        inFlightCountMax: count === 'unlimited' ? undefined : count,
        inFlightBytesMax: bytes === 'unlimited' ? undefined : bytes,
        priority,
      });
      return { ...open, member };
    } catch (error) {
      await open.release();
      throw error;
    }
  }

  async #deliveriesOf(messages: SharedMessage | readonly SharedMessage[]): Promise<Delivery[]> {
    const { group } = await this.#joined();
    const list = isList(messages) ? messages : [messages];
    const deliveries: Delivery[] = [];
    for (const each of list) {
      if (typeof each === 'string') deliveries.push(await group.deliveryOf(each));
      else deliveries.push(this.#own(each.delivery));
    }
    return deliveries;
  }

  /** What cannot be handed out goes back, as if nobody had got it. */
  async #readOrWithdraw(
    group: ShareGroup,
    deliveries: readonly Delivery[],
  ): Promise<ShareMessage<Output>[]> {
    try {
      return await this.#read(deliveries);
    } catch (error) {
      group.withdraw(deliveries);
      throw error;
    }
  }

  #own(delivery: Delivery): Delivery {
    const { group } = delivery;
    if (group.name === this.group && group.topic.name === this.topic) return delivery;
    const expected = `a message of ${this.topic} in ${this.group}`;
    throw createError('RECEIPT_INVALID', { receipt: group.receiptOf(delivery), expected });
  }

  async #read(deliveries: readonly Delivery[]): Promise<ShareMessage<Output>[]> {
    const messages: ShareMessage<Output>[] = [];
    const unreadable: Delivery[] = [];
    for (const delivery of deliveries) {
      try {
        const { value: stored } = delivery.record;
        const decoded = stored === null ? null : this.#codec.decode(stored);
        const value = decoded instanceof Promise ? await decoded : decoded;
        messages.push(new ShareMessage<Output>(this, delivery, value));
      } catch (error) {
        unreadable.push(delivery);
        const { letters } = await this.#joined();
        letters?.noteFailure(delivery, asInvalid(this.#codec, error));
      }
    }
    if (unreadable.length > 0) {
      const { group } = await this.#joined();
      await group.releaseAll(unreadable, { isFailure: true });
    }
    return messages;
  }
}

function isList(
  messages: SharedMessage | readonly SharedMessage[],
): messages is readonly SharedMessage[] {
  return Array.isArray(messages);
}
