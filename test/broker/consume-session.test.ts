// Consuming in steps, as the command does over the holder's socket.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { ConsumeSession, type Taken } from '../../src/broker/consumer/consume-session.js';
import { ConsumeSessions } from '../../src/broker/consumer/consume-sessions.js';
import { SimBroker } from '../support/broker-fixture.js';
import { committedOf, consumerCore, fill, settle, until } from '../support/consumer-fixture.js';
import { isPending, rejection } from '../support/fixtures.js';

async function start(partitions = 1) {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('orders', { partitions });
  return { sim, broker, topic };
}

function open(broker: Broker, group = 'g', topics = ['orders']): Promise<ConsumeSession> {
  return ConsumeSession.open({ topics, group, from: 'earliest' }, broker.consumers);
}

/** Takes; time passes when there is nothing. */
async function take(sim: SimBroker, session: ConsumeSession, recordsMax = 100): Promise<Taken> {
  const taking = session.take(recordsMax, 100);
  await settle();
  sim.clock.advance(100);
  return await taking;
}

function valuesOf({ records }: Taken): string[] {
  return records.map(({ record }) => `${record.value}`);
}

test('consume session: takes by number, in the middle of batches too, up to the end', async () => {
  const { sim, broker, topic } = await start();
  await fill(topic, 5);
  const session = await open(broker);
  assert.deepEqual(valuesOf(await take(sim, session, 2)), ['0', '1']);
  assert.deepEqual(valuesOf(await take(sim, session, 2)), ['2', '3']);
  await session.commit([{ topic: 'orders', partition: 0, offset: 3 }]);
  const last = await take(sim, session, 2);
  assert.deepEqual([valuesOf(last), last.isAtEnd, last.isOver], [['4'], false, false]);
  const none = await take(sim, session);
  assert.deepEqual([valuesOf(none), none.isAtEnd, none.isOver], [[], true, false]);
  await session.close();
  assert.deepEqual(await committedOf(broker, 'g'), [3]);
  assert.equal((await broker.groups.describe('g')).members, 0);
  const next = await open(broker);
  assert.deepEqual(valuesOf(await take(sim, next)), ['3', '4']);
  await broker.close();
});

test('consume session: one reply is bounded in bytes, and a large record goes alone', async () => {
  const { sim, broker, topic } = await start();
  for (const bytes of [300_000, 300_000, 700_000, 1]) {
    await topic.send({ value: 'x'.repeat(bytes) });
  }
  const session = await open(broker, '');
  const sizes: number[][] = [];
  for (let index = 0; index < 4; index += 1) {
    const { records } = await take(sim, session);
    sizes.push(records.map(({ record }) => record.value?.length ?? 0));
  }
  assert.deepEqual(sizes, [[300_000], [300_000], [700_000], [1]]);
  await broker.close();
});

test('consume session: markers and aborted records at the end are no records', async () => {
  const { sim, broker, topic } = await start(2);
  await fill(topic, 4);
  await broker.transaction(
    async (tx) => void (await tx.send(topic, { value: 'tx', partition: 0 })),
  );
  const aborted = broker.transaction(async (tx) => {
    await tx.send(topic, { value: 'aborted', partition: 1 });
    throw new Error('no');
  });
  await assert.rejects(aborted, /no/);
  const session = await open(broker);
  const seen: string[] = [];
  for (;;) {
    const taken = await take(sim, session);
    seen.push(...valuesOf(taken));
    if (taken.isAtEnd) break;
  }
  assert.deepEqual(seen.sort(), ['0', '1', '2', '3', 'tx']);
  await broker.close();
});

test('consume session: an open transaction is the end, not waited for', async () => {
  const { sim, broker, topic } = await start();
  await fill(topic, 2);
  let finish: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const transaction = broker.transaction(async (tx) => {
    await tx.send(topic, { value: 'tx' });
    await gate;
  });
  await settle();
  const session = await open(broker);
  assert.deepEqual(valuesOf(await take(sim, session)), ['0', '1']);
  assert.equal((await take(sim, session)).isAtEnd, true);
  finish();
  await transaction;
  assert.deepEqual(valuesOf(await take(sim, session)), ['tx'], 'who goes on sees it');
  await broker.close();
});

