/**
 * The exchanges and bindings of a broker: what may change, what is stored for it, and the routes.
 *
 * A change is planned, stored, applied. A plan checks and changes nothing: it is the entries that
 * the state log is to get in one append, none when all is as asked. `apply` takes what was stored,
 * live as at open, so both make the same of it. Changes come one at a time: no plan is made between
 * another one and its `apply`.
 *
 *     exchange/<name>     [form, kind, alternate]
 *     binding/<number>    [form, exchange, target, ...]; goes in the same append as its exchange
 *
 * Whether a queue or a topic is there is not known here: who binds looks first, and who deletes one
 * plans to forget it.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { StateEntry, StateValue } from '../state/state-log.js';
import {
  type Binding,
  type BindingInput,
  type BindingTarget,
  decodeBinding,
  encodeBinding,
  exchangeOf,
  type RouteTarget,
  resolveBinding,
} from './binding-definition.js';
import { ExchangeBindings, type NumberedBinding } from './exchange-bindings.js';
import {
  checkExchangeName,
  checkSameExchange,
  DEFAULT_EXCHANGE,
  decodeExchange,
  type ExchangeDefinition,
  type ExchangeInput,
  exchangeEntry,
  exchangeNameIn,
  noExchangeEntry,
  resolveExchange,
} from './exchange-definition.js';
import { exchangesFull, unknownExchange } from './exchange-errors.js';
import { ExchangeGraph } from './exchange-graph.js';
import type { RoutedMessage } from './exchange-table.js';

/** What the state log gets for a change, in one append. */
export type ExchangePlan = readonly StateEntry[];

const BINDING_KEY = /^binding\/([1-9]\d{0,15})$/;

export class ExchangeRegistry {
  readonly #exchanges = new Map<string, ExchangeDefinition>();
  readonly #bindings = new ExchangeBindings();
  readonly #graph = new ExchangeGraph();
  readonly #isQueue: (name: string) => boolean;

  /** `isQueue` is asked on the way through the default exchange. */
  constructor(isQueue: (name: string) => boolean) {
    this.#isQueue = isQueue;
  }

  /** What is stored, oldest first as the log has it. Throws LOG_CORRUPT, FORMAT_UNSUPPORTED. */
  static restore(
    entries: Iterable<StateEntry>,
    isQueue: (name: string) => boolean,
  ): ExchangeRegistry {
    const latest = new Map<string, StateEntry>();
    for (const entry of entries) {
      if (entry.value === null) latest.delete(entry.key);
      else latest.set(entry.key, entry);
    }
    const isExchange = ({ key }: StateEntry) => exchangeNameIn(key) !== undefined;
    const live = [...latest.values()];
    const registry = new ExchangeRegistry(isQueue);
    registry.apply(live.filter(isExchange));
    registry.apply(live.filter((entry) => !isExchange(entry)));
    return registry;
  }

  get bindingCount(): number {
    return this.#bindings.count;
  }

