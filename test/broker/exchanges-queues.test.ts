// Exchanges in front of queues: what a queue is told, and what comes once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { json } from '../../src/broker/topic/codec-json.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settled } from '../support/fixtures.js';

async function received(broker: Broker, name: string, max = 100): Promise<string[]> {
  const queue = await broker.queue(name);
  const messages = await queue.receive({ max });
  await queue.acknowledge(messages);
  return messages.map(({ value }) => String(value));
}

test('exchange: a message for queues and topics comes to all of them', async () => {
  const broker = await new SimBroker().open();
  const [jobs, mail] = [await broker.queue('jobs'), await broker.queue('mail')];
  const log = await broker.topic('log');
  const events = await broker.exchange('events', 'topic');
  await events.bind(jobs, 'order.*');
  await events.bind(mail, { key: 'order.#', filter: { amount: [{ numeric: ['>', 10] }] } });
  await events.bind(log, '#');
  const big = { key: 'order.new', headers: { amount: 50 } };
  assert.deepEqual(await events.publish('1', big), { routed: 3, unroutable: false });
  assert.equal((await events.publish('2', { key: 'order.new' })).routed, 2);
  assert.equal((await events.publish('3', { key: 'other' })).routed, 1);
  assert.deepEqual(await received(broker, 'jobs'), ['1', '2']);
  assert.deepEqual(await received(broker, 'mail'), ['1']);
  const [message] = await jobs.receive();
  assert.equal(message, undefined);
  await broker.close();
});

test('exchange: the default exchange leads to the queue of the name', async () => {
  const broker = await new SimBroker().open();
  await broker.queue('jobs');
  await broker.topic('log');
  const exchange = await broker.exchange('');
  assert.deepEqual(await exchange.publish('1', { key: 'jobs' }), { routed: 1, unroutable: false });
  assert.equal((await exchange.publish('2', { key: 'log' })).unroutable, true);
  assert.equal((await exchange.publish('2', { key: 'nobody' })).unroutable, true);
  const queue = await broker.queue('jobs');
  const [message] = await queue.receive();
  assert.deepEqual([message?.value?.toString(), message?.headers], ['1', []]);
  assert.deepEqual([message?.exchange, message?.routingKey], [undefined, undefined]);
  await assert.rejects(exchange.bind(queue, 'x'), { code: 'INVALID_EXCHANGE_NAME' });
  await assert.rejects(exchange.delete(), { code: 'INVALID_EXCHANGE_NAME' });
  await broker.close();
});

test('exchange: what a queue has is passed on, as far as the queue has it', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const urgent = await broker.queue('urgent', { priorities: 3 });
  const plain = await broker.queue('plain');
  const fifo = await broker.queue('fifo', { fifo: true });
  const fanout = await broker.exchange('f', 'fanout');
  for (const queue of [urgent, plain, fifo]) await fanout.bind(queue);
  await fanout.publish('a', { key: 'k', priority: 9, group: 'g', headers: { x: 1 } });
  const [[first], [second], [third]] = [
    await urgent.receive(),
    await plain.receive(),
    await fifo.receive(),
  ];
  assert.deepEqual([first?.priority, second?.priority, third?.priority], [2, 0, 0]);
  assert.deepEqual([first?.group, second?.group, third?.group], [undefined, undefined, 'g']);
  assert.deepEqual([first?.exchange, first?.routingKey], ['f', 'k']);
  assert.deepEqual(
    first?.headers.map(({ key, value }) => [key, String(value)]),
    [['x', '1']],
  );
  await fanout.publish('later', { delayMs: 1_000 });
  assert.deepEqual(await plain.receive(), []);
  // Its time is known before it comes.
  await settled();
  sim.clock.advance(1_000);
  const [delayed] = await plain.receive({ waitMs: 1 });
  assert.equal(String(delayed?.value), 'later');
  await broker.close();
});

