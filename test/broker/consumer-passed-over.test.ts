/**
 * Markers, aborted records and what else nobody can see, at the end of a partition: the position
 * goes behind them, and who commits that.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { Consumer } from '../../src/broker/consumer/consumer.js';
import type { ConsumerBatch } from '../../src/broker/consumer/consumer-batch.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import { committedOf, openedBroker, settle, until } from '../support/consumer-fixture.js';
import { type BytesTopic, Calls, ProcessWorld } from '../support/process-fixture.js';

suite('passed over', () => {
  test('what nobody can see at the end is passed over, and committed automatically', async (t) => {
    const broker = await openedBroker(t);
    const topic = await topicWith(broker, 'a');
    const log = await topic.hosted.partition(0);
    const automatic = topic.consumer({ group: 'g' });
    const first = await nextOf(automatic);
    await appendAborted(log, 0);
    await settle();
    assert.equal(log.durableOffset, 3);
    assert.deepEqual(await committedOf(broker, 'g'), [], 'the loop is in its batch');
    const next = automatic.next();
    const standsAt = async (offset: number): Promise<void> => {
      await settle();
      await automatic.commit();
      assert.equal(automatic.assignment[0]?.position, offset);
      const { lag } = await broker.groups.describe('g');
      assert.deepEqual([await committedOf(broker, 'g'), lag], [[offset], 0]);
    };
    await standsAt(3);
    await appendAborted(log, 1);
    await standsAt(5);
    await assert.rejects(first.commit({ through: 1 }), { code: 'OFFSET_OUT_OF_RANGE' });
    await topic.send({ value: 'b' });
    const last = await next;
    await appendAborted(log, 2);
    await settle();
    assert.deepEqual(last.value?.nextOffset, 6);
    await automatic.return();
    assert.deepEqual(await committedOf(broker, 'g'), [5], 'the last batch was not done');
  });

  test('what is passed over is committed neither by hand nor behind a transaction', async (t) => {
    const broker = await openedBroker(t);
    const topic = await topicWith(broker, 'a');
    await appendAborted(await topic.hosted.partition(0), 0);
    const manual = topic.consumer({ group: 'manual', commit: 'manual' });
    await (await nextOf(manual)).commit();
    const bound = topic.consumer({ group: 'bound' });
    const batch = await nextOf(bound);
    const undone = broker.transaction((transaction) => {
      transaction.commitOffsets(batch);
      throw new Error('no');
    });
    await assert.rejects(undone, { message: 'no' });
    for (const consumer of [manual, bound]) void consumer.next();
    await until(() => bound.assignment[0]?.position === 3 && manual.heldCount === 0);
    await settle();
    assert.equal(manual.assignment[0]?.position, 3);
    assert.deepEqual(await committedOf(broker, 'manual'), [1]);
    assert.deepEqual(await committedOf(broker, 'bound'), []);
  });

  test('a group that stands before what nobody can see goes on behind it', async (t) => {
    const broker = await openedBroker(t);
    const topic = await topicWith(broker, 'a');
    await appendAborted(await topic.hosted.partition(0), 0);
    await broker.groups.reset('g', { to: { offset: 1 }, topics: ['orders'] });
    const consumer = topic.consumer({ group: 'g' });
    await until(() => consumer.assignment[0]?.position === 3);
    await consumer.commit();
    assert.deepEqual(await committedOf(broker, 'g'), [3]);
    consumer.pause();
    await consumer.seek({ topic: 'orders', partition: 0 }, 0);
    assert.equal(consumer.assignment[0]?.position, 0);
    consumer.resume();
    assert.equal((await nextOf(consumer)).nextOffset, 1);
  });

  test('what a worker gives back for want of room is not passed over with it', async () => {
    const world = await ProcessWorld.open(2);
    const values = ['a0', 'a1', 'a2', 'a3', 'a4', 'a5'];
    await world.topic.send(values.map((value) => ({ key: 'a', value, partition: 0 })));
    await appendAborted(await world.topic.hosted.partition(0), 0);
    const calls = new Calls();
    world.start(calls.handler, { inFlightRecords: 8 });
    await world.pass(5_000);
    for (const value of values) {
      assert.deepEqual(calls.openValues, [value]);
      calls.open[0]?.end();
      await world.pass(3);
    }
    await world.pass(1_000);
    assert.deepEqual(calls.values, values);
    assert.equal(await world.committed(0), 8);
    await world.close();
  });
});

/** A record of a transaction that is aborted, and its marker: two offsets. */
async function appendAborted(log: PartitionLog, producerEpoch: number): Promise<void> {
  const producer = { producerId: 77, producerEpoch, baseSequence: 0, isTransactional: true };
  await log.append([{ value: 'aborted' }], { producer });
  await log.appendMarker({ producerId: 77, producerEpoch, coordinatorEpoch: 0, kind: 'abort' });
}

async function topicWith(broker: Broker, value: string): Promise<BytesTopic> {
  const topic = await broker.topic('orders', { partitions: 1 });
  await topic.send({ value });
  return topic;
}

async function nextOf(consumer: Consumer<Buffer>): Promise<ConsumerBatch<Buffer>> {
  const { value } = await consumer.next();
  assert.ok(value);
  return value;
}
