/**
 * What an exchange is, and how it lies in the state log.
 *
 * The kinds and their rules are those of RabbitMQ (rabbitmq.com/docs/exchanges). A name has the
 * letters that AMQP 0-9-1 gives it; names with `amq.` are the broker's own, and the empty name is
 * the default exchange, which is always there, has no bindings, and cannot be changed. A value is
 * `[form, kind, alternate or null]` under `exchange/<name>`.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { StateEntry, StateValue } from '../state/state-log.js';
import { invalidExchangeName } from './exchange-errors.js';

export const exchangeKinds = ['direct', 'fanout', 'topic', 'headers'] as const;
export type ExchangeKind = (typeof exchangeKinds)[number];

/** Routes to the queue whose name is the routing key. */
export const DEFAULT_EXCHANGE = '';

export interface ExchangeInput {
  readonly name: string;
  readonly kind: ExchangeKind;
  /** Routes what no binding of this exchange matches; it need not be there. */
  readonly alternate?: string | undefined;
}

export interface ExchangeDefinition {
  readonly name: string;
  readonly kind: ExchangeKind;
  readonly alternate: string | undefined;
}

const FORM = 1;
const NAME = /^[a-zA-Z0-9._:-]+$/;
const RESERVED_PREFIX = 'amq.';
const KEY_PREFIX = 'exchange/';

/** Throws INVALID_EXCHANGE_NAME, OPTION_INVALID. */
export function resolveExchange({ name, kind, alternate }: ExchangeInput): ExchangeDefinition {
  checkExchangeName(name);
  if (!exchangeKinds.includes(kind)) {
    const expected = `one of ${exchangeKinds.join(', ')}`;
    throw createError('OPTION_INVALID', { option: 'kind', expected, where: name });
  }
  if (alternate !== undefined) checkExchangeName(alternate);
  return Object.freeze({ name, kind, alternate });
}

/** Throws INVALID_EXCHANGE_NAME. */
export function checkExchangeName(name: unknown): asserts name is string {
  const max = limits.exchangeNameMax;
  if (typeof name !== 'string') throw invalidExchangeName(name, 'it is no text');
  if (name === DEFAULT_EXCHANGE) throw invalidExchangeName(name, 'it is the default exchange');
  if (name.length > max) throw invalidExchangeName(name, `it has more than ${max} letters`);
  if (!NAME.test(name)) {
    throw invalidExchangeName(name, 'it has other letters than a-z, A-Z, 0-9, ., _, : and -');
  }
  if (name.startsWith(RESERVED_PREFIX)) {
    throw invalidExchangeName(name, `names with ${RESERVED_PREFIX} are the broker's own`);
  }
}

/** Throws EXCHANGE_CONFLICT, with both values, when the exchange is another one than `asked`. */
export function checkSameExchange(found: ExchangeDefinition, asked: ExchangeDefinition): void {
  for (const option of ['kind', 'alternate'] as const) {
    if (found[option] === asked[option]) continue;
    throw createError('EXCHANGE_CONFLICT', {
      exchange: found.name,
      option,
      expected: found[option] ?? 'none',
      actual: asked[option] ?? 'none',
      amqp: 'PRECONDITION_FAILED',
    });
  }
}

export function exchangeEntry({ name, kind, alternate }: ExchangeDefinition): StateEntry {
  return { key: KEY_PREFIX + name, value: [FORM, kind, alternate ?? null] };
}

export function noExchangeEntry(name: string): StateEntry {
  return { key: KEY_PREFIX + name, value: null };
}

/** The name in the key of an exchange's entry; undefined for other keys. */
export function exchangeNameIn(key: string): string | undefined {
  return key.startsWith(KEY_PREFIX) ? key.slice(KEY_PREFIX.length) : undefined;
}

/** Throws FORMAT_UNSUPPORTED for a newer form, LOG_CORRUPT for what is none. */
export function decodeExchange(name: string, value: StateValue): ExchangeDefinition {
  const [form, stored, alternate] = value;
  if (typeof form === 'number' && form > FORM) {
    throw createError('FORMAT_UNSUPPORTED', { exchange: name, expected: FORM, actual: form });
  }
  const kind = exchangeKinds.find((known) => known === stored);
  const isAlternate = alternate === null || typeof alternate === 'string';
  if (form !== FORM || kind === undefined || !isAlternate) throw damaged(name);
  try {
    return resolveExchange({ name, kind, alternate: alternate ?? undefined });
  } catch (error) {
    throw damaged(name, error);
  }
}

function damaged(exchange: string, cause?: unknown): Error {
  return createError('LOG_CORRUPT', { exchange, expected: 'the definition of an exchange' }, cause);
}
