/**
 * How messages leave an exchange: routed, and sent to whom they reach.
 *
 *     nobody     counted, and given back or refused as asked
 *     one        a plain send, as if it was sent there
 *     several    by a transaction (`exchange-fanout.ts`): all get it, or none
 *
 * A target that is deleted while it is sent to is as if its bindings had gone before: the messages
 * are routed again.
 */

import { hasCode } from '../../base/errors.js';
import type { ProducerCore, SendTarget } from '../producer/producer-core.js';
import { onlyOne, recordAt } from '../producer/producer-send.js';
import { sendDeduplicated } from '../producer/send-deduplicated.js';
import {
  CopyPlan,
  type FoundTarget,
  findTarget,
  isGone,
  type TargetCopies,
  topicRecord,
  topicTarget,
} from './exchange-copies.js';
import { unroutableMessage } from './exchange-errors.js';
import { ExchangeFanout, type FanoutParts } from './exchange-fanout.js';
import type { ExchangeMessage } from './exchange-message.js';
import type { UnroutablePolicy } from './exchange-options.js';
import type { RoutedSend } from './exchange-targets.js';
import type { Exchanges } from './exchanges.js';

export interface PublishResult {
  /** How many queues and topics have it. */
  readonly routed: number;
  /** Nobody was bound for it. */
  readonly unroutable: boolean;
}

/** What most publishes resolve to. */
const toOne: PublishResult = Object.freeze({ routed: 1, unroutable: false });

export interface Outcome {
  /** Copies that were stored. */
  readonly copies: number;
  /** Of a list, those that reached nobody, by their places. */
  readonly unroutable: readonly number[];
}

interface CallOptions {
  readonly policy: UnroutablePolicy;
  readonly signal: AbortSignal | undefined;
}

export interface PublisherParts extends FanoutParts {
  readonly exchanges: Exchanges;
  /** The producer that all exchanges share. */
  readonly producer: () => ProducerCore;
}

export class ExchangePublisher {
  readonly #exchange: string;
  readonly #parts: PublisherParts;
  readonly #fanout: ExchangeFanout;

  constructor(exchange: string, parts: PublisherParts) {
    this.#exchange = exchange;
    this.#parts = parts;
    this.#fanout = new ExchangeFanout(parts);
  }

  /**
   * Resolves once it is durable wherever it goes. Rejects with what `Exchanges.route`, a send or a
   * transaction rejects with, and MESSAGE_UNROUTABLE.
   */
  publish(message: ExchangeMessage, { policy, signal }: CallOptions): Promise<PublishResult> {
    const { exchanges, targets } = this.#parts;
    const routes = exchanges.route(this.#exchange, message);
    const [first] = routes;
    if (routes.length === 1 && first !== undefined) {
      const target = findTarget(first, targets);
      if (target !== undefined) return this.#sendOne(target, message, { policy, signal });
    }
    return this.publishAll([message], { policy, signal }).then(({ copies }) => ({
      routed: copies,
      unroutable: copies === 0,
    }));
  }

  /** The same for a list. */
  async publishAll(
    messages: readonly ExchangeMessage[],
    { policy, signal }: CallOptions,
  ): Promise<Outcome> {
    const { exchanges, targets } = this.#parts;
    const counts = exchanges.countsOf(this.#exchange);
    for (;;) {
      const plan = new CopyPlan(targets);
      const copies = messages.map((message) =>
        plan.add(exchanges.route(this.#exchange, message), message.send),
      );
      const unroutable = [...copies.keys()].filter((index) => copies[index] === 0);
      if (policy === 'error') this.#refuse(messages, unroutable);
      const sends = plan.all;
      if (sends.length > 0 && !(await this.#store(sends, signal))) continue;
      for (const count of copies) counts.note(count);
      return { copies: plan.count, unroutable };
    }
  }

  #sendOne(
    target: FoundTarget,
    message: ExchangeMessage,
    options: CallOptions,
  ): Promise<PublishResult> {
    return this.#sendPlain(target, message.send, options.signal).then(
      () => {
        this.#parts.exchanges.countsOf(this.#exchange).note(1);
        return toOne;
      },
      (error: unknown) => {
        if (!isGone(target, this.#parts.targets)) throw error;
        return this.publish(message, options);
      },
    );
  }

  /** False when somebody has gone meanwhile, and nothing is stored. */
  async #store(sends: readonly TargetCopies[], signal: AbortSignal | undefined): Promise<boolean> {
    const [first] = sends;
    try {
      if (first !== undefined && sends.length === 1) await this.#sendList(first, signal);
      else await this.#fanout.send(sends, signal);
      return true;
    } catch (error) {
      const { targets } = this.#parts;
      const isSure = !hasCode(error, 'OUTCOME_UNKNOWN');
      if (isSure && sends.some(({ target }) => isGone(target, targets))) return false;
      throw error;
    }
  }

  #sendPlain(
    target: FoundTarget,
    message: RoutedSend,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    if (target.kind === 'queue') return target.queue.send(message, signal);
    return this.#sendRecord(topicTarget(target.topic), message, signal);
  }

  #sendRecord(
    to: SendTarget<Uint8Array | string>,
    message: RoutedSend,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const producer = this.#parts.producer();
    const { deduplicationId } = message;
    const record = topicRecord(message);
    if (deduplicationId !== undefined) {
      return sendDeduplicated(producer, to, record, { deduplicationId, signal });
    }
    if (signal === undefined) return producer.sendOne(to, record, recordAt);
    return producer.send(to, [record], onlyOne, { signal });
  }

  #sendList({ target, messages }: TargetCopies, signal: AbortSignal | undefined): Promise<unknown> {
    if (target.kind === 'queue') return target.queue.sendAll(messages, signal);
    const to = topicTarget(target.topic);
    if (messages.some(({ deduplicationId }) => deduplicationId !== undefined)) {
      return Promise.all(messages.map((message) => this.#sendRecord(to, message, signal)));
    }
    const records = messages.map((message) => topicRecord(message));
    return this.#parts.producer().send(to, records, (sent) => sent, { signal });
  }

  /** Throws MESSAGE_UNROUTABLE. */
  #refuse(messages: readonly ExchangeMessage[], unroutable: readonly number[]): void {
    const [first] = unroutable;
    if (first === undefined) return;
    const counts = this.#parts.exchanges.countsOf(this.#exchange);
    for (const _ of unroutable) counts.note(0);
    throw unroutableMessage(this.#exchange, messages[first]?.routingKey ?? '');
  }
}
