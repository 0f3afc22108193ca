// Filter policies: the examples of the documentation of SNS, and what is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue } from '../../src/broker/exchange/binding-attributes.js';
import { parseFilterPolicy, parseFilterText } from '../../src/broker/exchange/binding-filter.js';
import { compileFilter } from '../../src/broker/exchange/binding-filter-matcher.js';
import { thrown } from '../support/fixtures.js';

function passes(policy: unknown, attributes: Readonly<Record<string, AttributeValue>>): boolean {
  const parsed = parseFilterPolicy(policy);
  assert(parsed !== undefined);
  assert.deepEqual(parseFilterText(parsed.text), parsed, 'its text says the same');
  return compileFilter(parsed).matches(new Map(Object.entries(attributes)));
}

type Case = readonly [condition: unknown, value: AttributeValue | undefined, isMet: boolean];

/** From `string-value-matching`, `numeric-value-matching` and `attribute-key-matching`. */
const documented: readonly Case[] = [
  ['rugby', 'rugby', true],
  ['rugby', 'baseball', false],
  ['rugby', ['rugby', 'tennis'], true],
  ['rugby', ['baseball'], false],
  [{ 'anything-but': ['rugby', 'tennis'] }, 'baseball', true],
  [{ 'anything-but': ['rugby', 'tennis'] }, 'rugby', false],
  [{ 'anything-but': ['rugby', 'tennis'] }, ['rugby', 'baseball'], true],
  [{ 'anything-but': ['rugby', 'tennis'] }, ['rugby'], false],
  [{ 'anything-but': { prefix: 'order-' } }, 'data-entry', true],
  [{ 'anything-but': { prefix: 'order-' } }, 'order-number', false],
  [{ 'anything-but': { suffix: 'ball' } }, 'baseball', false],
  [{ 'equals-ignore-case': 'tennis' }, 'TENNIS', true],
  [{ 'equals-ignore-case': 'tennis' }, 'rugby', false],
  [{ prefix: 'bas' }, 'baseball', true],
  [{ prefix: 'bas' }, 'rugby', false],
  [{ suffix: 'ball' }, 'basketball', true],
  [{ suffix: 'ball' }, 'rugby', false],
  [{ numeric: ['=', 301.5] }, 301.5, true],
  [{ numeric: ['=', 301.5] }, 3.015e2, true],
  [{ 'anything-but': [100, 500] }, 101, true],
  [{ 'anything-but': [100, 500] }, 100, false],
  [{ 'anything-but': [100, 500] }, [100, 50], true],
  [{ numeric: ['<', 0] }, -1, true],
  [{ numeric: ['<', 0] }, 0, false],
  [{ numeric: ['>', 0, '<=', 150] }, 150, true],
  [{ numeric: ['>', 0, '<=', 150] }, 0, false],
  [{ numeric: ['>', 0, '<=', 150] }, 150.01, false],
  [{ exists: true }, 'fans', true],
  [{ exists: true }, undefined, false],
  [{ exists: false }, 'fans', false],
  [{ exists: false }, undefined, true],
];

/** What the documentation leaves open. */
const chosen: readonly Case[] = [
  ['1', 1, false],
  [1, '1', false],
  [{ numeric: ['>=', 1] }, '2', false],
  [{ prefix: '1' }, 12, false],
  [{ 'anything-but': [1] }, '1', true],
  [{ 'anything-but': { prefix: '1' } }, 1, true],
  [{ 'anything-but': 'a' }, undefined, false],
  [{ 'anything-but': 'a' }, null, false],
  [{ exists: true }, '', false],
  [{ exists: true }, [], false],
  [{ exists: false }, null, true],
  [{ exists: true }, 0, true],
  [{ exists: true }, false, true],
  [null, null, true],
  [true, true, true],
];

test('filter: conditions are met as documented', () => {
  for (const [condition, value, isMet] of [...documented, ...chosen]) {
    const attributes = { other: 'x', ...(value === undefined ? {} : { name: value }) };
    const shown = JSON.stringify([condition, value]);
    assert.equal(passes({ name: [condition] }, attributes), isMet, shown);
  }
});

