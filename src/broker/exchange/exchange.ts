/**
 * An exchange in the hands of a program: its bindings, and publishing through it.
 *
 * A handle goes by its name: once the exchange is deleted everything answers UNKNOWN_EXCHANGE, and
 * when it is made again the handle works again, as names do in RabbitMQ. Publishing is safe to
 * repeat where the queues deduplicate.
 */

import { createError } from '../../base/errors.js';
import { type Codec, encodeValue, invalidValue } from '../topic/codec.js';
import type { BindingInput, BindingTarget } from './binding-definition.js';
import { type BindTarget, ExchangeHandle, findBindTarget } from './exchange-bind.js';
import type { ExchangeKind } from './exchange-definition.js';
import {
  type BindingDescription,
  describeBinding,
  describeExchange,
  type ExchangeDescription,
} from './exchange-description.js';
import { type ExchangeMessage, makeMessage } from './exchange-message.js';
import {
  type BindOptions,
  type CallOptions,
  checkBatch,
  checkBatched,
  checkBind,
  checkPublish,
  type MessageOptions,
  type PublishedMessage,
  type PublishOptions,
} from './exchange-options.js';
import type { ExchangePublisher, Outcome, PublishResult } from './exchange-publisher.js';
import type { ExchangeTargets } from './exchange-targets.js';
import type { Exchanges } from './exchanges.js';

/** What an exchange's handle needs of its broker; each throws BROKER_CLOSED. */
export interface ExchangeHome {
  exchanges(): Exchanges;
  targets(): ExchangeTargets;
  publisher(exchange: string): ExchangePublisher;
  /** The exchange is gone. */
  deleted(exchange: string): void;
}

export interface PublishBatchResult<Value> {
  /** Copies that queues and topics have, of all messages. */
  readonly routed: number;
  /** How many messages reached nobody. */
  readonly unroutable: number;
  /** These, as they were given; none with `onUnroutable: 'count'`. */
  readonly returned: readonly PublishedMessage<Value>[];
}

/** Publishes whose codec has not answered. */
const ENCODING_MAX = 65_536;

export class Exchange<Input = Uint8Array | string> extends ExchangeHandle {
  readonly codec: Codec<unknown, Input>;
  readonly #home: ExchangeHome;
  /** The last publish whose codec answers later; those behind it wait for it. */
  #encoding: Promise<void> | undefined;
  #encodingCount = 0;

  /** @internal */
  constructor(name: string, codec: Codec<unknown, Input>, home: ExchangeHome) {
    super(name);
    this.codec = codec;
    this.#home = home;
  }

  /** Throws UNKNOWN_EXCHANGE. */
  get kind(): ExchangeKind {
    return this.#home.exchanges().get(this.name).kind;
  }

  /** Throws UNKNOWN_EXCHANGE. */
  get alternate(): string | undefined {
    return this.#home.exchanges().get(this.name).alternate;
  }

