/**
 * A binding: what an exchange routes to, and when. How it lies in the state log.
 *
 * As in RabbitMQ, a binding is told by everything that it says: the same target can be bound with
 * several keys, headers or filters, and binding it again with the same changes nothing. A fanout or
 * headers exchange does not look at the routing key, which then only tells bindings apart. A filter
 * narrows a binding of whatever exchange: both have to match.
 *
 * A value is `[form, exchange, target's kind, target's name, routing key, match or null,
 * [[header, value], ...], filter as JSON or null]` under `binding/<number>`.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { StatePart, StateValue } from '../state/state-log.js';
import { checkTopicName } from '../topic/topic-name.js';
import { type AttributeScalar, isScalar } from './binding-attributes.js';
import {
  type FilterPolicy,
  type FilterPolicyInput,
  parseFilterPolicy,
  parseFilterText,
} from './binding-filter.js';
import {
  type HeaderCondition,
  type HeadersMatch,
  headersMatches,
  isHeadersMatch,
  resolveHeaders,
} from './binding-headers.js';
import { checkExchangeName, type ExchangeKind } from './exchange-definition.js';
import { invalidBinding } from './exchange-errors.js';
import { checkRoutingKey } from './exchange-key.js';

/** Where messages end: the name of a queue or of a topic. */
export interface RouteTarget {
  readonly kind: 'queue' | 'topic';
  readonly name: string;
}

export interface ExchangeTarget {
  readonly kind: 'exchange';
  readonly name: string;
}

export type BindingTarget = RouteTarget | ExchangeTarget;

export interface BindingInput {
  readonly exchange: string;
  readonly target: BindingTarget;
  /** The key or, for a topic exchange, the pattern; empty when absent. */
  readonly routingKey?: string | undefined;
  /** How `headers` are read; `all` when absent. Headers exchanges only, as `headers`. */
  readonly match?: HeadersMatch | undefined;
  readonly headers?: Readonly<Record<string, AttributeScalar>> | undefined;
  readonly filter?: FilterPolicyInput | undefined;
}

export interface Binding {
  readonly exchange: string;
  readonly target: BindingTarget;
  readonly routingKey: string;
  /** Undefined but for headers exchanges. */
  readonly match: HeadersMatch | undefined;
  /** By name. */
  readonly headers: readonly HeaderCondition[];
  readonly filter: FilterPolicy | undefined;
}

const FORM = 1;

/**
 * The binding that is asked for, to an exchange of this kind. Throws BINDING_INVALID,
 * ROUTING_KEY_INVALID, FILTER_POLICY_INVALID, INVALID_EXCHANGE_NAME, INVALID_TOPIC_NAME.
 */
export function resolveBinding(given: BindingInput, kind: ExchangeKind): Binding {
  const { exchange, routingKey = '', match, headers, filter } = given;
  checkExchangeName(exchange);
  checkRoutingKey(routingKey);
  if (kind !== 'headers' && (match !== undefined || headers !== undefined)) {
    throw invalidBinding('only a headers exchange takes headers and match', exchange);
  }
  if (match !== undefined && !isHeadersMatch(match)) {
    throw invalidBinding(`match is one of ${headersMatches.join(', ')}`, match);
  }
  return Object.freeze({
    exchange,
    target: resolveTarget(given.target),
    routingKey,
    match: kind === 'headers' ? (match ?? 'all') : undefined,
    headers: resolveHeaders(headers ?? {}),
    filter: filter === undefined ? undefined : parseFilterPolicy(filter),
  });
}

/** Throws BINDING_INVALID, INVALID_EXCHANGE_NAME, INVALID_TOPIC_NAME. */
export function resolveTarget(given: BindingTarget): BindingTarget {
  if (typeof given !== 'object' || given === null) throw invalidBinding('it has no target', given);
  const { kind, name } = given;
  switch (kind) {
    case 'exchange':
      checkExchangeName(name);
      return Object.freeze({ kind, name });
    case 'queue':
    case 'topic':
      checkTopicName(name);
      return Object.freeze({ kind, name });
    default:
      throw invalidBinding('a target is a queue, a topic or an exchange', kind);
  }
}

/** Equal for targets that are one. */
export function targetText({ kind, name }: BindingTarget): string {
  return `${kind}/${name}`;
}

/** Equal for bindings that are one. */
export function bindingText(binding: Binding): string {
  return JSON.stringify(encodeBinding(binding));
}

export function encodeBinding(binding: Binding): StateValue {
  const { exchange, target, routingKey, match, headers, filter } = binding;
  const conditions = headers.map(([name, value]): StatePart => [name, value]);
  const { kind, name } = target;
  const [matchPart, filterPart] = [match ?? null, filter?.text ?? null];
  return [FORM, exchange, kind, name, routingKey, matchPart, conditions, filterPart];
}

/** The exchange whose binding a stored value is. Throws FORMAT_UNSUPPORTED, LOG_CORRUPT. */
export function exchangeOf(value: StateValue): string {
  const [form, exchange] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { what: 'binding', expected: FORM, actual: form });
  }
  if (form !== FORM || typeof exchange !== 'string') throw damaged('form');
  return exchange;
}

/** `kind` is that of its exchange. Throws FORMAT_UNSUPPORTED, LOG_CORRUPT. */
export function decodeBinding(value: StateValue, kind: ExchangeKind): Binding {
  const exchange = exchangeOf(value);
  const [, , targetKind, targetName, routingKey, match, headers, filter] = value;
  const target = storedTarget(targetKind, targetName);
  if (typeof routingKey !== 'string') throw damaged('routingKey');
  if (match !== null && !isHeadersMatch(match)) throw damaged('match');
  if (filter !== null && typeof filter !== 'string') throw damaged('filter');
  const conditions = storedHeaders(headers);
  const asked = Object.keys(conditions).length === 0 ? {} : { headers: conditions };
  try {
    const input = { exchange, target, routingKey, match: match ?? undefined, ...asked };
    const policy = filter === null ? undefined : parseFilterText(filter);
    return Object.freeze({ ...resolveBinding(input, kind), filter: policy });
  } catch (error) {
    throw damaged('a part', error);
  }
}

function storedTarget(kind: unknown, name: unknown): BindingTarget {
  if (typeof name !== 'string') throw damaged('target');
  if (kind === 'queue' || kind === 'topic' || kind === 'exchange') return { kind, name };
  throw damaged('target');
}

function storedHeaders(parts: StatePart | undefined): Readonly<Record<string, AttributeScalar>> {
  if (!Array.isArray(parts) || parts.length > limits.bindingHeadersMax) throw damaged('headers');
  const entries = parts.map((part: unknown): [string, AttributeScalar] => {
    const [name, value]: readonly unknown[] = Array.isArray(part) ? part : [];
    if (typeof name !== 'string' || !isScalar(value)) throw damaged('headers');
    return [name, value];
  });
  return Object.fromEntries(entries);
}

function damaged(what: string, cause?: unknown): Error {
  return createError('LOG_CORRUPT', { reason: `${what} of a binding is not valid` }, cause);
}
