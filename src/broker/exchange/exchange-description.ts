/**
 * Exchanges and bindings as people see them.
 */

import type { AttributeScalar } from './binding-attributes.js';
import type { Binding, BindingTarget } from './binding-definition.js';
import type { HeadersMatch } from './binding-headers.js';
import type { ExchangeTraffic } from './exchange-counts.js';
import type { ExchangeDefinition, ExchangeKind } from './exchange-definition.js';
import type { Exchanges } from './exchanges.js';

export interface ExchangeDescription extends ExchangeTraffic {
  readonly name: string;
  readonly kind: ExchangeKind;
  readonly alternate: string | undefined;
  /** How many there are. */
  readonly bindings: number;
}

export interface BindingDescription {
  readonly target: BindingTarget;
  /** The key or the pattern. */
  readonly key: string;
  /** Undefined but for headers exchanges. */
  readonly match: HeadersMatch | undefined;
  readonly headers: Readonly<Record<string, AttributeScalar>>;
  /** The filter policy as JSON has it. */
  readonly filter: unknown;
}

/** Throws UNKNOWN_EXCHANGE. */
export function describeExchange(exchanges: Exchanges, name: string): ExchangeDescription {
  return descriptionOf(exchanges, exchanges.get(name));
}

/** By name; the default exchange is not among them. */
export function listExchanges(exchanges: Exchanges): readonly ExchangeDescription[] {
  return exchanges.list().map((definition) => descriptionOf(exchanges, definition));
}

export function describeBinding(binding: Binding): BindingDescription {
  const { target, routingKey: key, match, headers, filter } = binding;
  const policy: unknown = filter === undefined ? undefined : JSON.parse(filter.text);
  return { target, key, match, headers: Object.fromEntries(headers), filter: policy };
}

function descriptionOf(
  exchanges: Exchanges,
  { name, kind, alternate }: ExchangeDefinition,
): ExchangeDescription {
  const { published, routed, unroutable } = exchanges.countsOf(name);
  const bindings = exchanges.bindings(name).length;
  return { name, kind, alternate, bindings, published, routed, unroutable };
}
