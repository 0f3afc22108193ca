/**
 * Errors of exchanges, each with the name that AMQP 0-9-1 or SNS has for it.
 *
 * Names and texts come from outside, so an error shows their beginning only.
 */

import { createError, type MillraceError } from '../../base/errors.js';

const SHOWN_CHARACTERS_MAX = 64;

export function unknownExchange(exchange: string): MillraceError {
  return createError('UNKNOWN_EXCHANGE', { exchange: shown(exchange), amqp: 'NOT_FOUND' });
}

export function exchangeExists(exchange: string): MillraceError {
  return createError('EXCHANGE_EXISTS', { exchange: shown(exchange), amqp: 'PRECONDITION_FAILED' });
}

export function unroutableMessage(exchange: string, routingKey: string): MillraceError {
  const facts = { exchange: shown(exchange), routingKey: shown(routingKey) };
  return createError('MESSAGE_UNROUTABLE', { ...facts, amqp: 'NO_ROUTE' });
}

export function invalidExchangeName(name: unknown, reason: string): MillraceError {
  const exchange = shown(name);
  return createError('INVALID_EXCHANGE_NAME', { exchange, reason, amqp: 'ACCESS_REFUSED' });
}

/** There is no room for one more; `what` names the limit. */
export function exchangesFull(what: string, max: number): MillraceError {
  return createError('EXCHANGES_FULL', { what, max, amqp: 'RESOURCE_ERROR' });
}

export function invalidBinding(reason: string, actual?: unknown): MillraceError {
  return createError('BINDING_INVALID', {
    reason,
    actual: actual === undefined ? undefined : shown(actual),
    amqp: 'PRECONDITION_FAILED',
  });
}

export function invalidFilter(reason: string, attribute: string, actual?: unknown): MillraceError {
  return createError('FILTER_POLICY_INVALID', {
    reason,
    attribute: shown(attribute),
    actual: actual === undefined ? undefined : shown(actual),
    sns: 'InvalidParameter',
  });
}

/** A value as an error can show it: short, and never by running code of the value. */
function shown(value: unknown): string {
  if (typeof value === 'string') return value.slice(0, SHOWN_CHARACTERS_MAX);
  if (typeof value === 'function' || typeof value === 'symbol') return typeof value;
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}