  /**
   * Routes what matches to a queue, a topic or another exchange: by its key, or its pattern, when
   * `condition` is a text. Durable when it resolves; a binding that is there is left as it is.
   * Rejects with BINDING_INVALID, ROUTING_KEY_INVALID, FILTER_POLICY_INVALID, UNKNOWN_EXCHANGE,
   * UNKNOWN_QUEUE, UNKNOWN_TOPIC, EXCHANGES_FULL, OPTION_UNKNOWN, INVALID_EXCHANGE_NAME for the
   * default exchange.
   */
  async bind(target: BindTarget, condition: string | BindOptions = {}): Promise<void> {
    const { target: found, isThere } = findBindTarget(target, this.#home.targets());
    await this.#home.exchanges().bind(this.#binding(found, condition), isThere);
  }

  /** Takes back what `bind` with the same arguments has done; one that is not there is no error. */
  async unbind(target: BindTarget, condition: string | BindOptions = {}): Promise<void> {
    const { target: found } = findBindTarget(target, this.#home.targets());
    await this.#home.exchanges().unbind(this.#binding(found, condition));
  }

  /** The bindings of this exchange, oldest first. Throws UNKNOWN_EXCHANGE. */
  bindings(): readonly BindingDescription[] {
    return this.#home.exchanges().bindings(this.name).map(describeBinding);
  }

  /** Throws UNKNOWN_EXCHANGE. */
  describe(): ExchangeDescription {
    return describeExchange(this.#home.exchanges(), this.name);
  }

  /**
   * Sends a copy to every queue and topic that is bound for it. Resolves when all copies are
   * durable: several come by a transaction, so all of them are stored, or none.
   *
   * Rejects with UNKNOWN_EXCHANGE, VALUE_INVALID, ROUTING_KEY_INVALID, ATTRIBUTE_INVALID,
   * MESSAGE_UNROUTABLE (when asked for), OPTION_UNKNOWN, OPTION_INVALID, BUFFER_FULL, and with what
   * a send to a target, or the transaction, rejects with.
   */
  publish(value: Input, options: PublishOptions = {}): Promise<PublishResult> {
    try {
      checkPublish(options);
      const publisher = this.#home.publisher(this.name);
      const { onUnroutable: policy = 'return', signal } = options;
      const message = this.#message(value, options);
      if (!(message instanceof Promise) && this.#encoding === undefined) {
        return publisher.publish(message, { policy, signal });
      }
      return this.#inTurn(message, (ready) => publisher.publish(ready, { policy, signal }));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * The same for a list. When it reaches one queue or topic, it is sent there as one list;
   * otherwise all copies of all messages are stored, or none.
   */
  publishBatch(
    messages: readonly PublishedMessage<Input>[],
    options: CallOptions = {},
  ): Promise<PublishBatchResult<Input>> {
    try {
      checkBatch(options);
      const publisher = this.#home.publisher(this.name);
      const given = [...messages];
      const { onUnroutable: policy = 'return', signal } = options;
      const go = async (encoded: readonly ExchangeMessage[]) =>
        batchResult(await publisher.publishAll(encoded, { policy, signal }), given, policy);
      return this.#inTurn(this.#encodeAll(given), go);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Deletes it with its bindings, and those to it. Rejects with UNKNOWN_EXCHANGE. */
  async delete(): Promise<void> {
    await this.#home.exchanges().delete(this.name);
    this.#home.deleted(this.name);
  }

  #binding(target: BindingTarget, given: string | BindOptions): BindingInput {
    const condition = typeof given === 'string' ? { key: given } : given;
    checkBind(condition);
    const { key, headers, match, filter } = condition;
    return { exchange: this.name, target, routingKey: key, headers, match, filter };
  }

  #message(value: Input, options: MessageOptions): ExchangeMessage | Promise<ExchangeMessage> {
    if (value === undefined || value === null) {
      throw invalidValue(this.codec.name, 'a message has a value');
    }
    const encoded = encodeValue(this.codec, value);
    if (!(encoded instanceof Promise)) return makeMessage(this.name, options, encoded);
    // Headers and keys are looked at now: the caller may change them while the codec works.
    const message = makeMessage(this.name, options, '');
    return encoded.then((late) => ({ ...message, send: { ...message.send, value: late } }));
  }

  #encodeAll(
    given: readonly PublishedMessage<Input>[],
  ): readonly ExchangeMessage[] | Promise<readonly ExchangeMessage[]> {
    if (given.length === 0) {
      const reason = 'a batch has at least one message';
      throw createError('RECORD_INVALID', { field: 'messages', reason });
    }
    let isPromised = false;
    const encoded = given.map((one) => {
      checkBatched(one);
      const message = this.#message(one.value, one);
      if (message instanceof Promise) isPromised = true;
      return message;
    });
    if (isPromised) return Promise.all(encoded);
    return encoded.filter((one): one is ExchangeMessage => !(one instanceof Promise));
  }

  /** Publishes keep their order, however long their codecs take. */
  #inTurn<Ready, Result>(
    encoded: Ready | Promise<Ready>,
    go: (ready: Ready) => Promise<Result>,
  ): Promise<Result> {
    if (!(encoded instanceof Promise) && this.#encoding === undefined) return go(encoded);
    if (this.#encodingCount >= ENCODING_MAX) {
      throw createError('BUFFER_FULL', { exchange: this.name, publishes: ENCODING_MAX });
    }
    this.#encodingCount += 1;
    const before = this.#encoding;
    const settling = Promise.allSettled([encoded]).then(async ([settled]) => {
      await before;
      return settled;
    });
    const line = settling.then(() => {
      this.#encodingCount -= 1;
      if (this.#encoding === line) this.#encoding = undefined;
    });
    this.#encoding = line;
    return settling.then((settled) => {
      if (settled.status === 'rejected') throw settled.reason;
      return go(settled.value);
    });
  }
}

function batchResult<Value>(
  { copies, unroutable }: Outcome,
  given: readonly PublishedMessage<Value>[],
  policy: string,
): PublishBatchResult<Value> {
  const lost = new Set(policy === 'return' ? unroutable : []);
  const returned = given.filter((_, index) => lost.has(index));
  return { routed: copies, unroutable: unroutable.length, returned };
}
