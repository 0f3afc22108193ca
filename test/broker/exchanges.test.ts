// Exchanges in the hands of a program: what is published through them, and what is kept of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { Exchange } from '../../src/broker/exchange/exchange.js';
import { json } from '../../src/broker/topic/codec-json.js';
import type { Topic } from '../../src/broker/topic/topic.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';

type AnyTopic = Topic<unknown, unknown>;

async function openWith(...topics: readonly string[]): Promise<{
  readonly sim: SimBroker;
  readonly broker: Broker;
  readonly made: Readonly<Record<string, AnyTopic>>;
}> {
  const sim = new SimBroker();
  const broker = await sim.open();
  const made: Record<string, AnyTopic> = {};
  for (const name of topics) made[name] = await broker.createTopic(name);
  return { sim, broker, made };
}

async function valuesOf(broker: Broker, name: string): Promise<string[]> {
  const topic = await broker.topic(name);
  return await valuesOfPartition(await topic.hosted.partition(0));
}

test('exchange: a message goes to whom its key matches, by the kind of the exchange', async () => {
  const { broker } = await openWith('a', 'b');
  const [a, b] = [await broker.topic('a'), await broker.topic('b')];
  const direct = await broker.exchange('d', 'direct');
  await direct.bind(a, 'red');
  const topics = await broker.exchange('t', 'topic');
  await topics.bind(a, 'order.*.created');
  await topics.bind(b, 'order.#');
  const fanout = await broker.exchange('f', 'fanout');
  await fanout.bind(a);
  await fanout.bind(b);
  const headers = await broker.exchange('h', 'headers');
  await headers.bind(b, { headers: { kind: 'order', paid: true }, match: 'all' });

  assert.deepEqual(await direct.publish('1', { key: 'red' }), { routed: 1, unroutable: false });
  assert.deepEqual(await direct.publish('-', { key: 'blue' }), { routed: 0, unroutable: true });
  assert.deepEqual(await topics.publish('2', { key: 'order.eu.created' }), {
    routed: 2,
    unroutable: false,
  });
  assert.deepEqual(await topics.publish('3', { key: 'order' }), { routed: 1, unroutable: false });
  await fanout.publish('4');
  await headers.publish('5', { headers: { kind: 'order', paid: true, more: 1 } });
  await headers.publish('-', { headers: { kind: 'order', paid: 'true' } });
  assert.deepEqual(await valuesOf(broker, 'a'), ['1', '2', '4']);
  assert.deepEqual(await valuesOf(broker, 'b'), ['2', '3', '4', '5']);
  await broker.close();
});

test('exchange: copies for several targets are stored together, or not at all', async () => {
  const { broker } = await openWith('a', 'b');
  await broker.createTopic('small', { recordBytesMax: 200 });
  const fanout = await broker.exchange('f', 'fanout');
  for (const name of ['a', 'b', 'small']) await fanout.bind({ kind: 'topic', name });
  const big = 'x'.repeat(1_000);
  const results = await Promise.allSettled([
    fanout.publish('1'),
    fanout.publish(big),
    fanout.publish('2'),
  ]);
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  const [, refused] = results;
  assert(refused?.status === 'rejected');
  assert.equal(refused.reason.code, 'RECORD_TOO_LARGE');
  for (const name of ['a', 'b', 'small'])
    assert.deepEqual(await valuesOf(broker, name), ['1', '2']);
  assert.deepEqual(fanout.describe(), {
    name: 'f',
    kind: 'fanout',
    alternate: undefined,
    bindings: 3,
    published: 2,
    routed: 6,
    unroutable: 0,
  });
  await broker.close();
});

