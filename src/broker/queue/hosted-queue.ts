/**
 * A queue in an open broker: its definition as it is now, and what hands its messages out.
 *
 * Handles, workers and exchanges share one of these. What costs something is opened when it is
 * first needed: the share group with the first look at messages, the place of delayed messages when
 * there are some, limits when they are set. Sending alone opens nothing but the log.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { delayedIdOf } from '../delayed/delayed-header.js';
import type { Codec } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Transaction } from '../transaction/transaction.js';
import { QueueBacklog } from './queue-backlog.js';
import type { QueueDefinition } from './queue-definition.js';
import { unknownQueue } from './queue-errors.js';
import type { MemberOptions, QueueDelivery, QueueMember } from './queue-group.js';
import { QueueLimits } from './queue-limits.js';
import type { MessageHome, QueueMessage } from './queue-message.js';
import { type OpenMessages, openMessages } from './queue-messages.js';
import type { QueueSurroundings } from './queue-opening.js';
import type { QueueConfig } from './queue-options.js';
import type { ReceiveRequest } from './queue-receive-options.js';
import { planSend, type QueueMessageInput } from './queue-send-options.js';
import { type OpenDelays, QueueSender, type StoredInTransaction } from './queue-sender.js';
import type { SentMessage } from './queue-sent.js';
import { QueueRateMeter, type QueueStats } from './queue-stats.js';
import { depthOf, statsOf } from './queue-stats-of.js';
import { type QueueLevel, QueueWatch } from './queue-watch.js';
import type { Replies } from './request-replies.js';

/** Told to end; what it does meanwhile is waited for. */
export type QueueUser = (reason: 'deleted' | 'closed') => Promise<void>;

export class HostedQueue {
  readonly topic: HostedTopic;
  readonly watch: QueueWatch;
  readonly rates: QueueRateMeter;
  readonly #around: QueueSurroundings;
  readonly #sender: QueueSender;
  readonly #members = new Set<QueueMember>();
  readonly #users = new Set<QueueUser>();
  #definition: QueueDefinition;
  #state: 'open' | 'deleted' | 'closed' = 'open';
  #messages: Promise<OpenMessages> | undefined;
  #open: OpenMessages | undefined;
  #delays: Promise<OpenDelays | undefined> | undefined;
  #openDelays: OpenDelays | undefined;
  #isMakingDelays = false;
  #limits: QueueLimits | Promise<QueueLimits> | undefined;
  #shared: QueueMember | Promise<QueueMember> | undefined;