  /** By name; the default exchange is not among them. */
  list(): readonly ExchangeDefinition[] {
    return [...this.#exchanges.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
  }

  find(name: string): ExchangeDefinition | undefined {
    return this.#exchanges.get(name);
  }

  /** All bindings, those of an exchange, or those to a target. */
  bindings(of?: { exchange: string } | { target: BindingTarget }): readonly Binding[] {
    return this.#numbered(of).map(({ binding }) => binding);
  }

  /** Throws EXCHANGE_CONFLICT, EXCHANGES_FULL, INVALID_EXCHANGE_NAME, OPTION_INVALID. */
  planDeclare(given: ExchangeInput): ExchangePlan {
    const asked = resolveExchange(given);
    const found = this.#exchanges.get(asked.name);
    if (found !== undefined) {
      checkSameExchange(found, asked);
      return [];
    }
    const max = limits.exchangesMax;
    if (this.#exchanges.size >= max) throw exchangesFull('exchanges', max);
    return [exchangeEntry(asked)];
  }

  /** Its bindings go with it, those to it too. Throws UNKNOWN_EXCHANGE. */
  planDelete(name: string): ExchangePlan {
    this.#exchange(name);
    const bound = [
      ...this.#bindings.from(name),
      ...this.#bindings.to({ kind: 'exchange', name }).filter((to) => to.binding.exchange !== name),
    ];
    return [...bound.map(noBindingEntry), noExchangeEntry(name)];
  }

  /**
   * Throws UNKNOWN_EXCHANGE also for a target that is none, BINDING_INVALID, ROUTING_KEY_INVALID,
   * FILTER_POLICY_INVALID, EXCHANGES_FULL, and errors of names.
   */
  planBind(given: BindingInput): ExchangePlan {
    const binding = this.#resolve(given);
    if (binding.target.kind === 'exchange') this.#exchange(binding.target.name);
    if (this.#bindings.find(binding) !== undefined) return [];
    this.#bindings.checkRoom(binding);
    const key = bindingKey(this.#bindings.nextNumber);
    return [{ key, value: encodeBinding(binding) }];
  }

  /** Errors as `planBind`; a binding that is not there is no error. */
  planUnbind(given: BindingInput): ExchangePlan {
    const found = this.#bindings.find(this.#resolve(given));
    return found === undefined ? [] : [noBindingEntry(found)];
  }

  /** The target is going: its bindings go. */
  planForget(target: BindingTarget): ExchangePlan {
    return this.#bindings.to(target).map(noBindingEntry);
  }

  /** Takes over what is stored now. Throws LOG_CORRUPT, FORMAT_UNSUPPORTED. */
  apply(entries: ExchangePlan): void {
    for (const { key, value } of entries) {
      const name = exchangeNameIn(key);
      if (name !== undefined) {
        this.#applyExchange(name, value);
        continue;
      }
      const [, digits] = BINDING_KEY.exec(key) ?? [];
      if (digits === undefined) throw damaged(key, 'the key of an exchange or a binding');
      this.#applyBinding(key, Number(digits), value);
    }
  }

  /**
   * The queues and topics that the message goes to, each once, in no particular order; none means
   * that it is unroutable. Throws UNKNOWN_EXCHANGE, ROUTING_KEY_INVALID, ATTRIBUTE_INVALID.
   */
  route(exchange: string, message: RoutedMessage): readonly RouteTarget[] {
    const reached = this.#graph.route(exchange, message);
    if (reached !== undefined) return reached;
    if (exchange !== DEFAULT_EXCHANGE) throw unknownExchange(exchange);
    const name = message.routingKey;
    return this.#isQueue(name) ? [{ kind: 'queue', name }] : [];
  }

  #resolve(given: BindingInput): Binding {
    return resolveBinding(given, this.#exchange(given.exchange).kind);
  }

  /** Throws UNKNOWN_EXCHANGE, INVALID_EXCHANGE_NAME. */
  #exchange(name: string): ExchangeDefinition {
    checkExchangeName(name);
    const found = this.#exchanges.get(name);
    if (found === undefined) throw unknownExchange(name);
    return found;
  }

  #numbered(of?: { exchange: string } | { target: BindingTarget }): readonly NumberedBinding[] {
    if (of === undefined) return this.#bindings.all();
    return 'exchange' in of ? this.#bindings.from(of.exchange) : this.#bindings.to(of.target);
  }

  #applyExchange(name: string, value: StateValue | null): void {
    if (value === null) {
      const bound = this.#bindings.from(name).length;
      const isBound = bound + this.#bindings.to({ kind: 'exchange', name }).length > 0;
      if (!this.#exchanges.has(name) || isBound) throw damaged(name, 'an exchange that can go');
      this.#exchanges.delete(name);
      this.#graph.removeExchange(name);
      return;
    }
    const definition = decodeExchange(name, value);
    if (this.#exchanges.has(name)) throw damaged(name, 'an exchange that is new');
    this.#exchanges.set(name, definition);
    this.#graph.addExchange(definition);
  }

  #applyBinding(key: string, number: number, value: StateValue | null): void {
    const found = this.#bindings.get(number);
    if (value === null) {
      if (found === undefined) throw damaged(key, 'a binding that can go');
      this.#bindings.remove(number);
      this.#graph.removeBinding(found.binding);
      return;
    }
    const source = this.#exchanges.get(exchangeOf(value));
    if (source === undefined) throw damaged(key, 'a binding of an exchange that is there');
    const binding = decodeBinding(value, source.kind);
    const { kind, name } = binding.target;
    const hasTarget = kind !== 'exchange' || this.#exchanges.has(name);
    const isNew = found === undefined && this.#bindings.find(binding) === undefined;
    if (!hasTarget || !isNew) throw damaged(key, 'a binding that is new, to what is there');
    this.#bindings.add({ number, binding });
    this.#graph.addBinding(binding);
  }
}

function bindingKey(number: number): string {
  return `binding/${number}`;
}

function noBindingEntry({ number }: NumberedBinding): StateEntry {
  return { key: bindingKey(number), value: null };
}

function damaged(key: string, expected: string): Error {
  return createError('LOG_CORRUPT', { key: key.slice(0, 64), expected });
}
