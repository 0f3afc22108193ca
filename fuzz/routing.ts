/**
 * Routing patterns, conditions on headers and filter policies, as nobody should give them.
 *
 * What must hold: a policy, a binding or a key is refused with its code, or it matches as a plain
 * reading of the rules says; a policy's own text is the same policy; a pattern costs no more for
 * having many wildcards than its length times that of the key.
 */

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { MillraceError } from '../src/base/errors.js';
import { limits } from '../src/base/limits.js';
import type { Prng } from '../src/base/prng.js';
import {
  decodeBinding,
  encodeBinding,
  resolveBinding,
} from '../src/broker/exchange/binding-definition.js';
import {
  type FilterPolicyInput,
  parseFilterPolicy,
  parseFilterText,
} from '../src/broker/exchange/binding-filter.js';
import { compileFilter } from '../src/broker/exchange/binding-filter-matcher.js';
import { exchangeKinds } from '../src/broker/exchange/exchange-definition.js';
import { checkRoutingKey } from '../src/broker/exchange/exchange-key.js';
import { TopicTrie } from '../src/broker/exchange/exchange-trie.js';
import { drawAttributes, drawFilter } from '../test/support/exchange-draw.js';
import { policyPasses } from '../test/support/exchange-reference.js';
import { anything, drawFrom, name, plain } from './draw-values.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { mutate } from './mutate.js';

const CODES: readonly string[] = [
  'FILTER_POLICY_INVALID',
  'BINDING_INVALID',
  'ROUTING_KEY_INVALID',
  'INVALID_EXCHANGE_NAME',
  'INVALID_TOPIC_NAME',
];
const SPARE_BYTES = 256 * 1024;
const WORDS: readonly string[] = ['a', 'b', '', '*', '#', '#', '*'];

/** The operators of policies, with operands that fit and operands that do not. */
const condition = fc.oneof(
  plain,
  fc.dictionary(
    fc.constantFrom('prefix', 'suffix', 'equals-ignore-case', 'anything-but', 'numeric', 'exists'),
    fc.oneof(plain, fc.tuple(fc.constantFrom('=', '<', '>=', '!'), fc.double())),
    { maxKeys: 2 },
  ),
);
const policies = fc.oneof(
  anything,
  fc.dictionary(name, fc.oneof(plain, fc.array(condition, { maxLength: 4 })), { maxKeys: 6 }),
);
const bindings = fc.record(
  {
    exchange: fc.oneof(fc.constant('e'), name),
    target: fc.oneof(
      anything,
      fc.record({ kind: fc.constantFrom('queue', 'topic', 'exchange', 'x'), name }),
    ),
    routingKey: fc.oneof(name, anything),
    match: fc.oneof(fc.constantFrom('all', 'any', 'all-with-x'), anything),
    headers: fc.oneof(fc.dictionary(name, plain, { maxKeys: 4 }), anything),
    filter: policies,
  },
  { requiredKeys: [] },
);

export function tryRouting(event: FuzzEvent): void {
  const drawn = event.prng.integer(100);
  if (drawn < 30) tryPolicy(event);
  else if (drawn < 45) tryPolicyText(event);
  else if (drawn < 65) tryBinding(event);
  else tryPattern(event);
  assert.deepEqual(Object.keys(Object.prototype), [], 'nothing gets into all objects');
}

export const fuzz = fuzzWith(tryRouting);

function tryPolicy(event: FuzzEvent): void {
  const { prng } = event;
  const isPlausible = prng.boolean();
  const given: unknown = isPlausible ? drawFilter(prng) : drawFrom(prng, policies);
  const policy = coded(event, 'policy', () => parseFilterPolicy(given));
  if (policy === undefined) return;
  const same = parseFilterText(policy.text);
  assert.deepEqual(same, policy, 'the text of a policy is the policy');
  const matcher = compileFilter(policy);
  for (let left = 5; left > 0; left -= 1) {
    const attributes = drawAttributes(prng);
    const passes = matcher.matches(attributes);
    const rules = plausible(given);
    if (isPlausible) assert.equal(passes, policyPasses(rules, attributes), 'as the rules say');
  }
}

