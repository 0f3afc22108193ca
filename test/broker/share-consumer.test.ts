/** `topic.share` and `broker.shares`: consumers of one group, and who administers it. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { ShareMessage } from '../../src/broker/share/share-message.js';
import { json } from '../../src/broker/topic/codec-json.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { isPending, rejection, settled, thrown } from '../support/fixtures.js';

async function makeTopic(broker: Broker, ...values: readonly string[]) {
  const topic = await broker.topic('orders', { partitions: 1 });
  if (values.length > 0) await topic.send(values.map((value) => ({ value })));
  return topic;
}

function valuesOf(messages: readonly ShareMessage<Buffer>[]): string[] {
  return messages.map(({ value }) => value?.toString() ?? 'null');
}

test('share: consumers of a group outnumber partitions, groups do not see each other', async () => {
  const broker = await new SimBroker().open();
  const topic = await makeTopic(broker, '1', '2', '3');
  const consumers = [1, 2, 3].map(() => topic.share({ group: 'mail' }));
  const values: string[] = [];
  for (const consumer of consumers) values.push(...valuesOf(await consumer.receive()));
  assert.deepEqual(values, ['1', '2', '3']);
  const other = topic.share({ group: 'audit' });
  assert.deepEqual(valuesOf(await other.receive({ max: 10 })), ['1', '2', '3']);
  assert.deepEqual(await broker.shares.list(), [
    { group: 'audit', topic: 'orders', isOpen: true },
    { group: 'mail', topic: 'orders', isOpen: true },
  ]);
  await broker.close();
});

test('share: what a consumer ends stays ended over a restart', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await makeTopic(broker, '1', '2', '3', '4');
  const consumer = topic.share({ group: 'mail' });
  const [one, two, three, four] = await consumer.receive({ max: 4 });
  assert.ok(one && two && three && four);
  await one.acknowledge();
  await consumer.acknowledge([two.receipt, one]);
  await three.reject();
  await three.reject();
  await four.renew(60_000);
  const { receipt } = four;
  await broker.close();

  const next = await sim.kill().open();
  const again = (await next.topic('orders')).share({ group: 'mail' });
  const [message, ...none] = await again.receive({ max: 10 });
  assert.deepEqual([message?.offset, message?.deliveries, none.length], [3, 2, 0]);
  await rejection(again.acknowledge(receipt), 'RECEIPT_STALE');
  await rejection(again.acknowledge('what'), 'RECEIPT_INVALID');
  assert.ok(message !== undefined);
  await again.release(message, { isFailure: true });
  const [last] = await again.receive({ max: 10, waitMs: 100 });
  assert.deepEqual([last?.deliveries, last?.failures], [3, 1]);
  await next.close();
});

test('share: a new group begins where it is told, once; a grown topic is taken up', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await makeTopic(broker, '1', '2');
  const consumer = topic.share({ group: 'mail', from: 'latest' });
  assert.deepEqual(await consumer.receive(), []);
  await topic.send({ value: '3' });
  await broker.growTopic('orders', 2);
  await topic.send({ value: '4', partition: 1 });
  await broker.close();

  const next = await sim.kill().open();
  const later = (await next.topic('orders')).share({ group: 'mail', from: 'latest' });
  assert.deepEqual(valuesOf(await later.receive({ max: 10 })).sort(), ['3', '4']);
  const waiting = later.receive({ max: 10, waitMs: 60_000 });
  await next.growTopic('orders', 3);
  await (await next.topic('orders')).send({ value: '5', partition: 2 });
  assert.deepEqual(valuesOf(await waiting), ['5']);
  await next.close();
});

test('share: the deletion of a topic ends waits and forgets its groups', async () => {
  const broker = await new SimBroker().open();
  const topic = await makeTopic(broker, '1');
  const consumer = topic.share({ group: 'mail' });
  const [message] = await consumer.receive();
  const waiting = consumer.receive({ waitMs: 60_000 });
  assert.ok(await isPending(waiting));
  const refused = rejection(waiting, 'UNKNOWN_TOPIC');
  await broker.deleteTopic('orders');
  await refused;
  assert.ok(message !== undefined);
  await rejection(message.acknowledge(), 'UNKNOWN_TOPIC');
  assert.deepEqual(await broker.shares.list(), []);
  const again = (await makeTopic(broker, '2')).share({ group: 'mail' });
  assert.deepEqual(valuesOf(await again.receive({ max: 10 })), ['2']);
  await broker.close();
});

test('share: closing a consumer gives back what it has, and ends its waits', async () => {
  const broker = await new SimBroker().open();
  const topic = await makeTopic(broker, '1');
  const one = topic.share({ group: 'mail' });
  const other = topic.share({ group: 'mail' });
  await one.receive();
  const waiting = one.receive({ waitMs: 60_000 });
  const next = other.receive({ waitMs: 60_000 });
  await settled();
  await one.close();
  assert.deepEqual(await waiting, []);
  assert.deepEqual(valuesOf(await next), ['1']);
  await rejection(one.receive(), 'CONSUMER_CLOSED');
  const aborted = new AbortController();
  const late = other.receive({ waitMs: 60_000, signal: aborted.signal });
  await settled();
  aborted.abort(new Error('enough'));
  await assert.rejects(late, /enough/);
  await broker.close();
});

test('share: what was handed out too often, or rejected, goes to the dead letters', async () => {
  const broker = await new SimBroker().open();
  const topic = await makeTopic(broker, '1', '2', '3');
  const options = { group: 'mail', maxDeliveries: 2, deadLetter: 'dead' };
  const consumer = topic.share(options);
  for (let round = 0; round < 2; round += 1) {
    const messages = await consumer.receive({ max: 10 });
    const [first, second] = messages;
    assert.ok(first !== undefined);
    await consumer.release([first]);
    if (second !== undefined) await second.reject({ reason: 'no use' });
    if (messages[2] !== undefined) await messages[2].acknowledge();
  }
  for (let turn = 0; turn < 20; turn += 1) await settled();
  const dead = await broker.topic('dead', {});
  const log = await dead.hosted.partition(0);
  assert.deepEqual((await valuesOfPartition(log)).sort(), ['1', '2']);
  assert.equal((await consumer.describe()).unfinished, 0);
  await broker.close();
});

test('share: without dead letters a message ends after its deliveries', async () => {
  const broker = await new SimBroker().open();
  const topic = await makeTopic(broker, '1');
  const consumer = topic.share({ group: 'mail', maxDeliveries: 1 });
  const [message] = await consumer.receive();
  await message?.release();
  await settled();
  assert.deepEqual(await consumer.receive({ max: 10 }), []);
  const { unfinished, partitions } = await consumer.describe();
  assert.deepEqual([unfinished, partitions[0]?.counts.archived], [0, 1]);
  await broker.close();
});

test('share: a reset hands out again, and receipts of before are stale', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await makeTopic(broker, '1', '2', '3');
  const consumer = topic.share({ group: 'mail' });
  const [one, two] = await consumer.receive({ max: 2 });
  assert.ok(one && two);
  await one.acknowledge();
  const name = { group: 'mail', topic: 'orders' };
  await broker.shares.reset(name, 'earliest');
  await rejection(two.acknowledge(), 'RECEIPT_STALE');
  await rejection(consumer.acknowledge(two.receipt), 'RECEIPT_STALE');
  assert.deepEqual(valuesOf(await consumer.receive({ max: 10 })), ['1', '2', '3']);
  await broker.shares.reset(name, [{ partition: 0, offset: 2 }]);
  const [third] = await consumer.receive({ max: 10 });
  assert.deepEqual([third?.offset, third?.deliveries], [2, 1]);
  await rejection(broker.shares.reset(name, [{ partition: 0, offset: 9 }]), 'OFFSET_OUT_OF_RANGE');
  await rejection(broker.shares.delete(name), 'GROUP_NOT_EMPTY');
  await broker.close();

  const next = await sim.kill().open();
  const described = await next.shares.describe(name);
  assert.equal(described.partitions[0]?.startOffset, 2);
  await next.shares.delete(name);
  await rejection(next.shares.describe(name), 'GROUP_NOT_FOUND');
  const anew = (await next.topic('orders')).share({ group: 'mail' });
  assert.deepEqual(valuesOf(await anew.receive({ max: 10 })), ['1', '2', '3']);
  await next.close();
});

test('share: values that cannot be read are failures, other options are refused', async () => {
  const broker = await new SimBroker().open();
  await makeTopic(broker, '{"a":1}', 'no json', '{"a":2}');
  const topic = await broker.topic('orders', { codec: json() });
  const consumer = topic.share({ group: 'mail', maxFailures: 1 });
  const messages = await consumer.receive({ max: 10 });
  assert.deepEqual(
    messages.map(({ value }) => value),
    [{ a: 1 }, { a: 2 }],
  );
  await settled();
  assert.equal((await consumer.describe()).partitions[0]?.counts.archived, 1);
  const differing = topic.share({ group: 'mail', order: 'key' });
  const error = await rejection(differing.receive(), 'OPTION_CONFLICT');
  assert.deepEqual([error.facts['expected'], error.facts['actual']], ['none', 'key']);
  thrown(() => topic.share({ group: '' }), 'GROUP_INVALID');
  await rejection(consumer.receive({ max: 0 }), 'OPTION_INVALID');
  await broker.close();
});

test('share: the group of a queue is left to the queue, others share its topic', async () => {
  const broker = await new SimBroker().open();
  const jobs = await broker.queue('jobs');
  await jobs.send('1');
  const topic = await broker.topic('jobs');
  const { facts } = thrown(() => topic.share({ group: 'jobs' }), 'OPTION_INVALID');
  assert.equal(facts['option'], 'group');
  const name = { topic: 'jobs', group: 'jobs' };
  const [message] = await jobs.receive();
  await rejection(broker.shares.describe(name), 'GROUP_INVALID');
  await rejection(broker.shares.reset(name, 'earliest'), 'GROUP_INVALID');
  await rejection(broker.shares.delete(name), 'GROUP_INVALID');
  const audit = topic.share({ group: 'audit' });
  assert.deepEqual(valuesOf(await audit.receive({ max: 10 })), ['1']);
  await message?.acknowledge();
  await broker.close();
});

test('share: a transaction acknowledges and sends in one step, or neither', async () => {
  const broker = await new SimBroker().open();
  const topic = await makeTopic(broker, '1', '2');
  await broker.createTopic('out');
  const consumer = topic.share({ group: 'mail' });
  const [one, two] = await consumer.receive({ max: 2 });
  assert.ok(one && two);
  await broker.transaction(async (transaction) => {
    await transaction.send('out', { value: 'done 1' });
    transaction.acknowledge(one);
  });
  await assert.rejects(
    broker.transaction(async (transaction) => {
      await transaction.send('out', { value: 'done 2' });
      transaction.acknowledge(two);
      await rejection(two.acknowledge(), 'LEASE_FROZEN');
      throw new Error('planned');
    }),
    /planned/,
  );
  await two.acknowledge();
  const log = await (await broker.topic('out')).hosted.partition(0);
  assert.deepEqual(await valuesOfPartition(log), ['done 1']);
  assert.equal((await consumer.describe()).unfinished, 0);
  await broker.close();
});
