// Exchanges of a broker: declaring, binding and deleting them, their routes, and what is stored.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ErrorCode } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import type { AttributeValue } from '../../src/broker/exchange/binding-attributes.js';
import type { BindingInput, BindingTarget } from '../../src/broker/exchange/binding-definition.js';
import {
  type ExchangePlan,
  ExchangeRegistry,
} from '../../src/broker/exchange/exchange-registry.js';
import type { StateEntry, StateValue } from '../../src/broker/state/state-log.js';
import { thrown } from '../support/fixtures.js';

class Fixture {
  registry = new ExchangeRegistry((name) => name.startsWith('jobs'));
  readonly stored: StateEntry[] = [];

  apply(plan: ExchangePlan): void {
    this.stored.push(...plan);
    this.registry.apply(plan);
  }

  declare(name: string, kind: 'direct' | 'fanout' | 'topic' | 'headers', alternate?: string): void {
    this.apply(this.registry.planDeclare({ name, kind, alternate }));
  }

  bind(exchange: string, to: string, more: Partial<BindingInput> = {}): void {
    this.apply(this.registry.planBind({ exchange, target: target(to), ...more }));
  }

  reopen(): void {
    this.registry = ExchangeRegistry.restore(this.stored, () => false);
  }

  route(exchange: string, routingKey = '', attributes: object = {}): string[] {
    const found = new Map<string, AttributeValue>(Object.entries(attributes));
    const routed = this.registry.route(exchange, { routingKey, attributes: found });
    return routed.map(({ name }) => name).sort();
  }

  refuses(code: ErrorCode, given: unknown): void {
    const asked: BindingInput = Object.assign({ exchange: 'events', target: target('q') }, given);
    thrown(() => this.registry.planBind(asked), code);
  }
}

/** `>name` is an exchange, all else a queue. */
function target(text: string): BindingTarget {
  return text.startsWith('>')
    ? { kind: 'exchange', name: text.slice(1) }
    : { kind: 'queue', name: text };
}

test('exchange: each kind routes by its own rule', () => {
  const fixture = new Fixture();
  for (const kind of ['direct', 'fanout', 'topic', 'headers'] as const) fixture.declare(kind, kind);
  fixture.bind('direct', 'q1', { routingKey: 'order.paid' });
  fixture.bind('direct', 'q2', { routingKey: 'order.*' });
  fixture.bind('fanout', 'q1', { routingKey: 'whatever' });
  fixture.bind('fanout', 'q2');
  fixture.bind('topic', 'q1', { routingKey: 'order.paid' });
  fixture.bind('topic', 'q2', { routingKey: 'order.*' });
  fixture.bind('headers', 'q1', { headers: { kind: 'order', paid: true } });
  fixture.bind('headers', 'q2', { match: 'any', headers: { kind: 'order', paid: true } });
  for (const isReopened of [false, true]) {
    if (isReopened) fixture.reopen();
    assert.deepEqual(fixture.route('direct', 'order.paid'), ['q1']);
    assert.deepEqual(fixture.route('fanout', 'nobody'), ['q1', 'q2']);
    assert.deepEqual(fixture.route('topic', 'order.paid'), ['q1', 'q2']);
    assert.deepEqual(fixture.route('topic', 'order.sent'), ['q2']);
    assert.deepEqual(fixture.route('headers', '', { kind: 'order', paid: true }), ['q1', 'q2']);
    assert.deepEqual(fixture.route('headers', '', { kind: 'order' }), ['q2']);
  }
});

test('exchange: a filter narrows a binding of whatever exchange', () => {
  const fixture = new Fixture();
  fixture.declare('events', 'topic');
  fixture.bind('events', 'sms', {
    routingKey: 'order.#',
    filter: { amount: [{ numeric: ['>', 100] }] },
  });
  fixture.bind('events', 'mail', { routingKey: 'order.#' });
  assert.deepEqual(fixture.route('events', 'order.paid', { amount: 101 }), ['mail', 'sms']);
  assert.deepEqual(fixture.route('events', 'order.paid', { amount: 100 }), ['mail']);
  assert.deepEqual(fixture.route('events', 'refund', { amount: 101 }), []);
  fixture.bind('events', 'red', { routingKey: 'paint', filter: { colours: ['red'] } });
  assert.deepEqual(fixture.route('events', 'paint', { colours: ['blue', 'red'] }), ['red']);
  assert.deepEqual(fixture.route('events', 'paint', { colours: ['blue'] }), []);
});

test('exchange: cycles end, and a queue gets a message once', () => {
  const fixture = new Fixture();
  for (const name of ['a', 'b', 'c']) fixture.declare(name, 'fanout');
  for (const [from, to] of ['ab', 'bc', 'ca', 'aa', 'ac']) fixture.bind(`${from}`, `>${to}`);
  for (const from of ['a', 'b', 'c']) fixture.bind(from, 'q');
  fixture.bind('c', 'last');
  for (const from of ['a', 'b', 'c']) assert.deepEqual(fixture.route(from), ['last', 'q']);
});

