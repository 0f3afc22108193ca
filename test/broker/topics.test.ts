// Topics: made, declared, grown, altered and deleted while they are in use.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { BROKER, SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { isPending, rejection, settled, thrown } from '../support/fixtures.js';

const DAY_MS = 24 * 60 * 60 * 1000;

test('topics: a topic that was declared is there after the next open', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const orders = await broker.topic('orders', { partitions: 3, segmentBytes: 1 << 20 });
  assert.equal(orders.partitions, 3);
  await broker.close();
  const later = await sim.kill().open();
  const [summary, ...others] = later.listTopics();
  assert.equal(others.length, 0);
  assert.equal(summary?.name, 'orders');
  assert.equal(summary?.partitionCount, 3);
  assert.equal(summary?.options.segmentBytes, 1 << 20);
  assert.equal(summary?.options.retentionMs, 7 * DAY_MS);
  await later.close();
});

test('topics: a topic that only compacts has no age', async () => {
  const broker = await new SimBroker().open();
  await broker.topic('state', { cleanup: 'compact' });
  assert.equal(broker.listTopics()[0]?.options.retentionMs, 'unlimited');
  await broker.close();
});

test('topics: declaring again is fine, with other options a conflict that names both', async () => {
  const broker = await new SimBroker().open();
  await broker.topic('orders', { partitions: 3 });
  await broker.topic('orders');
  await broker.topic('orders', { partitions: 3, retentionMs: 7 * DAY_MS });
  const { facts } = await rejection(broker.topic('orders', { partitions: 4 }), 'TOPIC_CONFLICT');
  assert.deepEqual([facts['option'], facts['expected'], facts['actual']], ['partitions', 3, 4]);
  await rejection(broker.createTopic('orders'), 'TOPIC_EXISTS');
  await broker.close();
});

test('topics: two that declare one topic at once get the same', async () => {
  const broker = await new SimBroker().open();
  const [one, other] = await Promise.all([broker.topic('a'), broker.topic('a')]);
  await Promise.all([one.send({ value: '1' }), other.send({ value: '2' })]);
  assert.equal(broker.listTopics().length, 1);
  await broker.close();
});

test('topics: names follow the rule', async () => {
  const broker = await new SimBroker().open();
  for (const name of ['', '.', '..', 'a b', 'ä', 'a/b', '__own', 'x'.repeat(250)]) {
    await rejection(broker.topic(name), 'INVALID_TOPIC_NAME');
  }
  await broker.topic('x'.repeat(249));
  await broker.topic('a.b');
  const { facts } = await rejection(broker.topic('a_b'), 'INVALID_TOPIC_NAME');
  assert.equal(facts['kafka'], 'INVALID_TOPIC_EXCEPTION');
  await broker.deleteTopic('a.b');
  await broker.topic('a_b');
  await broker.close();
});

test('topics: options are checked before anything is stored', async () => {
  const broker = await new SimBroker().open();
  const wrong = [
    broker.topic('a', { partitions: 0 }),
    broker.topic('a', { cleanup: 'compact', retentionMs: 5 }),
    broker.topic('a', { batchBytesMax: 2000, recordBytesMax: 3000 }),
  ];
  for (const promise of wrong) await rejection(promise, 'OPTION_INVALID');
  assert.deepEqual(broker.listTopics(), []);
  await broker.close();
});

test('topics: a grown topic takes records in its new partitions', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a', { partitions: 2 });
  await rejection(topic.send({ value: 'x', partition: 2 }), 'UNKNOWN_PARTITION');
  await broker.growTopic('a', 3);
  assert.equal(topic.partitions, 3);
  assert.deepEqual(await topic.send({ value: 'x', partition: 2 }), {
    topic: 'a',
    partition: 2,
    offset: 0,
  });
  await rejection(broker.growTopic('a', 3), 'OPTION_INVALID');
  await rejection(broker.growTopic('b', 3), 'UNKNOWN_TOPIC');
  await broker.close();
  const later = await sim.kill().open();
  const { partitions } = await later.describeTopic('a');
  assert.deepEqual(
    partitions.map(({ endOffset }) => endOffset),
    [0, 0, 1],
  );
  await later.close();
});

test('topics: an alteration reaches open logs, and those that are opened later', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a', { partitions: 2 });
  await topic.send({ value: 'x', partition: 0 });
  await topic.send({ value: 'x', partition: 1 });
  await broker.close();
  const next = sim.kill();
  const again = await next.open();
  const opened = await again.topic('a');
  await opened.send({ value: 'y', partition: 0 });
  await again.alterTopic('a', { retentionMs: 60_000, segmentBytes: 1 << 20 });
  await opened.send({ value: 'y', partition: 1 });
  await again.close();
  for (const folder of ['a-0', 'a-1']) {
    const log = await Log.open(next.path(folder), {}, next.environment.storage);
    assert.equal(log.describe().options.retentionMs, 60_000);
    assert.equal(log.describe().options.segmentBytes, 1 << 20);
    await log.close();
  }
});

