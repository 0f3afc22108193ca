// Producers: order, batches, bounds, rates, ends, and numbers that make batches count once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { ProducerOptions } from '../../src/broker/producer/producer-core.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { isPending, rejection, settled, thrown } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';
import type { SimClock } from '../support/sim-clock.js';
import { enumerateCrashes } from '../support/sim-crash.js';

async function partitionOf(broker: Broker, name: string, partition = 0): Promise<PartitionLog> {
  return await (await broker.topic(name)).hosted.partition(partition);
}

async function batchSizes(log: PartitionLog): Promise<number[]> {
  const sizes: number[] = [];
  for await (const batch of log.read()) sizes.push(batch.count);
  return sizes;
}

/** A topic `a` of one partition, and a producer, on a disk that answers when it is told to. */
async function start(options: ProducerOptions = {}) {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a');
  const producer = broker.producer(options);
  return { sim, broker, topic, producer };
}

test('producer: what is sent in one turn is one batch, in order', async () => {
  const { broker, topic, producer } = await start();
  const values = Array.from({ length: 50 }, (_, index) => `${index}`);
  const sent = await Promise.all(values.map((value) => producer.send(topic, { value })));
  assert.deepEqual(
    sent.map(({ offset }) => offset),
    values.map(Number),
  );
  const log = await partitionOf(broker, 'a');
  assert.deepEqual(await valuesOfPartition(log), values);
  assert.deepEqual(await batchSizes(log), [50]);
  await broker.close();
});

test('producer: a list goes out by key, and says where it is', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a', { partitions: 3 });
  const keys = ['21', 'foobar', 'a-little-bit-long-string', 'abc', '21'];
  const result = await topic.send(keys.map((key) => ({ key, value: key })));
  assert.equal(result.count, 5);
  const found: string[] = [];
  for (const { partition, baseOffset, lastOffset } of result.ranges) {
    const values = await valuesOfPartition(await partitionOf(broker, 'a', partition));
    assert.equal(values.length, lastOffset - baseOffset + 1);
    found.push(...values);
  }
  assert.deepEqual(found.sort(), [...keys].sort());
  await broker.close();
});

test('producer: a partitioner of the program decides, within the topic', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await broker.topic('a', { partitions: 3 });
  const producer = broker.producer({ partitioner: ({ key }) => Number(key) });
  const { partition } = await producer.send('a', { key: '2', value: 'x' });
  assert.equal(partition, 2);
  await rejection(producer.send('a', { key: '3', value: 'x' }), 'UNKNOWN_PARTITION');
  await rejection(producer.send('a', { key: 'none', value: 'x' }), 'UNKNOWN_PARTITION');
  await broker.close();
});

test('producer: what cannot be a record is refused alone', async () => {
  const { broker, topic, producer } = await start();
  await broker.alterTopic('a', { recordBytesMax: 1_000 });
  const large = producer.send(topic, { value: 'x'.repeat(2_000) });
  const fine = producer.send(topic, { value: 'x' });
  await rejection(large, 'RECORD_TOO_LARGE');
  await fine;
  await rejection(producer.send(topic, []), 'RECORD_INVALID');
  await rejection(producer.send(topic, { value: 'x', timestamp: -1 }), 'RECORD_INVALID');
  await rejection(producer.send('b', { value: 'x' }), 'UNKNOWN_TOPIC');
  assert.deepEqual([producer.bufferedBytes, producer.bufferedRecords], [0, 0]);
  await broker.close();
});

test('producer: memory may be used again as soon as send has returned', async () => {
  const { broker, topic, producer } = await start();
  const memory = Buffer.from('first');
  const sent = producer.send(topic, { key: memory, value: memory });
  memory.write('other');
  await sent;
  assert.deepEqual(await valuesOfPartition(await partitionOf(broker, 'a')), ['first']);
  await broker.close();
});

test('producer: a full buffer makes sends wait, in order', async () => {
  const { broker, topic, producer } = await start({ bufferRecords: 2 });
  const sends = ['1', '2', '3', '4', '5'].map((value) => producer.send(topic, { value }));
  assert.equal(producer.bufferedRecords, 2);
  assert.equal(producer.waitingSends, 3);
  await Promise.all(sends);
  assert.deepEqual(await valuesOfPartition(await partitionOf(broker, 'a')), [
    '1',
    '2',
    '3',
    '4',
    '5',
  ]);
  assert.equal(producer.waitingSends, 0);
  await broker.close();
});

test('producer: those who wait are bounded too', async () => {
  const { broker, topic, producer } = await start({ bufferRecords: 1, waitingSendsMax: 1 });
  const sends = [producer.send(topic, { value: '1' }), producer.send(topic, { value: '2' })];
  await rejection(producer.send(topic, { value: '3' }), 'BUFFER_FULL');
  await Promise.all(sends);
  await broker.close();
});

test('producer: a send that could never fit is refused', async () => {
  const { broker, topic, producer } = await start({ bufferBytes: 1_024 });
  await rejection(producer.send(topic, { value: Buffer.alloc(2_000) }), 'BATCH_TOO_LARGE');
  await broker.close();
});

