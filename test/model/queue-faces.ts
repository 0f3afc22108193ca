/**
 * The queues of a broker in one life, as programs use them: the one place where the model calls
 * what it tests.
 */

import type { CrewHandle, CrewHandler } from './queue-crew.js';
import type { MessageDraft } from './queue-ledger.js';
import {
  type Inbox,
  type InboxMessage,
  type QueueFaceMessage,
  type ShareFaceMessage,
  seenInGroup,
  seenOf,
} from './queue-outlet.js';
import {
  DEAD,
  DEDUPLICATION_MS,
  EXCHANGE,
  isGroup,
  JOBS,
  KEYED,
  LEASE_MS,
  MAIL,
  NO_LIMIT,
  prioritiesOf,
  type QueuePlan,
  RETRY_MS,
  TOPIC,
  TRANSACTION_MS,
} from './queue-plan.js';
import type { RunTransaction } from './queue-transaction.js';

export interface SendOptions {
  readonly key?: string | undefined;
  readonly delayMs?: number | undefined;
  readonly priority?: number | undefined;
  readonly group?: string | undefined;
  readonly deduplicationId?: string | undefined;
  readonly ttlMs?: number | undefined;
}

export interface SentFace {
  readonly id: string;
  readonly isDuplicate: boolean;
  cancel(): Promise<boolean>;
}

export interface QueueFace {
  send(value: string, options?: SendOptions): Promise<SentFace>;
  sendBatch(messages: readonly ({ readonly value: string } & SendOptions)[]): Promise<SentFace[]>;
  cancel(id: string): Promise<boolean>;
  receiver(options: { readonly inFlightMax: number; readonly priority: number }): ReceiverFace;
  /** A list of messages of it, or of receipts. */
  acknowledge(list: unknown): Promise<void>;
  consume(
    handler: (message: QueueFaceMessage, context: { readonly signal: AbortSignal }) => unknown,
    options: object,
  ): CrewHandle;
  alter(changes: { readonly maxDeliveries: number }): Promise<void>;
  purge?(): Promise<unknown>;
  stats(): Promise<QueueCounts>;
}

export interface ReceiverFace {
  receive(options: {
    readonly max: number;
    readonly waitMs: number;
    readonly visibilityTimeoutMs?: number;
  }): Promise<readonly QueueFaceMessage[]>;
  close(): Promise<void>;
}

/** All of what a queue says that it holds. */
export interface QueueCounts {
  readonly length: number;
  readonly inFlight: number;
  readonly waiting: number;
  readonly delayed: number;
  readonly dying: number;
}

export interface BrokerFace {
  topic(name: string, options: object): Promise<TopicFace>;
  queue(name: string, options?: object): Promise<QueueFace>;
  exchange(name: string, kind: 'fanout'): Promise<ExchangeFace>;
  transaction(
    work: (transaction: {
      send(queue: unknown, value: string, options?: SendOptions): Promise<unknown>;
      acknowledge(message: unknown): void;
    }) => Promise<void>,
    options: object,
  ): Promise<void>;
}

export interface TopicFace {
  send(record: { readonly key: string; readonly value: string }): Promise<unknown>;
  share(options: object): ShareFace;
}

interface ShareFace {
  receive(options: object): Promise<readonly ShareFaceMessage[]>;
  /** A list of messages of it, or of receipts. */
  acknowledge(messages: unknown): Promise<void>;
  describe(): Promise<{ readonly unfinished: number }>;
  close(): Promise<void>;
}

interface ExchangeFace {
  /** A queue of it. */
  bind(target: unknown): Promise<unknown>;
  publish(value: string): Promise<{ readonly routed: number }>;
}

const TOPIC_PARTITIONS = 2;

export class QueueFaces {
  readonly #broker: BrokerFace;
  readonly #queues = new Map<string, QueueFace>();
  readonly #plan: QueuePlan;
  #exchange: ExchangeFace | undefined;
  #topic: TopicFace | undefined;

  private constructor(broker: BrokerFace, plan: QueuePlan) {
    this.#broker = broker;
    this.#plan = plan;
  }

