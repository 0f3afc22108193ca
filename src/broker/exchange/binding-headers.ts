/**
 * The conditions of a binding to a headers exchange, as RabbitMQ reads them.
 *
 *     all           every condition holds; without conditions every message matches
 *     any           one of them holds; without conditions none does
 *     all-with-x    the same, and conditions on names with `x-` count too,
 *     any-with-x    which otherwise are kept but not looked at
 *
 * A condition holds when the attribute has this very value; null asks only that the attribute is
 * there (rabbit_exchange_type_headers, where it is AMQP's void).
 */

import { limits } from '../../base/limits.js';
import { isName } from '../../base/options.js';
import { type AttributeScalar, type Attributes, isScalar } from './binding-attributes.js';
import { nameHandle, valueHandle } from './binding-handle.js';
import type { AttributeMatcher } from './binding-matcher.js';
import { invalidBinding } from './exchange-errors.js';

export const headersMatches = ['all', 'any', 'all-with-x', 'any-with-x'] as const;
export type HeadersMatch = (typeof headersMatches)[number];

/** A name, and the value that is asked for; null for whatever value. */
export type HeaderCondition = readonly [name: string, value: AttributeScalar];

const EXTENSION_PREFIX = 'x-';
/** Where AMQP's clients put the kind of match. */
const MATCH_ARGUMENT = 'x-match';
/** It would not come back from the log as it was given. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export function isHeadersMatch(match: unknown): match is HeadersMatch {
  return headersMatches.some((known) => known === match);
}

/** The conditions by name. Throws BINDING_INVALID. */
export function resolveHeaders(given: unknown): readonly HeaderCondition[] {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw invalidBinding('headers are an object of names and values', given);
  }
  const conditions = Object.entries(given).map(([name, value]) => resolveHeader(name, value));
  if (conditions.length > limits.bindingHeadersMax) {
    throw invalidBinding(`it has more than ${limits.bindingHeadersMax} headers`);
  }
  return Object.freeze(conditions.sort(([one], [other]) => (one < other ? -1 : 1)));
}

export function compileHeaders(
  match: HeadersMatch,
  conditions: readonly HeaderCondition[],
): AttributeMatcher {
  const isEach = match === 'all' || match === 'all-with-x';
  const hasX = match === 'all-with-x' || match === 'any-with-x';
  const counted = conditions.filter(([name]) => hasX || !name.startsWith(EXTENSION_PREFIX));
  const handles = counted.map(([name, value]) =>
    value === null ? nameHandle(name) : valueHandle(name, value),
  );
  if (isEach) {
    return {
      handleSets: handles.map((handle) => [handle]),
      matches: (attributes) => everyHolds(counted, attributes),
    };
  }
  return { handleSets: [handles], matches: (attributes) => oneHolds(counted, attributes) };
}

function everyHolds(conditions: readonly HeaderCondition[], attributes: Attributes): boolean {
  for (const condition of conditions) if (!holds(condition, attributes)) return false;
  return true;
}

function oneHolds(conditions: readonly HeaderCondition[], attributes: Attributes): boolean {
  for (const condition of conditions) if (holds(condition, attributes)) return true;
  return false;
}

function holds(condition: HeaderCondition, attributes: Attributes): boolean {
  const found = attributes.get(condition[0]);
  if (found === undefined) return false;
  return condition[1] === null || found === condition[1];
}

function resolveHeader(name: string, value: unknown): HeaderCondition {
  if (!isName(name, limits.attributeNameBytesMax) || LONE_SURROGATE.test(name)) {
    const max = limits.attributeNameBytesMax;
    throw invalidBinding(`the name of a header is a text of 1 to ${max} bytes`, name);
  }
  if (name === MATCH_ARGUMENT) throw invalidBinding('x-match is the option match', name);
  if (!isScalar(value)) {
    throw invalidBinding('a header is a text, a finite number, true, false or null', value);
  }
  if (typeof value !== 'string') return [name, value];
  const max = limits.attributeTextBytesMax;
  if (Buffer.byteLength(value) <= max && !LONE_SURROGATE.test(value)) return [name, value];
  throw invalidBinding(`the value of a header is a text of at most ${max} bytes`, value);
}
