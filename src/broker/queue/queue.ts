/**
 * A queue in the hands of a program: sending, receiving, and ending messages, with its codec.
 *
 * A handle stays with the queue that it was made for. Once that is deleted, everything answers
 * UNKNOWN_QUEUE, also when another queue gets the name.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { Codec } from '../topic/codec.js';
import type { SentInTransaction, Transaction } from '../transaction/transaction.js';
import {
  type ErrorGroupsPage,
  type PeekedMessage,
  type PeekedPage,
  QueueTriage,
  type Redriven,
  type Replayed,
} from '../triage/queue-triage.js';
import type { TriageFilter } from '../triage/queue-triage-filter.js';
import type {
  PageOptions,
  PurgeOptions,
  RedriveOptions,
  ReplayOptions,
} from '../triage/queue-triage-options.js';
import { type TriageHome, triageSource } from '../triage/queue-triage-source.js';
import type { QueueHandler } from '../worker/queue-handler.js';
import { QueueWorker } from '../worker/queue-worker.js';
import type { QueueWorkerOptions } from '../worker/queue-worker-options.js';
import type { HostedQueue } from './hosted-queue.js';
import type { MessageOrReceipt } from './queue-endings.js';
import type { QueueMember } from './queue-group.js';
import type { QueueMessage, RejectOptions, ReleaseOptions } from './queue-message.js';
import { QueueMessageHome } from './queue-message-home.js';
import type { QueueConfig, QueueOptions } from './queue-options.js';
import {
  type ReceiveOptions,
  type ReceiveRequest,
  resolveReceiveOptions,
} from './queue-receive-options.js';
import { QueueReceiver, type QueueReceiverOptions } from './queue-receiver.js';
import { answering, type RequestOptions, requestBy } from './queue-request.js';
import type { QueueMessageInput, QueueSendOptions } from './queue-send-options.js';
import type { SentMessage } from './queue-sent.js';
import { queueSource } from './queue-source.js';
import type { QueueStats } from './queue-stats.js';
import type { QueueLevel, WhenOptions } from './queue-watch.js';

export interface QueueConsumeOptions extends QueueWorkerOptions {
  /** What the handler returns is the reply to its message; see `request`. */
  readonly reply?: boolean | undefined;
}

/** What a queue's handle needs of its broker. */
export interface QueueHome extends TriageHome {
  alter(name: string, changes: QueueOptions): Promise<void>;
  delete(name: string): Promise<void>;
}

export class Queue<Output, Input = Output> {
  readonly codec: Codec<Output, Input>;
  /** @internal */
  readonly hosted: HostedQueue;
  readonly #home: QueueHome;
  readonly #messages: QueueMessageHome;

  /** @internal */
  constructor(hosted: HostedQueue, codec: Codec<Output, Input>, home: QueueHome) {
    this.hosted = hosted;
    this.codec = codec;
    this.#home = home;
    this.#messages = new QueueMessageHome(hosted, codec);
  }

  get name(): string {
    return this.hosted.name;
  }

  /** As they are now. */
  get options(): QueueConfig {
    return this.hosted.config;
  }

