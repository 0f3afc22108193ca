// Deduplication ids: one record for each id of the window, over restarts and crashes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { unpack } from '../../src/base/msgpack.js';
import type { Broker } from '../../src/broker/broker.js';
import type { SentRecord } from '../../src/broker/producer/producer-send.js';
import { Log } from '../../src/storage/log.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { rejection, settled } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

const windowMs = 5 * 60 * 1000;

async function valuesOf(broker: Broker, partition = 0): Promise<string[]> {
  const topic = await broker.topic('a');
  return await valuesOfPartition(await topic.hosted.partition(partition));
}

async function send(broker: Broker, id: string, value = id): Promise<SentRecord> {
  const topic = await broker.topic('a');
  return await topic.send({ value }, { deduplicationId: id });
}

test('deduplication: of two records with one id the first is stored', async () => {
  const broker = await new SimBroker().open();
  await send(broker, 'other');
  const first = await send(broker, 'x', 'first');
  const second = await send(broker, 'x', 'second');
  assert.deepEqual(first, { topic: 'a', partition: 0, offset: 1 });
  assert.deepEqual(second, { ...first, isDuplicate: true });
  assert.deepEqual(await valuesOf(broker), ['other', 'first']);
  await broker.close();
});

test('deduplication: the id is a header of the record', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a');
  await topic.send(
    { value: 'v', headers: [{ key: 'mine', value: '1' }] },
    { deduplicationId: 'x' },
  );
  for await (const batch of (await topic.hosted.partition(0)).read()) {
    const [record] = batch;
    assert.deepEqual(
      record?.headers.map(({ key, value }) => [key, value?.toString()]),
      [
        ['mine', '1'],
        [
          'millrace-deduplication-id',
          `${topic.hosted.definition.topicId.slice(-8)}:${sim.clock.nowMs()}:x`,
        ],
      ],
    );
  }
  await broker.close();
});

test('deduplication: of sends at the same time one is stored, by whichever producer', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a', { partitions: 3 });
  const producers = [broker.producer(), broker.producer({ acks: 'written' })];
  const sent = await Promise.all(
    Array.from({ length: 10 }, (_, index) =>
      producers[index % 2]?.send(topic, { value: `${index}` }, { deduplicationId: 'x' }),
    ),
  );
  assert.equal(sent.filter((one) => one?.isDuplicate === undefined).length, 1);
  assert.equal(new Set(sent.map((one) => `${one?.partition} ${one?.offset}`)).size, 1);
  const all = [0, 1, 2].map((partition) => valuesOf(broker, partition));
  assert.deepEqual((await Promise.all(all)).flat(), ['0']);
  await broker.close();
});

test('deduplication: when the first send fails, the next one is sent in its place', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a', { recordBytesMax: 1_000 });
  const memory = Buffer.from('second');
  const first = topic.send({ value: 'x'.repeat(2_000) }, { deduplicationId: 'x' });
  const second = topic.send({ value: memory }, { deduplicationId: 'x' });
  const third = topic.send({ value: 'third' }, { deduplicationId: 'x' });
  memory.fill('-');
  await rejection(first, 'RECORD_TOO_LARGE');
  assert.deepEqual(await second, { topic: 'a', partition: 0, offset: 0 });
  assert.equal((await third).isDuplicate, true);
  assert.deepEqual(await valuesOf(broker), ['second']);
  await broker.close();
});

test('deduplication: those who wait are bounded in bytes', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a', { recordBytesMax: 1024 * 1024 });
  const value = Buffer.alloc(1000 * 1024);
  const again = { deduplicationId: 'x' };
  const first = topic.send({ value: 'first' }, again);
  const sent = await Promise.allSettled(
    Array.from({ length: 70 }, () => topic.send({ value }, again)),
  );
  const refused = sent.filter((one) => one.status === 'rejected');
  assert.equal(refused.length, 5);
  for (const { reason } of refused) assert.equal(reason.code, 'BUFFER_FULL');
  await first;
  assert.equal((await topic.send({ value }, again)).isDuplicate, true);
  const large = { value: Buffer.alloc(2 * 1024 * 1024) };
  const other = { deduplicationId: 'y' };
  const behind = [topic.send({ value }, other), topic.send(large, other)];
  const outcomes = (await Promise.allSettled(behind)).map(({ status }) => status);
  assert.deepEqual(outcomes, ['fulfilled', 'rejected']);
  await broker.close();
});