test('consume session: nothing is at its end before the group has dealt out', async () => {
  const { sim, broker, topic } = await start(3);
  await fill(topic, 6);
  const session = await open(broker);
  // No time for anything to be read: wherever the assignment is, this is not the end.
  for (let seen = 0, turn = 0; seen < 6; turn += 1) {
    assert(turn < 1_000, 'the records come');
    const taking = session.take(100, 0);
    sim.clock.advance(0);
    const { records, isAtEnd } = await taking;
    assert.equal(isAtEnd, false);
    seen += records.length;
  }
  await session.close();
  await broker.close();
});

test('consume session: what others of the group have is not waited for', async () => {
  const { sim, broker, topic } = await start(1);
  await fill(topic, 2);
  const member = consumerCore(broker, 'orders', { group: 'g', assignor: 'range' });
  await until(() => member.leases.length === 1);
  const session = await open(broker);
  const seen: boolean[] = [];
  for (let index = 0; index < 6 && !seen.includes(true); index += 1) {
    seen.push((await take(sim, session)).isAtEnd);
    sim.clock.advance(3_000);
    await settle();
  }
  const { members, protocol } = await broker.groups.describe('g');
  assert.deepEqual([members, protocol], [2, 'range'], 'it speaks as the group does');
  await session.close();
  await broker.close();
});

test('consume session: partitions go to others once what was taken is committed', async () => {
  const { sim, broker, topic } = await start(2);
  await fill(topic, 20);
  const session = await open(broker);
  const taken = await take(sim, session);
  assert.equal(taken.records.length, 20);
  const member = consumerCore(broker, 'orders', { group: 'g' });
  sim.clock.advance(3_000);
  await settle();
  assert.deepEqual(member.leases, [], 'the commit is waited for');
  await session.commit([
    { topic: 'orders', partition: 0, offset: 10 },
    { topic: 'orders', partition: 1, offset: 10 },
  ]);
  await until(() => member.leases.length === 1);
  assert.equal(member.takeReady(), undefined, 'nothing is handed out again');
  await broker.close();
});

test('consume session: what was not committed when it is closed comes again', async () => {
  const { sim, broker, topic } = await start(1);
  await fill(topic, 3);
  const session = await open(broker);
  assert.equal((await take(sim, session)).records.length, 3);
  const closing = session.close();
  const member = consumerCore(broker, 'orders', { group: 'g' });
  await closing;
  const again = await member.take();
  assert.equal(again?.batch.count, 3);
  await broker.close();
});

test('consume sessions: whoever is not heard of gives its partitions back', async () => {
  const { sim, broker } = await start();
  const sessions = new ConsumeSessions(broker.consumers);
  const number = await sessions.open({ topics: ['orders'], group: 'g', from: 'earliest' });
  for (let index = 0; index < 3; index += 1) {
    const taking = sessions.use(number, (session) => session.take(1, 1_000));
    await settle();
    assert(await isPending(taking));
    sim.clock.advance(29_000);
    await taking;
  }
  assert.equal((await broker.groups.describe('g')).members, 1);
  sim.clock.advance(30_000);
  await settle();
  assert.equal((await broker.groups.describe('g')).members, 0);
  const late = sessions.use(number, (session) => session.take(1, 0));
  await rejection(late, 'CONSUMER_CLOSED');
  await sessions.close(number);
  await broker.close();
});

test('consume sessions: they are bounded, and end with the broker', async () => {
  const { broker } = await start();
  const ask = { kind: 'openSession', topics: ['orders'], group: '', from: 'latest' } as const;
  const opened: unknown[] = [];
  for (let index = 0; index < 64; index += 1) opened.push((await broker.carryOut(ask))['session']);
  await rejection(broker.carryOut(ask), 'BUFFER_FULL');
  await broker.carryOut({ kind: 'closeSession', session: Number(opened[0]) });
  const { session } = await broker.carryOut(ask);
  const taking = broker.carryOut({
    kind: 'takeRecords',
    session: Number(session),
    recordsMax: 1,
    waitMs: 1_000,
  });
  await settle();
  await broker.close();
  assert.deepEqual(await taking, { records: [], isAtEnd: false, isOver: true });
});