test('exchange: what no binding matches goes to the alternate, and to its alternate', () => {
  const fixture = new Fixture();
  fixture.declare('first', 'direct', 'second');
  assert.deepEqual(fixture.route('first', 'x'), [], 'the alternate need not be there');
  fixture.declare('second', 'direct', 'third');
  fixture.declare('third', 'direct', 'first');
  fixture.bind('first', 'q1', { routingKey: '1' });
  fixture.bind('second', 'q2', { routingKey: '2' });
  fixture.bind('third', 'q3', { routingKey: '3' });
  for (const number of ['1', '2', '3']) {
    assert.deepEqual(fixture.route('first', number), [`q${number}`]);
  }
  assert.deepEqual(fixture.route('first', '4'), [], 'a circle of alternates ends');
  fixture.declare('nowhere', 'fanout');
  fixture.bind('first', '>nowhere', { routingKey: '2' });
  assert.deepEqual(fixture.route('first', '2'), [], 'a binding to an exchange has matched');
});

test('exchange: the default one leads to the queue of the name, and cannot be changed', () => {
  const fixture = new Fixture();
  assert.deepEqual(fixture.route('', 'jobs-mail'), ['jobs-mail']);
  assert.deepEqual(fixture.route('', 'other'), []);
  thrown(() => fixture.declare('', 'direct'), 'INVALID_EXCHANGE_NAME');
  thrown(() => fixture.registry.planDelete(''), 'INVALID_EXCHANGE_NAME');
  fixture.refuses('INVALID_EXCHANGE_NAME', { exchange: '' });
});

test('exchange: declaring and binding again with the same changes nothing', () => {
  const fixture = new Fixture();
  fixture.declare('events', 'headers', 'rest');
  fixture.bind('events', 'q', { headers: { a: 1, b: 2 }, filter: { x: [1], y: [2] } });
  const same = { exchange: 'events', target: target('q') };
  assert.deepEqual(
    fixture.registry.planDeclare({ name: 'events', kind: 'headers', alternate: 'rest' }),
    [],
  );
  const turned = { headers: { b: 2, a: 1 }, match: 'all', filter: { y: [2], x: [1] } } as const;
  assert.deepEqual(fixture.registry.planBind({ ...same, ...turned }), []);
  assert.equal(fixture.registry.planBind({ ...same, ...turned, match: 'any' }).length, 1);
  assert.deepEqual(fixture.registry.planUnbind(same), []);
  fixture.apply(fixture.registry.planUnbind({ ...same, ...turned }));
  assert.equal(fixture.registry.bindingCount, 0);
});

test('exchange: another kind or alternate is a conflict that names both', () => {
  const fixture = new Fixture();
  fixture.declare('events', 'topic');
  const { facts } = thrown(() => fixture.declare('events', 'direct'), 'EXCHANGE_CONFLICT');
  assert.deepEqual([facts['expected'], facts['actual']], ['topic', 'direct']);
  const other = thrown(() => fixture.declare('events', 'topic', 'rest'), 'EXCHANGE_CONFLICT');
  assert.deepEqual([other.facts['expected'], other.facts['actual']], ['none', 'rest']);
});

test('exchange: with an exchange or a queue its bindings go', () => {
  const fixture = new Fixture();
  for (const name of ['a', 'b']) fixture.declare(name, 'fanout');
  fixture.bind('a', '>b');
  fixture.bind('a', '>a');
  fixture.bind('b', 'q1');
  fixture.bind('b', 'q2');
  fixture.bind('a', 'q2');
  fixture.apply(fixture.registry.planForget(target('q2')));
  assert.deepEqual(fixture.route('a'), ['q1']);
  fixture.apply(fixture.registry.planDelete('b'));
  assert.deepEqual(fixture.route('a'), []);
  assert.deepEqual(fixture.registry.bindings(), fixture.registry.bindings({ exchange: 'a' }));
  fixture.apply(fixture.registry.planDelete('a'));
  assert.equal(fixture.registry.bindingCount, 0);
  fixture.reopen();
  assert.deepEqual(fixture.registry.list(), []);
  fixture.declare('b', 'direct');
  assert.deepEqual(fixture.route('b'), [], 'a new exchange has nothing of the old one');
});

test('exchange: what is asked for is checked', () => {
  const fixture = new Fixture();
  for (const name of ['a b', 'amq.topic', 'x'.repeat(256), 'ä', 7]) {
    const asked = Object.assign({ kind: 'topic' as const }, { name: `${name}` }, { name });
    thrown(() => fixture.registry.planDeclare(asked), 'INVALID_EXCHANGE_NAME');
  }
  const odd = Object.assign({ name: 'x', kind: 'direct' as const }, { kind: 'random' });
  thrown(() => fixture.registry.planDeclare(odd), 'OPTION_INVALID');
  fixture.declare('events', 'topic');
  fixture.declare('by-header', 'headers');
  fixture.refuses('UNKNOWN_EXCHANGE', { exchange: 'other' });
  fixture.refuses('UNKNOWN_EXCHANGE', { target: target('>other') });
  fixture.refuses('INVALID_TOPIC_NAME', { target: { kind: 'queue', name: '' } });
  fixture.refuses('INVALID_TOPIC_NAME', { target: { kind: 'topic', name: '__offsets' } });
  fixture.refuses('BINDING_INVALID', { target: { kind: 'stream', name: 'q' } });
  fixture.refuses('BINDING_INVALID', { target: undefined });
  fixture.refuses('BINDING_INVALID', { headers: { a: 1 } });
  fixture.refuses('BINDING_INVALID', { match: 'all' });
  fixture.refuses('BINDING_INVALID', { exchange: 'by-header', match: 'some' });
  fixture.refuses('ROUTING_KEY_INVALID', { routingKey: 'ä'.repeat(128) });
  fixture.refuses('ROUTING_KEY_INVALID', { routingKey: '\ud800' });
  fixture.refuses('ROUTING_KEY_INVALID', { routingKey: 1 });
  fixture.refuses('FILTER_POLICY_INVALID', { filter: { a: [] } });
  thrown(() => fixture.registry.planDelete('other'), 'UNKNOWN_EXCHANGE');
});