  /**
   * Resolves when the message is durable. Rejects with OPTION_UNKNOWN, OPTION_INVALID,
   * VALUE_INVALID, RECORD_INVALID, RECORD_TOO_LARGE, QUEUE_FULL, BUFFER_FULL, UNKNOWN_QUEUE,
   * BROKER_CLOSED, the signal's reason, and what the append of a log rejects with.
   */
  send(value: Input | null, options?: QueueSendOptions): Promise<SentMessage> {
    try {
      if (options === undefined) return this.hosted.sendValue(this.codec, value);
      const { signal, ...message } = options;
      checkSignal(signal);
      return this.hosted.send(this.codec, { ...message, value }, signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Sends a list, in its order; resolves when all are durable. Nothing is sent when one of them is
   * not valid; when it rejects otherwise, some may be stored. Rejects as `send`.
   */
  async sendBatch(
    messages: readonly QueueMessageInput<Input>[],
    { signal }: Pick<QueueSendOptions, 'signal'> = {},
  ): Promise<SentMessage[]> {
    checkMessages(messages);
    checkSignal(signal);
    return await this.hosted.sendAll(this.codec, messages, signal);
  }

  /** @internal What `transaction.send` does with a queue. */
  sendIn(
    transaction: Transaction,
    messages: readonly QueueMessageInput<Input>[],
  ): Promise<readonly SentInTransaction[]> {
    return this.hosted.sendIn(this.codec, transaction, messages);
  }

  /**
   * Takes back a message that waits for its time, by the id that its send resolved to; false when
   * it does not wait any more. Durable when it resolves.
   */
  async cancel(id: string): Promise<boolean> {
    return await this.hosted.cancel(id);
  }

  /**
   * Sends a message and resolves to what a consumer answers to it by `reply`. Rejects with
   * REQUEST_TIMED_OUT, and as `send`.
   */
  async request(value: Input | null): Promise<Output>;
  async request<Reply>(value: Input | null, options: RequestOptions<Reply>): Promise<Reply>;
  async request(value: Input | null, options: RequestOptions<unknown> = {}): Promise<unknown> {
    const requester = {
      queue: this.name,
      codec: this.codec,
      replies: this.hosted.replies,
      send: (sendOptions: QueueSendOptions) => this.send(value, sendOptions),
    };
    return await requestBy<unknown>(requester, options);
  }

  /**
   * Up to `max` messages as soon as there is one; none when there was none for `waitMs`. All calls
   * share one consumer. Others do not get them for `visibilityTimeoutMs`: until then each is to be
   * acknowledged, released, rejected or extended. Rejects with OPTION_UNKNOWN, OPTION_INVALID, the
   * signal's reason, UNKNOWN_QUEUE, BROKER_CLOSED, and what reading a log rejects with.
   */
  receive(options?: ReceiveOptions): Promise<QueueMessage<Output>[]> {
    try {
      const request = resolveReceiveOptions(options, this.name);
      const member = this.hosted.shared();
      if (!(member instanceof Promise)) return this.#receiveBy(member, request);
      return member.then((joined) => this.#receiveBy(joined, request));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #receiveBy(member: QueueMember, request: ReceiveRequest): Promise<QueueMessage<Output>[]> {
    return this.hosted.receiveBy(member, this.codec, this.#messages, request);
  }

  /** A consumer of its own. Throws OPTION_UNKNOWN, OPTION_INVALID, UNKNOWN_QUEUE, BROKER_CLOSED. */
  receiver(options: QueueReceiverOptions = {}): QueueReceiver<Output> {
    return new QueueReceiver(this.hosted, this.codec, this.#messages, options);
  }

  /**
   * Has a handler see to each message: it is acknowledged when the handler returns, and tried again
   * when it throws. Begins at once; ends by `stop`, and with the queue or the broker. Throws
   * OPTION_UNKNOWN, OPTION_INVALID, UNKNOWN_QUEUE, BROKER_CLOSED.
   */
  consume(
    handler: QueueHandler<QueueMessage<Output>>,
    { reply = false, ...options }: QueueConsumeOptions = {},
  ): QueueWorker {
    const { hosted } = this;
    hosted.checkOpen();
    if (typeof reply !== 'boolean') {
      throw createError('OPTION_INVALID', { option: 'reply', expected: 'true or false' });
    }
    const source = queueSource(hosted, this.codec, this.#messages);
    const handled = reply ? answering(handler) : handler;
    const worker = QueueWorker.start(source, handled, options, hosted);
    const left = hosted.use((reason) => worker.stop(reason === 'deleted' ? { drainMs: 0 } : {}));
    worker.finished.then(left, left);
    return worker;
  }

  /**
   * The messages are done with; durable when it resolves. Receipts may stand for messages. Those
   * that can be are acknowledged, then it rejects with RECEIPT_STALE or LEASE_FROZEN for the rest;
   * with RECEIPT_INVALID nothing was done.
   */
  async acknowledge(messages: readonly MessageOrReceipt[]): Promise<void> {
    await (await this.hosted.messages()).endings.acknowledge(messages);
  }

  /** Gives them back, for others or for later. Rejects as `acknowledge`, and OPTION_INVALID. */
  async release(
    messages: readonly MessageOrReceipt[],
    { delayMs = 0 }: ReleaseOptions = {},
  ): Promise<void> {
    const { endings } = await this.hosted.messages();
    await endings.release(messages, { delayMs, isFailure: false });
  }

  /** Moves them to the dead letters. Rejects as `acknowledge`. */
  async reject(
    messages: readonly MessageOrReceipt[],
    { reason }: RejectOptions = {},
  ): Promise<void> {
    await (await this.hosted.messages()).endings.reject(messages, reason);
  }

  /** Others do not get them for `leaseMs` from now. Rejects as `release`. */
  async extend(messages: readonly MessageOrReceipt[], leaseMs: number): Promise<void> {
    await (await this.hosted.messages()).endings.extend(messages, leaseMs);
  }

  /**
   * Changes options while the queue is in use; durable when it resolves. Throws OPTION_INVALID for
   * what a queue keeps from its creation on: `fifo`, `compression`, `flushMs`, `flushBytes`, and
   * fewer `priorities`.
   */
  async alter(changes: QueueOptions): Promise<void> {
    this.hosted.checkOpen();
    await this.#home.alter(this.name, changes);
  }

  /** Deletes the queue with all its messages, while it is in use: workers and long polls end. */
  async delete(): Promise<void> {
    this.hosted.checkOpen();
    await this.#home.delete(this.name);
  }

  /**
   * Messages that are not done with, without taking them: nothing changes for consumers. Delayed
   * ones are not seen. Rejects with OPTION_UNKNOWN, OPTION_INVALID, UNKNOWN_QUEUE, BROKER_CLOSED,
   * and what reading a log rejects with.
   */
  async peek(options?: PageOptions): Promise<PeekedPage<Output>> {
    return await this.#triage().peek(options);
  }

  /** The same, of those that fit the filter. */
  async search(
    filter: TriageFilter<PeekedMessage<Output>>,
    options?: PageOptions,
  ): Promise<PeekedPage<Output>> {
    return await this.#triage().search(filter, options);
  }

  /** Why messages came here, when it is a queue of dead letters: the most frequent error first. */
  async groupByError(options?: {
    readonly filter?: TriageFilter<PeekedMessage<Output>> | undefined;
    readonly after?: string | undefined;
  }): Promise<ErrorGroupsPage<Output>> {
    return await this.#triage().groupByError(options);
  }

  /**
   * Moves dead letters back to where they came from, or messages to another queue or topic, each
   * once whatever happens: in transactions of up to 1,000. It looks at what was there when it
   * began. Their counts, priorities, groups and times to live begin as if they were sent now.
   * Rejects as `peek`, with UNKNOWN_QUEUE for a target that is not there, with the signal's reason,
   * and with what a transaction rejects with; what was moved stays moved.
   */
  async redrive(options?: RedriveOptions<PeekedMessage<Output>>): Promise<Redriven> {
    return await this.#triage().redrive(options);
  }

  /**
   * Everything that is there is done with, what consumers have and what is delayed too; or messages
   * that are old enough, or fit a filter, as far as nobody has them. Durable when it resolves. What
   * nobody has looked at yet is counted by its offsets, which may be a few more.
   */
  async purge(options?: PurgeOptions<PeekedMessage<Output>>): Promise<{ readonly purged: number }> {
    return await this.#triage().purge(options);
  }

  /**
   * Sends messages once more that were acknowledged: those that were sent in a window of time, as
   * far as `retainAcknowledgedMs` keeps them. They are new messages. Of what lies before the oldest
   * message that is not done with, dead letters come again too. Rejects as `redrive`.
   */
  async replay(options: ReplayOptions): Promise<Replayed> {
    return await this.#triage().replay(options);
  }

  /** What it holds, and what has happened to it. */
  async stats(): Promise<QueueStats> {
    this.hosted.checkOpen();
    return await this.hosted.stats();
  }

  /**
   * Resolves when more messages than `depthAbove` can be received, or the oldest one is older than
   * `ageAboveMs`. Rejects with OPTION_INVALID, BUFFER_FULL, the signal's reason, UNKNOWN_QUEUE,
   * BROKER_CLOSED.
   */
  async when(options: WhenOptions): Promise<QueueLevel> {
    this.hosted.checkOpen();
    return await this.hosted.watch.when(options);
  }

  #triage(): QueueTriage<Output> {
    this.hosted.checkOpen();
    return new QueueTriage(triageSource(this.hosted, this.#home), this.codec);
  }
}

function checkSignal(signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
}

function checkMessages(messages: readonly unknown[]): void {
  const max = limits.queueBatchMax;
  const isList = Array.isArray(messages) && messages.length <= max;
  if (isList && messages.every((one) => typeof one === 'object' && one !== null)) return;
  const expected = `a list of at most ${max} messages`;
  throw createError('OPTION_INVALID', { option: 'messages', expected });
}