test('producer: a full buffer rejects when it is told to', async () => {
  const { broker, topic, producer } = await start({ bufferRecords: 1, onFull: 'reject' });
  const first = producer.send(topic, { value: '1' });
  await rejection(producer.send(topic, { value: '2' }), 'BUFFER_FULL');
  await first;
  await producer.send(topic, { value: '3' });
  await broker.close();
});

test('producer: newer records take the place of the oldest when they are told to', async () => {
  const { broker, topic, producer } = await start({ bufferRecords: 2, onFull: 'drop-oldest' });
  const sends = ['1', '2', '3', '4'].map((value) => producer.send(topic, { value }));
  const outcomes = await Promise.allSettled(sends);
  assert.deepEqual(
    outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'stored')),
    ['RECORD_DROPPED', 'RECORD_DROPPED', 'stored', 'stored'],
  );
  assert.deepEqual(await valuesOfPartition(await partitionOf(broker, 'a')), ['3', '4']);
  await broker.close();
});

test('producer: a signal takes back what is not on its way', async () => {
  const { broker, topic, producer } = await start({ bufferRecords: 1 });
  const stop = new AbortController();
  const first = producer.send(topic, { value: '1' });
  const waiting = producer.send(topic, { value: '2' }, { signal: stop.signal });
  const reason = new Error('stop');
  stop.abort(reason);
  await assert.rejects(waiting, reason);
  await assert.rejects(producer.send(topic, { value: '3' }, { signal: stop.signal }), reason);
  const inLine = new AbortController();
  await first;
  const lined = producer.send(topic, { value: '4' }, { signal: inLine.signal });
  inLine.abort(reason);
  await assert.rejects(lined, reason);
  await producer.send(topic, { value: '5' });
  assert.deepEqual(await valuesOfPartition(await partitionOf(broker, 'a')), ['1', '5']);
  assert.equal(producer.bufferedRecords, 0);
  await broker.close();
});

test('producer: a rate holds on average, and a burst of a second goes at once', async () => {
  const { sim, broker, topic, producer } = await start({ recordsPerSecond: 10 });
  const burst = Array.from({ length: 10 }, () => ({ value: 'x' }));
  await producer.send(topic, burst);
  const next = producer.send(topic, burst);
  assert(await isPending(next));
  await passes(sim.clock, 2);
  await next;
  const later = producer.send(topic, { value: 'y' });
  await passes(sim.clock, 990);
  assert(await isPending(later), 'the ten before are paid first');
  await passes(sim.clock, 30);
  await later;
  await broker.close();
});

async function passes(clock: SimClock, ms: number): Promise<void> {
  clock.advance(ms);
  await settled();
}

test('producer: flush waits for what was sent, and makes it durable', async () => {
  const { sim, broker, topic, producer } = await start({ acks: 'none' });
  const sent = producer.send(topic, { value: '1' });
  await producer.flush();
  await sent;
  const log = await partitionOf(broker, 'a');
  assert.equal(log.durableOffset, 1);
  await producer.close();
  await rejection(producer.send(topic, { value: '2' }), 'PRODUCER_CLOSED');
  await broker.close();
  assert.equal(sim.clock.pendingCount, 0);
});

test('producer: options that contradict each other are refused', async () => {
  const broker = await new SimBroker().open();
  thrown(() => broker.producer({ acks: 'none', idempotent: true }), 'OPTION_INVALID');
  thrown(() => broker.producer({ acks: 'none', name: 'n' }), 'OPTION_INVALID');
  thrown(() => broker.producer({ idempotent: false, name: 'n' }), 'OPTION_INVALID');
  await broker.close();
});

test('producer: batches are numbered, each producer by itself', async () => {
  const { broker, topic, producer } = await start();
  const other = broker.producer();
  await producer.send(topic, [{ value: '1' }, { value: '2' }]);
  await producer.send(topic, { value: '3' });
  await other.send(topic, { value: '4' });
  const log = await partitionOf(broker, 'a');
  const seen: number[][] = [];
  for await (const batch of log.read()) {
    seen.push([batch.producerId, batch.producerEpoch, batch.baseSequence]);
  }
  assert.deepEqual(seen, [
    [0, 0, 0],
    [0, 0, 2],
    [1, 0, 0],
  ]);
  await broker.close();
});

test('producer: ids are never given twice, whatever a crash leaves', async () => {
  const sim = new SimBroker();
  const ids = new Set<number>();
  let later = sim;
  for (let life = 0; life < 3; life += 1) {
    const broker = await later.open();
    const topic = await broker.topic('a');
    await broker.producer().send(topic, { value: 'x' });
    for await (const batch of (await partitionOf(broker, 'a')).read()) ids.add(batch.producerId);
    later = later.kill();
  }
  assert.equal(ids.size, 3);
});

test('producer: a name goes on with its numbers after a restart', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a');
  await broker.producer({ name: 'n' }).send(topic, [{ value: '1' }, { value: '2' }]);
  const next = await sim.kill().open();
  await next.producer({ name: 'n' }).send('a', { value: '3' });
  const [producer, ...others] = (await partitionOf(next, 'a')).producers();
  assert.deepEqual([producer?.lastSequence, producer?.producerEpoch, others.length], [2, 0, 0]);
  await next.close();
});

