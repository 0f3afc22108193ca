/**
 * Share groups that are opened, closed, and opened anew: beside failures, and beside each other.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker } from '../support/broker-fixture.js';
import { rejection } from '../support/fixtures.js';

/** Lets so many steps of what is under way happen. */
async function steps(count: number): Promise<void> {
  for (let step = 0; step < count; step += 1) await Promise.resolve();
}

/** Two messages of one key. */
async function keyedTopic(broker: Broker) {
  const topic = await broker.topic('orders', { partitions: 1 });
  await topic.send([
    { value: '1', key: 'a' },
    { value: '2', key: 'a' },
  ]);
  return topic;
}

test('share opening: a group that could not be opened can be when the disk is well', async () => {
  for (const name of ['readerOpen', 'list', 'readerSize', 'readerRead'] as const) {
    const sim = new SimBroker();
    const first = await sim.open();
    const made = await first.topic('orders', { partitions: 2 });
    await made.send([
      { value: '1', partition: 0 },
      { value: '2', partition: 1 },
    ]);
    await first.close();
    const next = sim.kill();
    const broker = await next.open();
    const consumer = (await broker.topic('orders')).share({ group: 'mail' });
    next.disk.fail({ name, path: 'orders-1', errno: 'EIO' });
    await rejection(consumer.receive({ max: 10 }), 'IO_FAILED');
    assert.equal((await consumer.receive({ max: 10 })).length, 2, name);
    await broker.close();
  }
});

test('share opening: who comes while the last one leaves has options of its own', async () => {
  for (let count = 0; count < 12; count += 1) {
    const broker = await new SimBroker().open();
    const topic = await keyedTopic(broker);
    const one = topic.share({ group: 'mail', order: 'none' });
    await one.receive();
    const closing = one.close();
    await steps(count);
    const other = topic.share({ group: 'mail', order: 'key' });
    const outcome = await other.receive({ max: 10 }).then(
      ({ length }) => length,
      ({ code }) => code,
    );
    await closing;
    // In key order one of the two is handed out; as long as the other one is there it is told so.
    assert.ok(outcome === 1 || outcome === 'OPTION_CONFLICT', `${outcome} after ${count} steps`);
    assert.equal((await other.receive({ max: 10 })).length, outcome === 1 ? 0 : 1);
    await broker.close();
  }
});

test('share opening: who comes while somebody looks has options of its own', async () => {
  for (let count = 0; count < 30; count += 1) {
    const broker = await new SimBroker().open();
    const topic = await keyedTopic(broker);
    const one = topic.share({ group: 'mail', order: 'key' });
    await one.receive();
    await one.close();
    const looking = broker.shares.describe({ group: 'mail', topic: 'orders' });
    await steps(count);
    const other = topic.share({ group: 'mail', order: 'key' });
    assert.equal((await other.receive({ max: 10 })).length, 1, `after ${count} steps`);
    await looking;
    await broker.close();
  }
});

test('share opening: what a transaction acknowledges is not in a new group', async () => {
  const broker = await new SimBroker().open();
  const topic = await broker.topic('orders', { partitions: 1 });
  await broker.topic('out', { partitions: 1 });
  await topic.send({ value: '1' });
  for (let count = 0; count < 150; count += 1) {
    const group = `mail-${count}`;
    const one = topic.share({ group });
    const [message] = await one.receive();
    assert.ok(message !== undefined);
    const working = broker.transaction(async (transaction) => {
      transaction.acknowledge(message);
      await transaction.send('out', { value: 'x' });
    });
    const ended = working.then(
      () => 'committed',
      () => 'undone',
    );
    await steps(count);
    await one.close();
    const again = await topic.share({ group }).receive();
    assert.equal(again.length, (await ended) === 'committed' ? 0 : 1, `after ${count} steps`);
  }
  await broker.close();
});

test('share opening: messages of another group or topic are refused', async () => {
  const broker = await new SimBroker().open();
  const topic = await keyedTopic(broker);
  const [message] = await topic.share({ group: 'mail' }).receive();
  assert.ok(message !== undefined);
  const other = topic.share({ group: 'audit' });
  await rejection(other.acknowledge(message), 'RECEIPT_INVALID');
  await rejection(other.renew([message], 1_000), 'RECEIPT_INVALID');
  await message.acknowledge();
  await broker.close();
});

test('share opening: a receive that fails in the middle has handed nothing out', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const codec = {
    name: 'picky',
    encode: (value: string) => Buffer.from(value),
    decode: (value: Uint8Array) => {
      if (value.length > 1) return String(value);
      sim.disk.fail({ name: 'write', path: '__shares-0', errno: 'ENOSPC', repeat: 'forever' });
      throw new Error('too short');
    },
  };
  const topic = await broker.topic('orders', { partitions: 1, codec });
  await topic.send([{ value: 'fine' }, { value: 'x' }]);
  const consumer = topic.share({ group: 'mail', deadLetter: '' });
  await rejection(consumer.receive({ max: 10 }), 'DISK_FULL');
  sim.disk.heal();
  const [message] = await consumer.receive();
  assert.deepEqual([message?.value, message?.deliveries], ['fine', 1]);
  await broker.close();
});

test('share opening: who comes while the group is forgotten begins anew', async () => {
  for (let count = 0; count < 40; count += 1) {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await keyedTopic(broker);
    const one = topic.share({ group: 'mail' });
    await one.receive({ max: 2 });
    await one.close();
    const other = topic.share({ group: 'mail' });
    const receiving = other.receive({ max: 2 });
    await steps(count);
    const outcome = await broker.shares.delete({ group: 'mail', topic: 'orders' }).then(
      () => 'deleted',
      ({ code }) => code,
    );
    const messages = await receiving;
    assert.equal(messages.length, 2);
    assert.ok(['deleted', 'GROUP_NOT_EMPTY'].includes(outcome), outcome);
    await other.acknowledge(messages);
    const next = await sim.kill().open();
    const left = await (await next.topic('orders')).share({ group: 'mail' }).receive();
    assert.equal(left.length, 0, `${outcome} after ${count} steps`);
    await next.close();
  }
  for (let count = 0; count < 40; count += 1) {
    const sim = new SimBroker();
    const broker = await sim.open();
    const topic = await keyedTopic(broker);
    const one = topic.share({ group: 'mail' });
    await one.acknowledge(await one.receive({ max: 2 }));
    await one.close();
    const deleting = broker.shares.delete({ group: 'mail', topic: 'orders' }).then(
      () => 'deleted',
      ({ code }) => code,
    );
    await steps(count);
    const other = topic.share({ group: 'mail' });
    const messages = await other.receive({ max: 2 });
    const outcome = await deleting;
    assert.equal(messages.length, outcome === 'deleted' ? 2 : 0, `${outcome} after ${count} steps`);
    await other.acknowledge(messages);
    const next = await sim.kill().open();
    const left = await (await next.topic('orders')).share({ group: 'mail' }).receive();
    assert.equal(left.length, 0, `${outcome} after ${count} steps, at last`);
    await next.close();
  }
});
