/** Random exchanges, bindings and messages from small vocabularies, so that they often meet. */

import type { Prng } from '../../src/base/prng.js';
import type { Attributes, AttributeValue } from '../../src/broker/exchange/binding-attributes.js';
import type { BindingInput, BindingTarget } from '../../src/broker/exchange/binding-definition.js';
import { headersMatches } from '../../src/broker/exchange/binding-headers.js';
import {
  type ExchangeInput,
  type ExchangeKind,
  exchangeKinds,
} from '../../src/broker/exchange/exchange-definition.js';

const EXCHANGES = ['e0', 'e1', 'e2', 'e3', 'e4', 'e5', 'e6', 'e7'];
const WORDS = ['a', 'b', 'c', ''];
const NAMES = ['kind', 'store', 'amount', 'x-kind', 'tags'];
const TEXTS = ['order', 'order.paid', 'Order', 'refund', '', '1'];
const NUMBERS = [0, 1, -1, 2.5, 100, 1e9];

export function drawExchangeName(prng: Prng): string {
  return prng.pick(EXCHANGES);
}

export function drawExchange(prng: Prng): ExchangeInput {
  const [name, kind] = [drawExchangeName(prng), prng.pick<ExchangeKind>(exchangeKinds)];
  return prng.boolean(0.4) ? { name, kind, alternate: drawExchangeName(prng) } : { name, kind };
}

/** A target that may be there: an exchange only of `exchanges`. */
export function drawTarget(prng: Prng, exchanges: readonly string[]): BindingTarget {
  if (prng.boolean(0.35)) return { kind: 'exchange', name: prng.pick(exchanges) };
  return prng.pick<BindingTarget>([
    { kind: 'queue', name: 'q0' },
    { kind: 'queue', name: 'q1' },
    { kind: 'queue', name: 'q2' },
    { kind: 'queue', name: 'q3' },
    { kind: 'topic', name: 'q0' },
    { kind: 'topic', name: 't1' },
  ]);
}

export function drawBinding(
  prng: Prng,
  { name, kind }: ExchangeInput,
  exchanges: readonly string[],
): BindingInput {
  const target = drawTarget(prng, exchanges);
  const routingKey = drawKey(prng, kind === 'topic' ? [...WORDS, '*', '#', '#'] : WORDS);
  const filter = prng.boolean(0.3) ? { filter: drawFilter(prng) } : {};
  const headers = kind === 'headers' ? drawHeaders(prng) : {};
  return { exchange: name, target, routingKey, ...filter, ...headers };
}

export function drawKey(prng: Prng, words: readonly string[] = WORDS): string {
  return Array.from({ length: prng.integer(6) }, () => prng.pick(words)).join('.');
}

export function drawAttributes(prng: Prng): Attributes {
  const count = prng.integer(NAMES.length);
  const entries = Array.from({ length: count }, (): [string, AttributeValue] => [
    prng.pick(NAMES),
    drawValue(prng),
  ]);
  return new Map(entries);
}

function drawValue(prng: Prng): AttributeValue {
  if (prng.boolean(0.8)) return drawScalar(prng);
  return Array.from({ length: prng.integer(3) }, () => drawScalar(prng));
}

function drawScalar(prng: Prng): string | number | boolean | null {
  if (prng.boolean(0.1)) return prng.pick([true, false, null]);
  return prng.boolean(0.7) ? prng.pick(TEXTS) : prng.pick(NUMBERS);
}

function drawHeaders(prng: Prng): Pick<BindingInput, 'match' | 'headers'> {
  const count = prng.integer(4);
  const entries = Array.from(
    { length: count },
    () => [prng.pick(NAMES), drawScalar(prng)] as const,
  );
  return { match: prng.pick(headersMatches), headers: Object.fromEntries(entries) };
}

export function drawFilter(prng: Prng): Readonly<Record<string, readonly unknown[]>> {
  const names = prng.shuffle([...NAMES]).slice(0, prng.integer(3));
  const entries = names.map((name) => {
    const draw = prng.boolean() ? drawScalar : drawCondition;
    const conditions = Array.from({ length: 1 + prng.integer(3) }, () => draw(prng));
    return [name, conditions] as const;
  });
  return Object.fromEntries(entries);
}

function drawCondition(prng: Prng): unknown {
  const text = prng.pick(TEXTS);
  const number = prng.pick(NUMBERS);
  const edge = { [prng.pick(['prefix', 'suffix'])]: prng.boolean() ? text : [text, 'ref'] };
  return prng.pick<unknown>([
    drawScalar(prng),
    drawScalar(prng),
    { prefix: text },
    { suffix: text },
    { 'equals-ignore-case': text },
    { 'anything-but': text },
    { 'anything-but': [text, number] },
    { 'anything-but': edge },
    { numeric: [prng.pick(['=', '<', '<=', '>', '>=']), number] },
    { numeric: [prng.pick(['>', '>=']), prng.pick([-1, 0]), prng.pick(['<', '<=']), 2.5] },
    { exists: true },
    { exists: false },
  ]);
}