test('exchange: unroutable messages are returned, counted, or an error, as asked', async () => {
  const { broker } = await openWith('a');
  const direct = await broker.exchange('d', 'direct');
  await direct.bind({ kind: 'topic', name: 'a' }, 'here');
  const batch = [
    { value: '1', key: 'here' },
    { value: '2', key: 'gone' },
    { value: '3', key: 'here' },
  ];
  assert.deepEqual(await direct.publishBatch(batch), {
    routed: 2,
    unroutable: 1,
    returned: [batch[1]],
  });
  assert.deepEqual(await direct.publishBatch(batch, { onUnroutable: 'count' }), {
    routed: 2,
    unroutable: 1,
    returned: [],
  });
  const error = { code: 'MESSAGE_UNROUTABLE' };
  await assert.rejects(direct.publishBatch(batch, { onUnroutable: 'error' }), error);
  await assert.rejects(direct.publish('4', { key: 'gone', onUnroutable: 'error' }), error);
  assert.deepEqual(await valuesOf(broker, 'a'), ['1', '3', '1', '3']);
  const { published, routed, unroutable } = broker.describeExchange('d');
  assert.deepEqual({ published, routed, unroutable }, { published: 8, routed: 4, unroutable: 4 });
  await broker.close();
});

test('exchange: bindings between exchanges and the alternate one are followed', async () => {
  const { broker } = await openWith('a', 'lost');
  const [a, lost] = [await broker.topic('a'), await broker.topic('lost')];
  const entry = await broker.exchange('entry', 'topic', { alternate: 'spare' });
  const inner = await broker.exchange('inner', 'direct');
  await entry.bind(inner, 'in.#');
  await inner.bind(a, 'in.x');
  await entry.publish('none', { key: 'out' });
  const spare = await broker.exchange('spare', 'fanout');
  await spare.bind(lost);
  await entry.publish('1', { key: 'in.x' });
  await entry.publish('2', { key: 'in.y' });
  await entry.publish('3', { key: 'out' });
  assert.deepEqual(await valuesOf(broker, 'a'), ['1']);
  assert.deepEqual(await valuesOf(broker, 'lost'), ['3']);
  assert.equal(broker.describeExchange('entry').unroutable, 2);
  await broker.close();
});

test('exchange: a filter policy narrows a binding by the attributes of the message', async () => {
  const { broker } = await openWith('sms', 'mail');
  const orders = await broker.exchange('orders', 'fanout', { codec: json() });
  await orders.bind({ kind: 'topic', name: 'mail' }, { filter: { kind: [{ prefix: 'order.' }] } });
  await orders.bind(
    { kind: 'topic', name: 'sms' },
    {
      filter: {
        kind: [{ 'anything-but': ['order.test'] }],
        amount: [{ numeric: ['>=', 100] }],
        quiet: [{ exists: false }],
      },
    },
  );
  const publish = (id: number, headers: Record<string, string | number | boolean>) =>
    orders.publish({ id }, { headers });
  assert.equal((await publish(1, { kind: 'order.paid', amount: 100 })).routed, 2);
  assert.equal((await publish(2, { kind: 'order.paid', amount: 99.5 })).routed, 1);
  assert.equal((await publish(3, { kind: 'order.test', amount: 500 })).routed, 1);
  assert.equal((await publish(4, { kind: 'refund', amount: 500, quiet: true })).routed, 0);
  assert.deepEqual(await valuesOf(broker, 'sms'), ['{"id":1}']);
  const [, sms] = orders.bindings();
  assert.deepEqual(sms?.filter, {
    amount: [{ numeric: ['>=', 100] }],
    kind: [{ 'anything-but': ['order.test'] }],
    quiet: [{ exists: false }],
  });
  await broker.close();
});