/** Text that nearly is a policy. */
function tryPolicyText(event: FuzzEvent): void {
  const { prng } = event;
  const text = Buffer.from(mutate(prng, Buffer.from(JSON.stringify(drawFilter(prng))))).toString();
  event.input(Buffer.from(text), 'the text of a policy');
  const policy = boundedMemory(SPARE_BYTES, () =>
    coded(event, 'policy text', () => parseFilterText(text)),
  );
  if (policy !== undefined) assert.deepEqual(parseFilterText(policy.text), policy);
}

function tryBinding(event: FuzzEvent): void {
  const { prng } = event;
  const given = drawFrom(prng, bindings);
  const kind = prng.pick(exchangeKinds);
  const binding = coded(event, `binding ${kind}`, () => resolveBinding(Object(given), kind));
  if (binding === undefined) return;
  const stored = encodeBinding(binding);
  assert.deepEqual(encodeBinding(decodeBinding(stored, kind)), stored, 'it is stored as it is');
}

function tryPattern(event: FuzzEvent): void {
  const { prng } = event;
  const trie = new TopicTrie<string>();
  const patterns = Array.from({ length: 1 + prng.integer(4) }, () => drawWords(prng, WORDS));
  const key = prng.boolean(0.8) ? drawWords(prng, ['a', 'b', '']) : drawFrom(prng, name);
  event.input(Buffer.from([...patterns, key].join('\n')), 'patterns, and a key behind them');
  for (const pattern of patterns) {
    if (isKey(pattern)) trie.set(pattern, pattern);
  }
  if (!isKey(key)) return;
  const found: string[] = [];
  trie.match(key, found);
  const expected = new Set(
    patterns.filter((pattern) => isKey(pattern) && matches(wordsOf(pattern), wordsOf(key))),
  );
  assert.deepEqual(new Set(found), expected, 'as a plain reading of the pattern says');
  assert.equal(found.length, expected.size, 'each pattern matches once');
  event.met(`pattern ${expected.size > 0 ? 'matches' : 'does not match'}`);
}

/** Mostly short ones; some as long as a key may be. */
function drawWords(prng: Prng, words: readonly string[]): string {
  const most = prng.boolean(0.9) ? 6 : Math.floor(limits.routingKeyBytesMax / 2);
  const count = 1 + prng.integer(most);
  return Array.from({ length: count }, () => prng.pick(words)).join('.');
}

function isKey(key: string): boolean {
  try {
    checkRoutingKey(key);
    return true;
  } catch {
    return false;
  }
}

/** The empty text has no words, as RabbitMQ splits it. */
function wordsOf(text: string): readonly string[] {
  return text === '' ? [] : text.split('.');
}

/** Word by word: which parts of the pattern may stand behind the words so far. */
function matches(pattern: readonly string[], key: readonly string[]): boolean {
  let reached = withRest(pattern, new Set([0]));
  for (const word of key) {
    const next = new Set<number>();
    for (const at of reached) {
      const part = pattern[at];
      if (part === '#') next.add(at);
      else if (part === '*' || part === word) next.add(at + 1);
    }
    reached = withRest(pattern, next);
  }
  return reached.has(pattern.length);
}

/** A `#` may stand for nothing. */
function withRest(pattern: readonly string[], reached: Set<number>): Set<number> {
  for (const at of reached) if (pattern[at] === '#') reached.add(at + 1);
  return reached;
}

function plausible(given: unknown): FilterPolicyInput {
  return Object(given);
}

/** Undefined when it was refused as it should be, or says nothing. */
function coded<Value>(event: FuzzEvent, name: string, call: () => Value): Value | undefined {
  try {
    const value = call();
    event.met(`${name} ${value === undefined ? 'empty' : 'accepted'}`);
    return value;
  } catch (error) {
    if (!(error instanceof MillraceError) || !CODES.includes(error.code)) throw error;
    event.met(`${name} ${error.code}`);
    return undefined;
  }
}