  /** Opens, or declares, what the plan says. */
  static async open(broker: BrokerFace, plan: QueuePlan, isAltered: boolean): Promise<QueueFaces> {
    const faces = new QueueFaces(broker, plan);
    if (plan.hasDeadLetters) {
      const options = {
        maxDeliveries: 'unlimited',
        deadLetter: 'none',
        visibilityTimeoutMs: LEASE_MS,
      };
      faces.#queues.set(DEAD, await broker.queue(DEAD, options));
    }
    faces.#queues.set(JOBS, await broker.queue(JOBS, jobsOptions(plan, isAltered)));
    if (plan.hasExchange) {
      const options = {
        maxDeliveries: 'unlimited',
        deadLetter: 'none',
        expired: 'drop',
        visibilityTimeoutMs: LEASE_MS,
        deduplicationWindowMs: DEDUPLICATION_MS,
      };
      faces.#queues.set(MAIL, await broker.queue(MAIL, options));
      const exchange = await broker.exchange(EXCHANGE, 'fanout');
      for (const name of [JOBS, MAIL]) await exchange.bind(faces.#queue(name));
      faces.#exchange = exchange;
    }
    if (plan.hasTopic) {
      const options = { partitions: TOPIC_PARTITIONS, segmentBytes: 4096 };
      faces.#topic = await broker.topic(TOPIC, options);
    }
    return faces;
  }

  async send(queue: string, drafts: readonly MessageDraft[]): Promise<readonly SentFace[]> {
    const face = this.#queue(queue);
    const [only] = drafts;
    if (only === undefined) return [];
    if (drafts.length === 1) return [await face.send(only.id, optionsOf(only))];
    return await face.sendBatch(drafts.map((draft) => ({ value: draft.id, ...optionsOf(draft) })));
  }

  /** A record of the topic that share groups have. */
  async produce(key: string, value: string): Promise<void> {
    await this.#topic?.send({ key, value });
  }

  /** To how many queues it went. */
  async publish(value: string): Promise<number> {
    const { routed } = (await this.#exchange?.publish(value)) ?? { routed: 0 };
    return routed;
  }

  async cancel(queue: string, id: string): Promise<boolean> {
    return await this.#queue(queue).cancel(id);
  }

  join(queue: string, options: { readonly inFlightMax: number; readonly priority: number }): Inbox {
    if (isGroup(queue)) return this.#joinGroup(queue, options);
    const face = this.#queue(queue);
    const receiver = face.receiver(options);
    return {
      receive: async ({ max, waitMs, leaseMs }) => {
        const lease = leaseMs === undefined ? {} : { visibilityTimeoutMs: leaseMs };
        const messages = await receiver.receive({ max, waitMs, ...lease });
        return messages.map(inboxMessage);
      },
      acknowledge: (messages, isByReceipt) =>
        face.acknowledge(messages.map(({ seen, source }) => (isByReceipt ? seen.receipt : source))),
      close: () => receiver.close(),
    };
  }

  #joinGroup(
    group: string,
    { inFlightMax, priority }: { readonly inFlightMax: number; readonly priority: number },
  ): Inbox {
    const consumer = this.#share(group, { consumerInFlightMax: inFlightMax, priority });
    return {
      receive: async ({ max, waitMs, leaseMs }) => {
        const lease = leaseMs === undefined ? {} : { visibilityTimeoutMs: leaseMs };
        const messages = await consumer.receive({ max, waitMs, ...lease });
        return messages.map((message) => sharedMessage(message, group === KEYED));
      },
      acknowledge: (messages, isByReceipt) =>
        consumer.acknowledge(
          messages.map(({ seen, source }) => (isByReceipt ? seen.receipt : source)),
        ),
      close: () => consumer.close(),
    };
  }

  #share(group: string, options: object): ShareFace {
    const { deliveriesMax, inFlightMax } = this.#plan;
    if (this.#topic === undefined) throw new Error('there is no topic');
    return this.#topic.share({
      group,
      order: group === KEYED ? 'key' : 'none',
      visibilityTimeoutMs: LEASE_MS,
      maxDeliveries: deliveriesMax,
      inFlightMax,
      ...options,
    });
  }

  consume(queue: string, handler: CrewHandler, concurrency: number): CrewHandle {
    const run = (message: QueueFaceMessage, { signal }: { readonly signal: AbortSignal }) => {
      const live = {
        seen: seenOf(message),
        get leaseEndsMs() {
          return message.leaseEndsMs;
        },
      };
      return handler(live, signal);
    };
    const retry = { backoff: 'fixed', delayMs: RETRY_MS, jitter: 'none' };
    return this.#queue(queue).consume(run, { concurrency, retry, attemptTimeoutMs: 'unlimited' });
  }

  async alter(queue: string, maxDeliveries: number): Promise<void> {
    await this.#queue(queue).alter({ maxDeliveries });
  }

  async purge(queue: string): Promise<void> {
    await this.#queue(queue).purge?.();
  }

  canPurge(queue: string): boolean {
    return this.#queue(queue).purge !== undefined;
  }

  async counts(queue: string): Promise<QueueCounts> {
    if (isGroup(queue)) return await this.#countsOf(queue);
    const { length, inFlight, waiting, delayed, dying } = await this.#queue(queue).stats();
    return { length, inFlight, waiting, delayed, dying };
  }

  async #countsOf(group: string): Promise<QueueCounts> {
    const consumer = this.#share(group, {});
    const { unfinished } = await consumer.describe();
    await consumer.close();
    return { length: unfinished, inFlight: 0, waiting: 0, delayed: 0, dying: 0 };
  }

  readonly transaction: RunTransaction = (work) => {
    return this.#broker.transaction(
      (transaction) =>
        work({
          send: (name, draft) => transaction.send(this.#queue(name), draft.id, optionsOf(draft)),
          acknowledge: (source) => transaction.acknowledge(source),
        }),
      { timeoutMs: TRANSACTION_MS },
    );
  };

  #queue(name: string): QueueFace {
    const face = this.#queues.get(name);
    if (face === undefined) throw new Error(`there is no queue ${name}`);
    return face;
  }
}