test('exchange: what is routed is checked', () => {
  const fixture = new Fixture();
  fixture.declare('events', 'fanout');
  thrown(() => fixture.route('other'), 'UNKNOWN_EXCHANGE');
  thrown(() => fixture.route('events', 'ä'.repeat(128)), 'ROUTING_KEY_INVALID');
  assert.deepEqual(fixture.route('events', 'ä'.repeat(127)), []);
  const many = (count: number) => Array.from({ length: count }, (_, index) => [`a${index}`, 1]);
  for (const attributes of [
    Object.fromEntries(many(limits.attributesMax + 1)),
    { a: {} },
    { a: Number.NaN },
    { a: [{}] },
    { a: undefined },
    { a: many(limits.attributeListMax + 1).map(() => 1) },
  ]) {
    thrown(() => fixture.route('events', '', attributes), 'ATTRIBUTE_INVALID');
  }
  assert.deepEqual(fixture.route('events', '', Object.fromEntries(many(limits.attributesMax))), []);
});

test('exchange: exchanges and bindings are bounded', () => {
  const fixture = new Fixture();
  fixture.declare('events', 'topic');
  const policy = { a: Array.from({ length: 60 }, (_, at) => `${at}`.padEnd(4_000, 'x')) };
  const error = thrown(() => {
    for (let at = 0; ; at += 1)
      fixture.bind('events', 'q', { routingKey: `${at}`, filter: policy });
  }, 'EXCHANGES_FULL');
  assert.equal(error.facts['max'], limits.bindingsBytesMax);
  const few = new Fixture();
  for (let at = 0; at < limits.exchangesMax; at += 1) few.declare(`e${at}`, 'direct');
  thrown(() => few.declare('more', 'direct'), 'EXCHANGES_FULL');
});

test('exchange: an entry that was not written so is damage', () => {
  const declared: StateEntry = { key: 'exchange/e', value: [1, 'topic', null] };
  const bound: StateValue = [1, 'e', 'queue', 'q', 'a.*', null, [], null];
  const put = (at: number, part: string | number | null) => bound.with(at, part);
  const damaged: readonly StateEntry[] = [
    { key: 'other/e', value: [1] },
    { key: 'exchange/x y', value: [1, 'topic', null] },
    { key: 'exchange/x', value: [1, 'random', null] },
    { key: 'exchange/x', value: [1, 'topic', 7] },
    { key: 'exchange/x', value: [] },
    { key: 'binding/0', value: bound },
    ...[put(1, 'gone'), put(2, 'other'), put(3, 7), put(3, ''), put(4, null), put(5, 'all')].map(
      (value) => ({ key: 'binding/1', value }),
    ),
    ...[put(5, 'none'), put(6, null), put(7, 7), put(7, '{'), put(7, '{"a":[]}')].map((value) => ({
      key: 'binding/1',
      value,
    })),
    { key: 'binding/1', value: [1, 'e', 'exchange', 'gone', '', null, [], null] },
  ];
  for (const entry of damaged) {
    thrown(() => ExchangeRegistry.restore([declared, entry], () => false), 'LOG_CORRUPT');
  }
  const newer = { key: 'binding/1', value: put(0, 2) };
  thrown(() => ExchangeRegistry.restore([declared, newer], () => false), 'FORMAT_UNSUPPORTED');
  const exchange = { key: 'exchange/e', value: [2, 'topic', null] };
  thrown(() => ExchangeRegistry.restore([exchange], () => false), 'FORMAT_UNSUPPORTED');
});

test('exchange: order in the log does not matter, the last entry of a key counts', () => {
  const fixture = new Fixture();
  fixture.declare('a', 'fanout');
  fixture.bind('a', 'q1');
  fixture.apply(fixture.registry.planDelete('a'));
  fixture.declare('a', 'direct');
  fixture.bind('a', 'q2', { routingKey: 'k' });
  const compacted = [...new Map(fixture.stored.map((entry) => [entry.key, entry])).values()];
  const registry = ExchangeRegistry.restore(compacted.reverse(), () => false);
  assert.deepEqual(registry.route('a', { routingKey: 'k' }), [target('q2')]);
  assert.equal(registry.find('a')?.kind, 'direct');
});