test('exchange: a copy carries headers, exchange and key', async () => {
  const { broker } = await openWith('a', 'b');
  const first = await broker.exchange('first', 'topic');
  await first.bind({ kind: 'topic', name: 'a' }, '#');
  const blob = new Uint8Array([0xff, 0]);
  await first.publish('v', {
    key: 'x.y',
    recordKey: 'k',
    headers: { text: 't', amount: 12.5, ok: true, none: null, list: ['a', 1], blob },
  });
  const log = await (await broker.topic('a')).hosted.partition(0);
  const [record] = await recordsOf(log);
  assert.deepEqual(textHeaders(record), [
    ['text', 't'],
    ['amount', '12.5'],
    ['ok', 'true'],
    ['none', null],
    ['list', '["a",1]'],
    ['blob', Buffer.from(blob).toString()],
    ['millrace-exchange', 'first'],
    ['millrace-routing-key', 'x.y'],
  ]);
  assert.equal(record?.key?.toString(), 'k');

  const second = await broker.exchange('second', 'headers');
  await second.bind({ kind: 'topic', name: 'b' }, { headers: { text: 't', amount: '12.5' } });
  assert(record !== undefined);
  await second.publish(record.value ?? '', { key: 'z', headers: record.headers });
  const [again] = await recordsOf(await (await broker.topic('b')).hosted.partition(0));
  assert.deepEqual(textHeaders(again).slice(-2), [
    ['millrace-exchange', 'second'],
    ['millrace-routing-key', 'z'],
  ]);
  assert.equal(textHeaders(again).length, 8);
  await broker.close();
});

test('exchange: a group keeps its order in a topic, as its key', async () => {
  const { broker } = await openWith('a');
  const direct = await broker.exchange('d', 'direct');
  await direct.bind({ kind: 'topic', name: 'a' });
  await direct.publish('v', { group: 'g' });
  const [record] = await recordsOf(await (await broker.topic('a')).hosted.partition(0));
  assert.equal(record?.key?.toString(), 'g');
  await broker.close();
});

test('exchange: exchanges and bindings are there again after a restart', async () => {
  const { sim, broker } = await openWith('a');
  const entry = await broker.createExchange('entry', 'topic', { alternate: 'spare' });
  await entry.bind({ kind: 'topic', name: 'a' }, { key: 'x.*', filter: { n: [1] } });
  await broker.exchange('inner', 'headers');
  await entry.bind({ kind: 'exchange', name: 'inner' }, 'y');
  await entry.bind({ kind: 'exchange', name: 'inner' }, 'z');
  await entry.unbind({ kind: 'exchange', name: 'inner' }, 'z');
  await broker.exchange('gone', 'fanout');
  await broker.deleteExchange('gone');
  const [listed, bindings] = [broker.listExchanges(), entry.bindings()];
  await broker.close();

  const again = await sim.open();
  assert.deepEqual(again.listExchanges(), listed);
  const found = await again.exchange('entry');
  assert.deepEqual(found.bindings(), bindings);
  assert.deepEqual(await found.publish('v', { key: 'x.1', headers: { n: 1 } }), {
    routed: 1,
    unroutable: false,
  });
  await assert.rejects(again.exchange('gone'), { code: 'UNKNOWN_EXCHANGE' });
  await again.close();
});

test('exchange: the bindings of a deleted topic are gone before its name is free', async () => {
  const { broker, made } = await openWith('a', 'b');
  const fanout = await broker.exchange('f', 'fanout');
  await fanout.bind({ kind: 'topic', name: 'a' });
  await fanout.bind({ kind: 'topic', name: 'b' });
  const publishing = Array.from({ length: 20 }, (_, index) => fanout.publish(String(index)));
  const [deleting] = [broker.deleteTopic('a'), ...publishing];
  await deleting;
  await broker.createTopic('a');
  for (const { routed } of await Promise.all(publishing)) assert(routed === 1 || routed === 2);
  assert.deepEqual(
    fanout.bindings().map(({ target }) => target.name),
    ['b'],
  );
  assert.equal((await valuesOf(broker, 'b')).length, 20);
  assert.deepEqual(await valuesOf(broker, 'a'), []);
  await assert.rejects(fanout.bind(made['a'] ?? fanout), { code: 'UNKNOWN_TOPIC' });
  await broker.close();
});