test('filter: every attribute must pass, by one of its conditions', () => {
  const policy = { interests: ['rugby', { prefix: 'bas' }], price: [{ numeric: ['>', 100] }] };
  assert.equal(passes(policy, { interests: 'rugby', price: 101 }), true);
  assert.equal(passes(policy, { interests: 'baseball', price: 101 }), true);
  assert.equal(passes(policy, { interests: 'rugby', price: 100 }), false);
  assert.equal(passes(policy, { price: 101 }), false);
});

test('filter: a message without attributes passes no policy', () => {
  assert.equal(passes({ store: [{ exists: false }] }, {}), false);
});

test('filter: an empty policy is none', () => {
  assert.equal(parseFilterPolicy({}), undefined);
});

test('filter: policies that differ in the order of names are one', () => {
  const [one, other] = [
    { a: [1], b: ['x'] },
    { b: ['x'], a: [1] },
  ].map(parseFilterPolicy);
  assert.equal(one?.text, other?.text);
});

const refused: readonly unknown[] = [
  null,
  'text',
  ['a'],
  { a: 'x' },
  { a: { b: ['x'] } },
  { a: [] },
  { '': ['x'] },
  { ['a'.repeat(257)]: ['x'] },
  { a: ['x'.repeat(4_097)] },
  { a: ['\ud800'] },
  { a: [undefined] },
  { a: [Number.NaN] },
  { a: [1n] },
  { a: [['x']] },
  { a: [{}] },
  { a: [{ prefix: 'x', suffix: 'y' }] },
  { a: [{ prefix: 1 }] },
  { a: [{ wildcard: '*x' }] },
  { a: [{ cidr: '10.0.0.0/24' }] },
  { $or: [{ a: ['x'] }, { b: ['y'] }] },
  { a: [{ exists: 'yes' }] },
  { a: [{ 'anything-but': [] }] },
  { a: [{ 'anything-but': [true] }] },
  { a: [{ 'anything-but': { numeric: ['=', 1] } }] },
  { a: [{ 'anything-but': { prefix: 'x', suffix: 'y' } }] },
  { a: [{ 'anything-but': Array.from({ length: 151 }, (_, index) => index) }] },
  { a: [{ numeric: [] }] },
  { a: [{ numeric: ['>'] }] },
  { a: [{ numeric: ['!', 1] }] },
  { a: [{ numeric: ['>', '1'] }] },
  { a: [{ numeric: ['>', 1e9 + 1] }] },
  { a: [{ numeric: ['<', 1, '>', 0] }] },
  { a: [{ numeric: ['=', 1, '<', 2] }] },
  { a: [{ numeric: ['>', 2, '<', 2] }] },
  { a: [{ numeric: ['>', 1, '<', 2, '<'] }] },
  { a: [{ numeric: ['>', 1, '<', 2, '<', 3] }] },
  { a: [1], b: [1], c: [1], d: [1], e: [1], f: [1] },
];

test('filter: what is no policy is refused', () => {
  for (const policy of refused) {
    thrown(() => parseFilterPolicy(policy), 'FILTER_POLICY_INVALID');
  }
  thrown(() => parseFilterText('{"a"'), 'FILTER_POLICY_INVALID');
});

test('filter: combinations and bytes are bounded', () => {
  const values = (count: number) => Array.from({ length: count }, (_, index) => index);
  assert(parseFilterPolicy({ a: values(15), b: values(10) }) !== undefined);
  const many = { a: values(16), b: values(10) };
  assert.equal(
    thrown(() => parseFilterPolicy(many), 'FILTER_POLICY_INVALID').facts['actual'],
    '160',
  );
  const long = values(70).map((number) => `${number}`.padEnd(4_000, 'x'));
  thrown(() => parseFilterPolicy({ a: long }), 'FILTER_POLICY_INVALID');
});