/** What was altered is not what it was declared with any more. */
function jobsOptions(plan: QueuePlan, isAltered: boolean): object {
  const { order, deliveriesMax, failuresMax, hasDeadLetters, expired, inFlightMax } = plan;
  return {
    visibilityTimeoutMs: LEASE_MS,
    ...(isAltered ? {} : { maxDeliveries: deliveriesMax }),
    maxFailures: failuresMax === NO_LIMIT ? 'unlimited' : failuresMax,
    deadLetter: hasDeadLetters ? DEAD : 'none',
    expired,
    inFlightMax,
    priorities: prioritiesOf(plan, JOBS),
    priorityOrder: order === 'weighted' ? 'weighted' : 'strict',
    fifo: order === 'fifo',
    singleActiveConsumer: order === 'single',
    deduplicationWindowMs: DEDUPLICATION_MS,
    segmentBytes: 4096,
  };
}

function optionsOf({ lane, priority, delayMs, ttlMs, deduplicationId }: MessageDraft): SendOptions {
  return {
    ...(lane === undefined ? {} : { group: lane }),
    ...(priority === undefined ? {} : { priority }),
    ...(delayMs === undefined ? {} : { delayMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
    ...(deduplicationId === undefined ? {} : { deduplicationId }),
  };
}

function inboxMessage(message: QueueFaceMessage): InboxMessage {
  return {
    seen: seenOf(message),
    get leaseEndsMs() {
      return message.leaseEndsMs;
    },
    acknowledge: () => message.acknowledge(),
    release: (delayMs) => message.release({ delayMs }),
    reject: () => message.reject({ reason: 'a command says so' }),
    extend: (ms) => message.extend(ms),
    source: message,
  };
}

function sharedMessage(message: ShareFaceMessage, isKeyed: boolean): InboxMessage {
  return {
    seen: seenInGroup(message, isKeyed),
    get leaseEndsMs() {
      return message.leaseEndsMs;
    },
    acknowledge: () => message.acknowledge(),
    release: (delayMs) => message.release({ delayMs }),
    reject: () => message.reject(),
    extend: (ms) => message.renew(ms),
    source: message,
  };
}
