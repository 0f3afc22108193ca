/**
 * The exchanges of a broker: made, listed, described, deleted, and given out as handles.
 *
 * All handles of an exchange publish by one publisher, and topics get their copies by one producer.
 */

import { createError } from '../base/errors.js';
import { resolveOptions } from '../base/options.js';
import { Exchange, type ExchangeHome } from './exchange/exchange.js';
import { DEFAULT_EXCHANGE, type ExchangeKind } from './exchange/exchange-definition.js';
import {
  describeExchange,
  type ExchangeDescription,
  listExchanges,
} from './exchange/exchange-description.js';
import type { Transact } from './exchange/exchange-fanout.js';
import type { ExchangeOptions, TypedExchangeOptions } from './exchange/exchange-options.js';
import { ExchangePublisher } from './exchange/exchange-publisher.js';
import type { ExchangeTargets } from './exchange/exchange-targets.js';
import { Exchanges } from './exchange/exchanges.js';
import type { Deduplications } from './producer/deduplications.js';
import type { ProducerCore } from './producer/producer-core.js';
import type { OpenStates } from './state/open-states.js';
import { bytes, type Codec } from './topic/codec.js';

type GivenOptions = Partial<TypedExchangeOptions<unknown>>;

export interface BrokerExchangesParts {
  readonly directory: string;
  readonly states: OpenStates;
  readonly targets: ExchangeTargets;
  readonly transact: Transact;
  readonly deduplications: Deduplications;
  /** Made when a topic is first sent to; closed with the exchanges. */
  readonly makeProducer: () => ProducerCore;
}

export class BrokerExchanges {
  /** Watches the topics of the broker. */
  readonly exchanges: Exchanges;
  readonly #parts: BrokerExchangesParts;
  readonly #home: ExchangeHome;
  readonly #publishers = new Map<string, ExchangePublisher>();
  #producer: ProducerCore | undefined;
  #isClosed = false;

  /** `names`: what lies in the broker's folder. Throws as `Exchanges.open`. */
  static async open(
    parts: BrokerExchangesParts,
    names: readonly string[],
  ): Promise<BrokerExchanges> {
    return new BrokerExchanges(parts, await Exchanges.open(parts, names));
  }

  private constructor(parts: BrokerExchangesParts, exchanges: Exchanges) {
    this.#parts = parts;
    this.exchanges = exchanges;
    this.#home = {
      exchanges: () => this.#open(),
      targets: () => parts.targets,
      publisher: (name) => this.#publisher(name),
      deleted: (name) => void this.#publishers.delete(name),
    };
  }

  /** See `Broker.exchange`. */
  async declare(
    name: string,
    kind: ExchangeKind | undefined,
    { codec, ...options }: GivenOptions = {},
  ): Promise<Exchange<unknown>> {
    const exchanges = this.#open();
    if (kind !== undefined && name !== DEFAULT_EXCHANGE) {
      await exchanges.declare({ name, kind, ...alternateOf(options) });
    } else {
      const found = exchanges.get(name);
      checkNothingElse(found.kind, kind, options);
    }
    return new Exchange(name, codecOf(codec), this.#home);
  }

  /** See `Broker.createExchange`. */
  async create(
    name: string,
    kind: ExchangeKind,
    { codec, ...options }: GivenOptions = {},
  ): Promise<Exchange<unknown>> {
    await this.#open().create({ name, kind, ...alternateOf(options) });
    return new Exchange(name, codecOf(codec), this.#home);
  }

  list(): readonly ExchangeDescription[] {
    return listExchanges(this.#open());
  }

  /** Throws UNKNOWN_EXCHANGE. */
  describe(name: string): ExchangeDescription {
    return describeExchange(this.#open(), name);
  }

  /** Rejects with UNKNOWN_EXCHANGE. */
  async delete(name: string): Promise<void> {
    await new Exchange(name, bytes, this.#home).delete();
  }

  /** A handle of any name, for what is done by names alone. */
  handle(name: string): Exchange {
    return new Exchange(name, bytes, this.#home);
  }

  /** What is on its way is sent; later calls are refused. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#producer?.close();
    await this.exchanges.close();
  }

  #publisher(name: string): ExchangePublisher {
    const exchanges = this.#open();
    const known = this.#publishers.get(name);
    if (known !== undefined) return known;
    exchanges.get(name);
    const producer = (): ProducerCore => this.#sharedProducer();
    const made = new ExchangePublisher(name, { ...this.#parts, exchanges, producer });
    this.#publishers.set(name, made);
    return made;
  }

  #sharedProducer(): ProducerCore {
    this.#open();
    this.#producer ??= this.#parts.makeProducer();
    return this.#producer;
  }

  #open(): Exchanges {
    if (!this.#isClosed) return this.exchanges;
    throw createError('BROKER_CLOSED', { path: this.#parts.directory });
  }
}

/** Without a kind, the exchange is the one that is there, whatever it is. */
function checkNothingElse(
  found: ExchangeKind,
  asked: ExchangeKind | undefined,
  options: ExchangeOptions,
): void {
  resolveOptions({}, options, 'exchange');
  if (asked === undefined || asked === found) return;
  const facts = { expected: `${found}: the default exchange`, actual: String(asked) };
  throw createError('OPTION_INVALID', { option: 'kind', ...facts });
}

function alternateOf({ alternate, ...others }: ExchangeOptions): ExchangeOptions {
  resolveOptions({}, others, 'exchange');
  return { alternate };
}

function codecOf(codec: Codec<unknown, unknown> | undefined): Codec<unknown, never> {
  return codec ?? bytes;
}