  constructor(definition: QueueDefinition, topic: HostedTopic, around: QueueSurroundings) {
    this.#definition = definition;
    this.topic = topic;
    this.#around = around;
    const { clock } = around;
    this.rates = new QueueRateMeter(clock.monotonicMs());
    this.watch = new QueueWatch(definition.name, clock, (needsAge) => this.#level(needsAge));
    this.#sender = new QueueSender({
      topic,
      config: () => this.config,
      producer: () => this.#around.producer(),
      openDelays: () => this.#makeDelays(),
      limits: () => this.#currentLimits(),
      cancel: (id) => this.cancel(id),
    });
  }

  get name(): string {
    return this.#definition.name;
  }

  get definition(): QueueDefinition {
    return this.#definition;
  }

  get config(): QueueConfig {
    return this.#definition.config;
  }

  get clock(): Clock {
    return this.#around.clock;
  }

  get newSeed(): () => number {
    return this.#around.newSeed;
  }

  get replies(): Replies {
    return this.#around.replies;
  }

  /** What delayed messages there are, and of whom; undefined while none were ever sent. */
  get delayed(): OpenDelays | undefined {
    return this.#openDelays;
  }

  /** Messages that were stored by sends, since the queue was opened here. */
  get sent(): number {
    return this.#sender.sent;
  }

  /** Messages that made room, and sends that wait for it. */
  get limits(): QueueLimits | undefined {
    return this.#limits instanceof Promise ? undefined : this.#limits;
  }

  /** Throws UNKNOWN_QUEUE once it was deleted, BROKER_CLOSED. */
  checkOpen(): void {
    if (this.#state === 'deleted') throw unknownQueue(this.name);
    if (this.#state === 'closed') throw createError('BROKER_CLOSED', { queue: this.name });
  }

  /** What hands messages out, opened now when it is not. */
  messages(): Promise<OpenMessages> {
    this.checkOpen();
    this.#messages ??= this.#openMessages();
    return this.#messages;
  }

  /** Messages that wait for their time enter also when nobody sends any. */
  async start(): Promise<void> {
    await this.#delaysIfAny();
  }

  /** Rejects as `Queue.send`. */
  send<Input>(
    codec: Codec<unknown, Input>,
    message: QueueMessageInput<Input>,
    signal?: AbortSignal | undefined,
  ): Promise<SentMessage> {
    this.checkOpen();
    const plan = planSend(this.name, this.config, message, this.clock.nowMs());
    if (message.ttlMs !== undefined) this.#open?.expiry.look(true);
    return this.#sender.send(codec, plan, signal);
  }

  /** A value without options. */
  sendValue<Input>(codec: Codec<unknown, Input>, value: Input | null): Promise<SentMessage> {
    if (this.#state === 'open' && this.#sender.isPlain) return this.#sender.sendPlain(codec, value);
    return this.send(codec, { value });
  }

  /** In the order of the list; nothing is sent when one of them is not valid. */
  async sendAll<Input>(
    codec: Codec<unknown, Input>,
    messages: readonly QueueMessageInput<Input>[],
    signal?: AbortSignal | undefined,
  ): Promise<SentMessage[]> {
    this.checkOpen();
    const nowMs = this.clock.nowMs();
    const plans = messages.map((message) => planSend(this.name, this.config, message, nowMs));
    if (messages.some(({ ttlMs }) => ttlMs !== undefined)) this.#open?.expiry.look(true);
    if (plans.length === 0) return [];
    if (this.#sender.areAlike(plans)) return await this.#sender.sendAll(codec, plans, signal);
    if (this.#sender.areDelayed(plans)) return await this.#sender.delayAll(codec, plans, signal);
    return await Promise.all(plans.map((plan) => this.#sender.send(codec, plan, signal)));
  }

  /** Sends in a transaction: the messages can be received, or wait, once it has committed. */
  async sendIn<Input>(
    codec: Codec<unknown, Input>,
    transaction: Transaction,
    messages: readonly QueueMessageInput<Input>[],
    claimed?: readonly (string | undefined)[],
  ): Promise<readonly StoredInTransaction[]> {
    this.checkOpen();
    const nowMs = this.clock.nowMs();
    const plans = messages.map((message) => planSend(this.name, this.config, message, nowMs));
    return await this.#sender.sendIn(codec, transaction, plans, claimed);
  }

  /** Messages that were sent in a transaction are there; for the statistics. */
  noteSent(count: number): void {
    this.#sender.noteSent(count);
  }

  /** Takes back a message that waits for its time. */
  async cancel(id: string): Promise<boolean> {
    this.checkOpen();
    if (typeof id !== 'string') {
      throw createError('OPTION_INVALID', { option: 'id', expected: 'the id of a message' });
    }
    const open = await this.#delaysIfAny();
    const number = delayedIdOf(id);
    if (open === undefined || number === undefined) return false;
    const [isCancelled = false] = await open.delays.cancel([number]);
    if (isCancelled) this.limits?.look();
    return isCancelled;
  }

  /** A consumer of its own; it is closed with the queue at the latest. */
  async join(options: MemberOptions): Promise<QueueMember> {
    const { group } = await this.messages();
    this.checkOpen();
    const joined = group.join(options);
    const member: QueueMember = {
      receive: (request) => joined.receive(request),
      close: async () => {
        this.#members.delete(member);
        await joined.close();
      },
    };
    this.#members.add(member);
    return member;
  }

  /** The consumer that all calls of `Queue.receive` share, or a promise of it. */
  shared(): QueueMember | Promise<QueueMember> {
    this.checkOpen();
    if (this.#shared !== undefined) return this.#shared;
    const joining = this.join({}).then(
      (member) => {
        this.#shared = member;
        return member;
      },
      (error: unknown) => {
        this.#shared = undefined;
        throw error;
      },
    );
    this.#shared = joining;
    return joining;
  }

  /** Messages, at least one unless the wait is over; those that cannot be read are dead letters. */
  receiveBy<Output>(
    member: QueueMember,
    codec: Codec<Output, never>,
    home: MessageHome,
    request: ReceiveRequest,
  ): Promise<QueueMessage<Output>[]> {
    const open = this.#open;
    if (open === undefined || this.#state !== 'open') {
      return this.#receiveLater(member, codec, home, request);
    }
    this.#noteRates(open);
    return open.receive(member, codec, home, request);
  }

  async #receiveLater<Output>(
    member: QueueMember,
    codec: Codec<Output, never>,
    home: MessageHome,
    request: ReceiveRequest,
  ): Promise<QueueMessage<Output>[]> {
    const messages = await this.messages();
    this.#noteRates(messages);
    return await messages.receive(member, codec, home, request);
  }

  /** Of a message that was handed out. */
  receiptOf(delivery: QueueDelivery): string {
    return this.#handedOut().group.receiptOf(delivery);
  }

  /** Whether the delivery goes on. */
  isHeld(delivery: QueueDelivery): boolean {
    return this.#handedOut().group.isHeld(delivery);
  }

  /** `end` is called when the queue is deleted, or the broker closes; answers how to stop that. */
  use(end: QueueUser): () => void {
    this.checkOpen();
    this.#users.add(end);
    return () => void this.#users.delete(end);
  }

  async stats(): Promise<QueueStats> {
    const messages = await this.messages();
    await this.#delaysIfAny();
    this.#noteRates(messages);
    const letters = this.#around.deadQueue(this.config.deadLetter);
    return await statsOf(this, messages, letters);
  }

  /** The definition has changed, and is durable. */
  follow(definition: QueueDefinition): void {
    this.#definition = definition;
    this.#open?.follow(definition.config);
    this.limits?.look();
  }

  /** Nobody uses the queue any more: consumers leave, workers stop, whoever waits is told. */
  async close(reason: 'deleted' | 'closed'): Promise<void> {
    if (this.#state === 'open') this.#state = reason;
    const error = this.#closedError();
    this.watch.close(error);
    (await Promise.resolve(this.#limits).catch(ignore))?.close(error);
    await Promise.allSettled([...this.#users].map((end) => end(reason)));
    await Promise.allSettled([...this.#members].map((member) => member.close()));
    const delays = await this.#delays?.catch(ignore);
    await delays?.delays.close();
    const messages = await this.#messages?.catch(ignore);
    await messages?.close();
  }

  /** What handed a message out. Throws as `checkOpen`. */
  handedOut(): OpenMessages {
    this.checkOpen();
    return this.#handedOut();
  }

  #handedOut(): OpenMessages {
    assert(this.#open !== undefined, 'a message was handed out by an open group');
    return this.#open;
  }

  #closedError(): Error {
    if (this.#state === 'deleted') return unknownQueue(this.name);
    return createError('BROKER_CLOSED', { queue: this.name });
  }

  async #openMessages(): Promise<OpenMessages> {
    try {
      const open = await openMessages({
        queue: this.name,
        topic: this.topic,
        definition: () => this.#definition,
        around: this.#around,
        finished: (finished) => this.limits?.finished(finished),
        wantsFinished: () => this.limits !== undefined,
      });
      this.#open = open;
      // The options may have changed meanwhile.
      open.follow(this.config);
      return open;
    } catch (error) {
      this.#messages = undefined;
      throw error;
    }
  }

  #currentLimits(): QueueLimits | Promise<QueueLimits> | undefined {
    if (this.#limits !== undefined) return this.#limits;
    if (!QueueLimits.areSet(this.config)) return undefined;
    const opening = this.#openLimits();
    this.#limits = opening;
    opening.catch(() => {
      if (this.#limits === opening) this.#limits = undefined;
    });
    return opening;
  }

  async #openLimits(): Promise<QueueLimits> {
    const messages = await this.messages();
    await this.#delaysIfAny();
    const backlog = await QueueBacklog.sample(this.topic);
    const opened = new QueueLimits({
      queue: this.name,
      config: () => this.config,
      unfinished: () => messages.group.unfinished() + (this.#openDelays?.delays.count ?? 0),
      catchUp: () => messages.group.catchUp(),
      partitions: () => messages.group.partitions(),
      averageBytes: backlog.averageBytes,
      drop: (room) => messages.dropOldest(room),
    });
    this.#limits = opened;
    return opened;
  }

  #delaysIfAny(): Promise<OpenDelays | undefined> {
    this.#delays ??= this.#findDelays(false);
    return this.#delays;
  }

  async #makeDelays(): Promise<OpenDelays> {
    const known = await this.#delaysIfAny();
    if (known !== undefined) return known;
    this.checkOpen();
    // Those who ask meanwhile share the one that is made.
    if (!this.#isMakingDelays) {
      this.#isMakingDelays = true;
      this.#delays = this.#findDelays(true);
    }
    const made = await this.#delaysIfAny();
    assert(made !== undefined, 'a place of delayed messages that was made is there');
    return made;
  }

  async #findDelays(mayMake: boolean): Promise<OpenDelays | undefined> {
    try {
      const found = await this.#around.openDelays(this.#definition, mayMake);
      this.#openDelays = found;
      return found;
    } catch (error) {
      this.#isMakingDelays = false;
      this.#delays = undefined;
      throw error;
    }
  }

  async #level(needsAge: boolean): Promise<QueueLevel> {
    const { group } = await this.messages();
    await group.catchUp();
    const depth = depthOf(group);
    const oldest = needsAge ? await group.oldestTimestamp() : undefined;
    const ageMs = oldest === undefined ? 0 : Math.max(0, this.clock.nowMs() - oldest);
    return { depth, ageMs };
  }

  #noteRates({ group }: OpenMessages): void {
    const nowMs = this.clock.monotonicMs();
    if (this.rates.isDue(nowMs)) this.rates.note(nowMs, this.sent, group.counts());
  }
}

function ignore(): undefined {
  return undefined;
}