test('deduplication: whoever waits behind another send can leave', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a');
  const leaving = new AbortController();
  const first = topic.send({ value: '1' }, { deduplicationId: 'x' });
  const second = topic.send({ value: '2' }, { deduplicationId: 'x', signal: leaving.signal });
  leaving.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  await first;
  assert.deepEqual(await valuesOf(broker), ['1']);
  await broker.close();
});

test('deduplication: what cannot be deduplicated is refused', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a');
  const longest = 'x'.repeat(256);
  for (const deduplicationId of ['', `${longest}x`, '\ud800', 7]) {
    const options = { deduplicationId: deduplicationId as string };
    await rejection(topic.send({ value: 'v' }, options), 'OPTION_INVALID');
  }
  const list = topic.send([{ value: 'v' }], { deduplicationId: 'x' });
  await rejection(list, 'OPTION_INVALID');
  const careless = broker.producer({ acks: 'none' });
  await rejection(careless.send(topic, { value: 'v' }, { deduplicationId: 'x' }), 'OPTION_INVALID');
  await topic.send({ value: longest }, { deduplicationId: longest });
  await topic.send({ value: 'é\n:' }, { deduplicationId: 'é\n:' });
  assert.deepEqual(await valuesOf(broker), [longest, 'é\n:']);
  await broker.close();
});

test('deduplication: what a send is refused with, a duplicate is refused with', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a');
  const producer = broker.producer();
  const options = { deduplicationId: 'x' };
  await producer.send(topic, { value: '1' }, options);
  const signal = AbortSignal.abort(new Error('enough'));
  await assert.rejects(producer.send(topic, { value: '2' }, { ...options, signal }), /enough/);
  await producer.close();
  await rejection(producer.send(topic, { value: '2' }, options), 'PRODUCER_CLOSED');
  await broker.deleteTopic('a');
  await rejection(topic.send({ value: '2' }, options), 'UNKNOWN_TOPIC');
  await broker.close();
  await rejection(topic.send({ value: '2' }, options), 'BROKER_CLOSED');
});

test('deduplication: flush waits for those who wait', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a', { recordBytesMax: 1_000 });
  const producer = broker.producer({ acks: 'written' });
  const first = topic.send({ value: 'x'.repeat(2_000) }, { deduplicationId: 'x' });
  const second = producer.send(topic, { value: '2' }, { deduplicationId: 'x' });
  await producer.flush();
  assert.deepEqual(await valuesOf(broker), ['2']);
  await rejection(first, 'RECORD_TOO_LARGE');
  assert.equal((await second).isDuplicate, undefined);
  await broker.close();
});

test('deduplication: calls keep their order while the window is being built', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a');
  await Promise.all([
    topic.send({ value: '1' }),
    topic.send({ value: '2' }, { deduplicationId: 'x' }),
    topic.send({ value: '3' }),
    topic.send({ value: '4' }, { deduplicationId: 'y' }),
  ]);
  assert.deepEqual(await valuesOf(broker), ['1', '2', '3', '4']);
  await broker.close();
});

test('deduplication: an id is free again behind the window', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await send(broker, 'x');
  sim.clock.advance(windowMs - 1);
  assert.equal((await send(broker, 'x')).isDuplicate, true);
  sim.clock.advance(1);
  assert.equal((await send(broker, 'x')).offset, 1);
  await broker.alterTopic('a', { deduplicationWindowMs: 1_000 });
  sim.clock.advance(1_000);
  assert.equal((await send(broker, 'x')).offset, 2);
  await broker.close();
});

test('deduplication: the oldest ids make room', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await broker.topic('a', { deduplicationIdsMax: 2 });
  for (const id of ['x', 'y', 'z']) {
    await send(broker, id);
    sim.clock.advance(1);
  }
  assert.equal((await send(broker, 'y')).isDuplicate, true);
  assert.equal((await send(broker, 'x')).offset, 3);
  const next = await sim.kill().open();
  assert.equal((await send(next, 'z')).isDuplicate, true);
  assert.equal((await send(next, 'x')).isDuplicate, true);
  assert.equal((await send(next, 'y')).offset, 4);
  await next.close();
});