test('exchange: what is asked for wrongly is refused with its code', async () => {
  const { broker } = await openWith('a');
  const direct = await broker.exchange('d', 'direct');
  const a = { kind: 'topic', name: 'a' } as const;
  const cases: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['EXCHANGE_CONFLICT', () => broker.exchange('d', 'topic')],
    ['EXCHANGE_CONFLICT', () => broker.exchange('d', 'direct', { alternate: 'x' })],
    ['EXCHANGE_EXISTS', () => broker.createExchange('d', 'direct')],
    ['UNKNOWN_EXCHANGE', () => broker.exchange('nobody')],
    ['INVALID_EXCHANGE_NAME', () => broker.exchange('amq.x', 'direct')],
    ['OPTION_UNKNOWN', () => broker.exchange('d', 'direct', Object({ alternat: 'x' }))],
    ['OPTION_INVALID', () => broker.exchange('', 'topic')],
    ['OPTION_INVALID', () => broker.exchange('d', 'direct', Object({ codec: 1 }))],
    ['UNKNOWN_TOPIC', () => direct.bind({ kind: 'topic', name: 'b' })],
    ['UNKNOWN_QUEUE', () => direct.bind({ kind: 'queue', name: 'b' })],
    ['UNKNOWN_EXCHANGE', () => direct.bind({ kind: 'exchange', name: 'b' })],
    ['BINDING_INVALID', () => direct.bind(Object(null))],
    ['BINDING_INVALID', () => direct.bind(a, { match: 'all' })],
    ['FILTER_POLICY_INVALID', () => direct.bind(a, { filter: { a: [] } })],
    ['OPTION_UNKNOWN', () => direct.bind(a, Object({ pattern: 'x' }))],
    ['OPTION_UNKNOWN', () => direct.publish('v', Object({ routingKey: 'x' }))],
    ['OPTION_INVALID', () => direct.publish('v', Object({ onUnroutable: 'x' }))],
    ['ROUTING_KEY_INVALID', () => direct.publish('v', { key: 'x'.repeat(256) })],
    ['ATTRIBUTE_INVALID', () => direct.publish('v', { headers: Object({ a: { b: 1 } }) })],
    ['ATTRIBUTE_INVALID', () => direct.publish('v', { headers: Object(1n).valueOf() })],
    ['VALUE_INVALID', () => direct.publish(Object(null))],
    ['RECORD_INVALID', () => direct.publishBatch([])],
    ['OPTION_UNKNOWN', () => direct.publishBatch([Object({ value: 'v', signal: 1 })])],
  ];
  for (const [code, run] of cases) {
    await assert.rejects(run, { code }, `${code}: ${run}`);
  }
  const signal = AbortSignal.abort(new Error('enough'));
  await assert.rejects(direct.publish('v', { signal }), /enough/);
  await broker.close();
  await assert.rejects(direct.publish('v'), { code: 'BROKER_CLOSED' });
  await assert.rejects(direct.bind(a), { code: 'BROKER_CLOSED' });
});

test('exchange: publishes keep their order while a codec answers late', async () => {
  const { broker } = await openWith('a');
  const releases: (() => void)[] = [];
  const codec = {
    name: 'late',
    encode: (value: string) =>
      value === 'slow' ? new Promise<string>((go) => releases.push(() => go(value))) : value,
    decode: (value: Buffer) => value.toString(),
  };
  const direct: Exchange<string> = await broker.exchange('d', 'direct', { codec });
  await direct.bind({ kind: 'topic', name: 'a' });
  const sent = ['1', 'slow', '2', '3'].map((value) => direct.publish(value));
  await sent[0];
  releases[0]?.();
  await Promise.all(sent);
  assert.deepEqual(await valuesOf(broker, 'a'), ['1', 'slow', '2', '3']);
  await broker.close();
});

interface ReadRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly { readonly key: string; readonly value: Buffer | null }[];
}

async function recordsOf(log: {
  read(): AsyncIterable<Iterable<ReadRecord>>;
}): Promise<ReadRecord[]> {
  const records: ReadRecord[] = [];
  for await (const batch of log.read()) records.push(...batch);
  return records;
}

function textHeaders(record: ReadRecord | undefined): (readonly [string, string | null])[] {
  return (record?.headers ?? []).map(({ key, value }) => [key, value?.toString() ?? null]);
}