test('topics: what belongs to a topic from its creation on cannot be altered', async () => {
  const broker = await new SimBroker().open();
  await broker.topic('a');
  await rejection(broker.alterTopic('a', { compression: 'gzip' }), 'OPTION_INVALID');
  await rejection(broker.alterTopic('a', { partitions: 2 }), 'OPTION_INVALID');
  await broker.alterTopic('a', { cleanup: 'compact' });
  assert.equal(broker.listTopics()[0]?.options.retentionMs, 'unlimited');
  await broker.alterTopic('a', { cleanup: 'compact,delete' });
  assert.equal(broker.listTopics()[0]?.options.retentionMs, 7 * DAY_MS);
  await broker.close();
});

test('topics: a deletion while in use ends readers and refuses producers', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a', { partitions: 2 });
  await topic.send([{ value: 'x' }, { key: 'k', value: 'y' }]);
  const log = await topic.hosted.partition(0);
  const reading = valuesOfPartition(log, { follow: true });
  assert(await isPending(reading));
  await broker.deleteTopic('a');
  await reading;
  await rejection(topic.send({ value: 'z' }), 'UNKNOWN_TOPIC');
  await rejection(broker.deleteTopic('a'), 'UNKNOWN_TOPIC');
  assert.deepEqual(await sim.folders(), []);
  await broker.close();
});

test('topics: a send on its way while the topic is deleted is stored or refused', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('a');
  await topic.send({ value: 'x' });
  const sends = [1, 2, 3].map((value) => topic.send({ value: `${value}` }));
  const deleted = broker.deleteTopic('a');
  const outcomes = await Promise.allSettled(sends);
  await deleted;
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'UNKNOWN_TOPIC');
  }
  await broker.close();
});

test('topics: another topic of the same name is another topic', async () => {
  const broker = await new SimBroker().open();
  const old = await broker.topic('a');
  await old.send({ value: 'x' });
  await broker.deleteTopic('a');
  const topic = await broker.topic('a');
  assert.deepEqual(await topic.send({ value: 'y' }), { topic: 'a', partition: 0, offset: 0 });
  await rejection(old.send({ value: 'z' }), 'UNKNOWN_TOPIC');
  await broker.close();
});

test('topics: a deletion that fails in the middle goes on when asked again', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a', { partitions: 3 });
  for (const partition of [0, 1, 2]) await topic.send({ value: 'x', partition });
  sim.disk.fail({ name: 'unlink', path: '/a-1/', errno: 'EIO' });
  await rejection(broker.deleteTopic('a'), 'IO_FAILED');
  await rejection(topic.send({ value: 'y' }), 'UNKNOWN_TOPIC');
  await rejection(broker.createTopic('a'), 'TOPIC_EXISTS');
  assert.deepEqual(await sim.folders(), ['a-1', 'a-2']);
  sim.disk.heal();
  await broker.deleteTopic('a');
  assert.deepEqual(await sim.folders(), []);
  await broker.close();
});

test('topics: a folder of another topic is not taken for a partition', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const stranger = await Log.open(sim.path('a-0'), {}, sim.environment.storage);
  await stranger.append([{ value: 'not yours' }]);
  await stranger.close();
  const topic = await broker.topic('a');
  await rejection(topic.send({ value: 'x' }), 'TOPIC_CONFLICT');
  await broker.close();
});

test('broker: a second one is refused while the first is open', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await rejection(sim.open(), 'LOG_LOCKED');
  await broker.close();
  await (await sim.open()).close();
});

test('broker: a folder that holds something else is left alone', async () => {
  const sim = new SimBroker();
  await rejection(sim.open({ create: false }), 'NOT_A_BROKER');
  const log = await Log.open(BROKER, {}, sim.environment.storage);
  await log.close();
  await rejection(sim.open(), 'NOT_A_BROKER');
});

test('broker: close stores what was sent, and then refuses', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('a');
  const producer = broker.producer({ acks: 'none' });
  const sends = [topic.send({ value: '1' }), producer.send(topic, { value: '2' })];
  const closing = broker.close();
  await Promise.all(sends);
  await closing;
  await broker.close();
  await rejection(broker.topic('b'), 'BROKER_CLOSED');
  await rejection(topic.send({ value: '3' }), 'BROKER_CLOSED');
  await rejection(producer.send(topic, { value: '3' }), 'PRODUCER_CLOSED');
  thrown(() => broker.listTopics(), 'BROKER_CLOSED');
  await settled();
  const later = await sim.kill().open();
  const values = await valuesOfPartition(await (await later.topic('a')).hosted.partition(0));
  assert.deepEqual(values.sort(), ['1', '2']);
  await later.close();
});

test('topics: nothing is left of a topic that was deleted', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  await broker.topic('a');
  await broker.deleteTopic('a');
  await broker.close();
  const log = await Log.open(sim.path('__topics-0'), {}, sim.environment.storage);
  const kinds: string[] = [];
  for await (const batch of log.read()) {
    for (const { key, value } of batch) kinds.push(`${key} ${value === null ? 'gone' : 'there'}`);
  }
  assert.deepEqual(kinds, ['a there', 'a there', 'a gone']);
  await log.close();
});