test('exchange: an id is stored once in each target, whoever has it already', async () => {
  const sim = new SimBroker();
  let broker = await sim.open();
  const [a, b] = [await broker.queue('a'), await broker.queue('b', { deduplication: 'content' })];
  await broker.topic('log');
  const fanout = await broker.exchange('f', 'fanout');
  for (const queue of [a, b]) await fanout.bind(queue);
  await fanout.bind({ kind: 'topic', name: 'log' });
  // `a` has it from elsewhere.
  await a.send('first', { deduplicationId: 'id-1' });
  const results = await Promise.all([
    fanout.publish('1', { deduplicationId: 'id-1' }),
    fanout.publish('1', { deduplicationId: 'id-1' }),
    fanout.publish('2', { deduplicationId: 'id-2' }),
    a.send('2', { deduplicationId: 'id-2' }),
    fanout.publish('same'),
    fanout.publish('same'),
  ]);
  assert.deepEqual(
    results.slice(0, 3).map((result) => ('routed' in result ? result.routed : 0)),
    [3, 3, 3],
  );
  assert.deepEqual((await received(broker, 'a')).sort(), ['2', 'first', 'same', 'same']);
  assert.deepEqual(await received(broker, 'b'), ['1', '2', 'same']);
  await broker.close();

  broker = await sim.open();
  const again = await broker.exchange('f');
  assert.equal((await again.publish('1', { deduplicationId: 'id-1' })).routed, 3);
  await again.publishBatch([
    { value: '2', deduplicationId: 'id-2' },
    { value: '3', deduplicationId: 'id-3' },
    { value: '3', deduplicationId: 'id-3' },
  ]);
  await again.publish('same');
  assert.deepEqual(await received(broker, 'a'), ['3', 'same']);
  assert.deepEqual(await received(broker, 'b'), ['3']);
  await broker.close();
});

test('exchange: an id of a publish that was undone is free again', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const a = await broker.queue('a');
  const small = await broker.queue('small', { recordBytesMax: 100 });
  const fanout = await broker.exchange('f', 'fanout');
  await fanout.bind(a);
  await fanout.bind(small);
  const big = 'x'.repeat(500);
  await assert.rejects(fanout.publish(big, { deduplicationId: 'id' }), {
    code: 'RECORD_TOO_LARGE',
  });
  await fanout.publish('1', { deduplicationId: 'id' });
  assert.deepEqual(await received(broker, 'a'), ['1']);
  assert.deepEqual(await received(broker, 'small'), ['1']);
  await broker.close();
  // After a restart what was undone is nowhere, and what was stored is known.
  const next = await sim.open();
  const again = await next.exchange('f');
  await again.publish('2', { deduplicationId: 'id' });
  assert.deepEqual(await received(next, 'a'), []);
  await next.close();
});

test('exchange: copies wait for room in a full queue, but not for ever', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const full = await broker.queue('full', { lengthMax: 1 });
  await broker.queue('free');
  const fanout = await broker.exchange('f', 'fanout');
  await fanout.bind(full);
  await fanout.bind({ kind: 'queue', name: 'free' });
  await fanout.publish('1');
  const late = ['2', '3'].map((value) =>
    assert.rejects(fanout.publish(value), { code: 'TRANSACTION_TIMED_OUT' }),
  );
  for (let second = 0; second < 65; second += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    sim.clock.advance(1_000);
  }
  await Promise.all(late);
  const fourth = fanout.publish('4');
  assert.deepEqual(await received(broker, 'full'), ['1']);
  assert.equal((await fourth).routed, 2);
  assert.deepEqual(await received(broker, 'free'), ['1', '4']);
  await full.alter({ overflow: 'reject' });
  await assert.rejects(fanout.publish('5'), { code: 'QUEUE_FULL' });
  assert.deepEqual(await received(broker, 'free'), []);
  await broker.close();
});

test('exchange: a queue that is deleted takes its bindings along', async () => {
  const broker = await new SimBroker().open();
  const [a, b] = [await broker.queue('a'), await broker.queue('b')];
  const fanout = await broker.exchange('f', 'fanout');
  await fanout.bind(a);
  await fanout.bind(b);
  await a.delete();
  assert.deepEqual(
    fanout.bindings().map(({ target }) => target),
    [{ kind: 'queue', name: 'b' }],
  );
  await assert.rejects(fanout.bind(a), { code: 'UNKNOWN_QUEUE' });
  await broker.queue('a');
  await fanout.publish('1');
  assert.deepEqual(await received(broker, 'a'), []);
  assert.deepEqual(await received(broker, 'b'), ['1']);
  await broker.close();
});

