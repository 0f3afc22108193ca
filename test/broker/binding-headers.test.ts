// Headers exchanges: all, any, and names with x-; and how few bindings a message looks at.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attributes, AttributeValue } from '../../src/broker/exchange/binding-attributes.js';
import {
  compileHeaders,
  type HeadersMatch,
  resolveHeaders,
} from '../../src/broker/exchange/binding-headers.js';
import { BindingIndex, type PlacedBinding } from '../../src/broker/exchange/binding-index.js';
import { RouteWalk, type TargetNode } from '../../src/broker/exchange/exchange-walk.js';
import { thrown } from '../support/fixtures.js';

function matches(match: HeadersMatch, headers: object, attributes: object): boolean {
  const found = new Map<string, AttributeValue>(Object.entries(attributes));
  return compileHeaders(match, resolveHeaders(headers)).matches(found);
}

test('headers: all and any, with and without x-', () => {
  const asked = { format: 'pdf', 'x-type': 'report' };
  const cases: readonly [object, readonly HeadersMatch[]][] = [
    [{ format: 'pdf', 'x-type': 'report' }, ['all', 'any', 'all-with-x', 'any-with-x']],
    [{ format: 'pdf' }, ['all', 'any', 'any-with-x']],
    [{ 'x-type': 'report' }, ['any-with-x']],
    [{ format: 'zip', 'x-type': 'report' }, ['any-with-x']],
    [{ format: 'zip' }, []],
    [{}, []],
  ];
  for (const [attributes, expected] of cases) {
    const kinds: readonly HeadersMatch[] = ['all', 'any', 'all-with-x', 'any-with-x'];
    const found = kinds.filter((kind) => matches(kind, asked, attributes));
    assert.deepEqual(found, expected, JSON.stringify(attributes));
  }
});

test('headers: without conditions that count, all matches everything and any nothing', () => {
  for (const headers of [{}, { 'x-only': 1 }]) {
    assert.equal(matches('all', headers, {}), true);
    assert.equal(matches('any', headers, { 'x-only': 1 }), false);
  }
  assert.equal(matches('all-with-x', { 'x-only': 1 }, {}), false);
});

test('headers: null asks for the header alone, and values keep their type', () => {
  assert.equal(matches('all', { trace: null }, { trace: 'whatever' }), true);
  assert.equal(matches('all', { trace: null }, { trace: null }), true);
  assert.equal(matches('all', { trace: null }, {}), false);
  assert.equal(matches('all', { count: 1 }, { count: '1' }), false);
  assert.equal(matches('all', { count: 1 }, { count: [1] }), false);
  assert.equal(matches('all', { isUrgent: true }, { isUrgent: true }), true);
});

test('headers: what cannot be asked for is refused', () => {
  const refused = [
    null,
    [],
    'a',
    { '': 1 },
    { 'x-match': 'all' },
    { a: undefined },
    { a: {} },
    { a: [1] },
    { a: Number.POSITIVE_INFINITY },
    { a: 'x'.repeat(4_097) },
    { a: '\udc00' },
    { ['n'.repeat(257)]: 1 },
    Object.fromEntries(Array.from({ length: 65 }, (_, index) => [`h${index}`, 1])),
  ];
  for (const headers of refused) thrown(() => resolveHeaders(headers), 'BINDING_INVALID');
});

const COUNT = 10_000;

/** Bindings that all ask for one kind of message, each for a tenant of its own. */
function tenants(looked: { count: number }): readonly PlacedBinding[] {
  return Array.from({ length: COUNT }, (_, tenant) => {
    const matcher = compileHeaders('all', resolveHeaders({ kind: 'order', tenant, trace: null }));
    const node: TargetNode = { target: { kind: 'queue', name: `q${tenant}` }, mark: 0 };
    const counted = (attributes: Attributes) => {
      looked.count += 1;
      return matcher.matches(attributes);
    };
    return { node, routingKey: '', matcher: { ...matcher, matches: counted }, mark: 0 };
  });
}

test('headers: of many bindings a message looks at the few that share a value with it', () => {
  const looked = { count: 0 };
  const index = new BindingIndex();
  const placed = tenants(looked);
  for (const binding of placed) index.add(binding);
  const walk = new RouteWalk();
  const from: TargetNode = { target: { kind: 'exchange', name: 'from' }, mark: 0 };
  const attributes = new Map<string, AttributeValue>([
    ['kind', 'order'],
    ['tenant', 5_000],
    ['trace', 'abc'],
  ]);
  walk.begin(from);
  index.collect(attributes, walk);
  assert.deepEqual(
    walk.reached.map(({ name }) => name),
    ['q5000'],
  );
  assert(looked.count <= 10, `it looked at ${looked.count} of ${COUNT}`);
  for (const binding of placed) index.remove(binding);
  assert.equal(index.size, 0);
  walk.begin(from);
  index.collect(attributes, walk);
  assert.deepEqual(walk.reached, []);
});