test('producer: who takes a name that is in use fences the one that had it', async () => {
  const { broker, topic, producer: old } = await start({ name: 'n' });
  await old.send(topic, { value: '1' });
  const next = broker.producer({ name: 'n' });
  await next.send(topic, { value: '2' });
  const { facts } = await rejection(old.send(topic, { value: '3' }), 'PRODUCER_FENCED');
  assert.equal(facts['kafka'], 'INVALID_PRODUCER_EPOCH');
  await old.close();
  await next.send(topic, { value: '4' });
  assert.deepEqual(await valuesOfPartition(await partitionOf(broker, 'a')), ['1', '2', '4']);
  await broker.close();
});

test('producer: numbers go on without a gap after the disk was full', async () => {
  const { sim, broker, topic, producer } = await start();
  await producer.send(topic, { value: '1' });
  sim.disk.fail({ name: 'write', path: '/a-0/', errno: 'ENOSPC' });
  const first = producer.send(topic, { value: '2' });
  await new Promise<void>((resolve) => queueMicrotask(resolve));
  const second = producer.send(topic, { value: '3' });
  const outcomes = await Promise.allSettled([first, second]);
  assert.equal(outcomes[0]?.status, 'rejected');
  sim.disk.heal();
  await producer.send(topic, { value: '4' });
  const log = await partitionOf(broker, 'a');
  const values = await valuesOfPartition(log);
  assert.deepEqual(values, outcomes[1]?.status === 'fulfilled' ? ['1', '3', '4'] : ['1', '4']);
  assert.equal(log.producers()[0]?.lastSequence, values.length - 1);
  await broker.close();
});

test('producer: a name goes on without a gap or a duplicate after any power cut', async () => {
  await withSeed(async (prng, seed) => {
    const sim = new SimBroker();
    const cuts: { sim: SimBroker; acked: number }[] = [];
    let acked = 0;
    sim.disk.onCall = (number) => {
      for (const choice of enumerateCrashes(sim.disk, 2, seed + number)) {
        cuts.push({ sim: sim.crash(choice), acked });
      }
    };
    const broker = await sim.open();
    await broker.topic('a');
    const producer = broker.producer({ name: 'n' });
    for (; acked < 6; acked += 1) await producer.send('a', { value: `${acked}` });
    await broker.close();
    for (const cut of prng.shuffle(cuts).slice(0, 40)) {
      const later = await cut.sim.open();
      const log = await partitionOf(later, 'a');
      const before = await valuesOfPartition(log);
      assert(before.length >= cut.acked && before.length <= cut.acked + 1, `seed ${seed}`);
      const resumed = later.producer({ name: 'n' });
      await resumed.send('a', [{ value: 'next' }, { value: 'more' }]);
      await resumed.send('a', { value: 'last' });
      const values = await valuesOfPartition(log);
      const numbers = before.map((_, index) => `${index}`);
      assert.deepEqual(values, [...numbers, 'next', 'more', 'last']);
      const [known, ...others] = log.producers();
      assert.deepEqual([known?.lastSequence, others.length], [values.length - 1, 0]);
      await later.close();
    }
  });
});

test('producer: keys keep their order under random load, bounds and faults', async () => {
  await withSeed(async (prng, seed) => {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await broker.topic('a', {
      partitions: 3,
      batchBytesMax: 4_096,
      recordBytesMax: 1_024,
    });
    const producer = broker.producer({
      bufferRecords: 20,
      acks: prng.pick(['durable', 'written']),
    });
    const stored: { key: string; number: number; at: string }[] = [];
    const sends: Promise<unknown>[] = [];
    for (let number = 0; number < 400; number += 1) {
      if (prng.boolean(0.02)) sim.disk.fail({ name: 'write', path: '/a-', errno: 'ENOSPC' });
      const key = `k${prng.integer(7)}`;
      const value = `${key} ${number} `.padEnd(prng.integer(500), '.');
      const send = producer.send(topic, { key, value });
      sends.push(
        send.then(
          ({ partition, offset }) => stored.push({ key, number, at: `${partition}/${offset}` }),
          ({ code }: { code: string }) => assert.equal(code, 'DISK_FULL', `seed ${seed}`),
        ),
      );
      if (prng.boolean(0.3)) await settled();
    }
    await Promise.all(sends);
    sim.disk.heal();
    await producer.flush();
    assert.equal(producer.bufferedRecords, 0);
    let count = 0;
    for (let partition = 0; partition < 3; partition += 1) {
      const last = new Map<string, number>();
      for (const value of await valuesOfPartition(await partitionOf(broker, 'a', partition))) {
        const [key = '', number = ''] = value.split(' ');
        assert(Number(number) > (last.get(key) ?? -1), `${key} in order, seed ${seed}`);
        last.set(key, Number(number));
        count += 1;
      }
    }
    assert.equal(count, stored.length);
    assert.equal(new Set(stored.map(({ at }) => at)).size, stored.length);
    await broker.close();
  });
});