test('exchange: a message that was given up and sent back says where it came from', async () => {
  const broker = await new SimBroker().open();
  const jobs = await broker.queue('jobs');
  const events = await broker.exchange('events', 'topic');
  await events.bind(jobs, '#');
  await events.publish('1', { key: 'a.b', headers: { x: 'y' } });
  const [message] = await jobs.receive();
  await message?.reject({ reason: 'no' });
  const dead = await broker.queue('jobs-dead', { maxDeliveries: 'unlimited', deadLetter: 'none' });
  assert.equal((await dead.redrive()).moved, 1);
  const [again] = await jobs.receive({ waitMs: 1 });
  assert.deepEqual([again?.exchange, again?.routingKey], ['events', 'a.b']);
  assert.deepEqual(
    again?.headers.map(({ key }) => key),
    ['x'],
  );
  await broker.close();
});

test('request: a handler answers, and the answer is the value of the request', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const jobs = await broker.queue('jobs');
  const asking = jobs.request('2+3', { timeoutMs: 1_000 });
  const [message] = await jobs.receive({ waitMs: 10 });
  assert.equal(await message?.reply('5'), true);
  await message?.acknowledge();
  assert.equal(String(await asking), '5');
  assert.equal(await message?.reply('6'), false);
  const expected = { waiting: 0, requests: 1, replies: 1, late: 1, timedOut: 0 };
  assert.deepEqual(broker.requestStats(), expected);
  await broker.close();
});

test('request: whoever it is passed on to can answer it', async () => {
  const broker = await new SimBroker().open();
  const [jobs, others] = [await broker.queue('jobs'), await broker.queue('others')];
  const asking = jobs.request('1');
  const [message] = await jobs.receive({ waitMs: 10 });
  const { replyTo: value = '' } = message ?? {};
  await others.send('1', { headers: [{ key: 'millrace-reply-to', value }] });
  const [passed] = await others.receive({ waitMs: 10 });
  assert.deepEqual([passed?.replyTo, passed?.headers], [value, []]);
  assert.equal(await passed?.reply('2'), true);
  assert.equal(String(await asking), '2');
  await others.send('plain');
  const [plain] = await others.receive({ waitMs: 10 });
  assert.equal(plain?.replyTo, undefined);
  assert.equal(await plain?.reply('3'), false);
  await broker.close();
});

test('request: what a worker returns is the reply, and undefined is none', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const jobs = await broker.queue('jobs', { codec: json() });
  const worker = jobs.consume(({ value }) => (value === 'quiet' ? undefined : { got: value }), {
    reply: true,
  });
  const answers = await Promise.all([1, 2, 3].map((value) => jobs.request({ value })));
  assert.deepEqual(
    answers,
    [1, 2, 3].map((value) => ({ got: { value } })),
  );
  const asking = jobs.request('quiet', { timeoutMs: 500 });
  const refused = assert.rejects(asking, { code: 'REQUEST_TIMED_OUT' });
  await jobs.send('plain');
  sim.clock.advance(500);
  await refused;
  await worker.stop();
  assert.throws(() => jobs.consume(() => 1, Object({ reply: 1 })), { code: 'OPTION_INVALID' });
  assert.equal(broker.requestStats().late, 0);
  await broker.close();
});

test('request: one that nobody has answered in time is gone from the queue too', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const jobs = await broker.queue('jobs', { expired: 'drop' });
  const asking = jobs.request('2+3', { timeoutMs: 1_000 });
  const refused = assert.rejects(asking, { code: 'REQUEST_TIMED_OUT' });
  await jobs.send('plain');
  sim.clock.advance(1_001);
  await refused;
  const [message] = await jobs.receive();
  assert.equal(String(message?.value), 'plain');
  await broker.close();
});

test('exchange: copies whose signal aborts while they are encoded are not stored', async () => {
  const broker = await new SimBroker().open();
  const [jobs, mail] = [await broker.queue('jobs'), await broker.queue('mail')];
  const codec = {
    name: 'late',
    encode: async (value: string) => Buffer.from(value),
    decode: (value: Uint8Array) => String(value),
  };
  const events = await broker.exchange('events', 'fanout', { codec });
  await events.bind(jobs);
  await events.bind(mail);
  const controller = new AbortController();
  const publishing = events.publish('1', { signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(publishing, /enough/);
  assert.deepEqual(await jobs.receive(), []);
  await broker.close();
});