for (const end of ['closed', 'killed'] as const) {
  test(`deduplication: ids survive a broker that is ${end}`, async () => {
    const sim = new SimBroker();
    const first = await sim.open();
    const topic = await first.topic('a', { partitions: 2 });
    await topic.send({ value: 'plain', partition: 0 });
    // Times of the program's own say nothing about when a record was sent.
    await topic.send({ value: 'old', timestamp: 1, partition: 0 }, { deduplicationId: 'x' });
    await topic.send({ value: 'new', timestamp: 2 ** 42, partition: 1 }, { deduplicationId: 'y' });
    await first.growTopic('a', 3);
    await topic.send({ value: 'z', partition: 2 }, { deduplicationId: 'z' });
    if (end === 'closed') await first.close();
    sim.clock.advance(windowMs - 1);

    const next = sim.kill();
    const broker = await next.open();
    for (const id of ['x', 'y', 'z']) assert.equal((await send(broker, id)).isDuplicate, true, id);
    next.clock.advance(1);
    for (const id of ['x', 'y', 'z']) assert.equal((await send(broker, id)).isDuplicate, undefined);
    await broker.close();
  });
}

test('deduplication: after a restart only the tail of the log is read', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a');
  for (let round = 0; round < 40; round += 1) {
    await topic.send(Array.from({ length: 10 }, () => ({ value: 'plain' })));
    await send(broker, `id-${round}`);
    sim.clock.advance(windowMs / 16);
    await settled();
  }
  const next = sim.kill();
  const second = await next.open();
  await send(second, 'after');
  const floors = await floorsOf(next, second);
  // At round 39 the oldest id in the window was that of round 24, sent behind ten plain records.
  assert.deepEqual(floors, [[24 * 11 + 10]]);
});

/** What the log of floors says last. */
async function floorsOf(sim: SimBroker, broker: Broker): Promise<unknown[]> {
  await broker.close();
  const path = sim.path('__deduplication-0');
  const log = await Log.open(path, { readOnly: true }, sim.environment.storage);
  const last = new Map<string, unknown>();
  for await (const batch of log.read()) {
    for (const { key, value } of batch) {
      const parts: unknown = value === null ? [] : unpack(value);
      last.set(`${key}`, Array.isArray(parts) ? parts[1] : undefined);
    }
  }
  await log.close();
  return [...last.values()];
}

test('deduplication: a topic that gets the name of another one begins anew', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await send(broker, 'x');
  await broker.deleteTopic('a');
  assert.equal((await send(broker, 'x')).isDuplicate, undefined);
  assert.equal((await floorsOf(sim, broker)).length, 2);
});

test('deduplication: a header that was copied from another topic does not count', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await broker.topic('b');
  await send(broker, 'first');
  await broker.producer().send('b', { value: 'v' }, { deduplicationId: 'x' });
  const source = await (await broker.topic('b')).hosted.partition(0);
  const topic = await broker.topic('a');
  for await (const batch of source.read()) {
    for (const { value, headers } of batch) await topic.send({ value, headers });
  }
  const next = await sim.kill().open();
  assert.equal((await send(next, 'x')).isDuplicate, undefined);
  assert.equal((await send(next, 'first')).isDuplicate, true);
  await next.close();
});

/** Sends the same ids again and again, and notes what was acknowledged. */
async function sendAll(sim: SimBroker, acked: Map<string, number>): Promise<void> {
  const broker = await sim.open();
  for (const id of ['1', '2', '1', '3', '2', '4']) {
    const { offset } = await send(broker, id);
    const before = acked.get(id);
    assert(before === undefined || before === offset, `${id} is at ${before} and at ${offset}`);
    acked.set(id, offset);
  }
  await broker.close();
}

test('deduplication: a power cut at any call leaves each id once, and none twice', async () => {
  await withSeed(async (prng, seed) => {
    const sim = new SimBroker();
    const acked = new Map<string, number>();
    const cuts: { sim: SimBroker; acked: Map<string, number>; about: string }[] = [];
    sim.disk.onCall = (number, name, path) => {
      for (const choice of enumerateCrashes(sim.disk, 3, seed + number)) {
        const about = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
        cuts.push({ sim: sim.crash(choice), acked: new Map(acked), about });
      }
    };
    await sendAll(sim, acked);
    assert(cuts.length > 200, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, 80)) {
      try {
        await sendAll(cut.sim, cut.acked);
        const broker = await cut.sim.open();
        assert.deepEqual((await valuesOf(broker)).sort(), ['1', '2', '3', '4']);
        await broker.close();
      } catch (error) {
        throw new Error(cut.about, { cause: error });
      }
    }
  });
});
