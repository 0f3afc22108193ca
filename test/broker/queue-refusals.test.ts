/**
 * What queues refuse, and what is the same when it is said twice.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimBroker } from '../support/broker-fixture.js';
import { rejection } from '../support/fixtures.js';

test('queue: a message that a list rejects twice becomes one dead letter', async () => {
  const broker = await new SimBroker().open();
  const jobs = await broker.queue('jobs');
  const dead = await broker.queue('jobs-dead', { deadLetter: 'none' });
  await jobs.sendBatch([{ value: '1' }, { value: '2' }]);
  const [one, two] = await jobs.receive({ max: 2 });
  assert.ok(one !== undefined && two !== undefined);
  await jobs.reject([one, one, one.receipt]);
  await broker.transaction(async (transaction) => {
    await transaction.reject(two);
    await transaction.reject(two);
  });
  const letters = await dead.receive({ max: 10 });
  assert.deepEqual(
    letters.map(({ value }) => String(value)),
    ['1', '2'],
  );
  await broker.close();
});

test('queue: messages and receipts of another queue are refused', async () => {
  const broker = await new SimBroker().open();
  const jobs = await broker.queue('jobs');
  const other = await broker.queue('other');
  await other.send('1');
  const [message] = await other.receive();
  assert.ok(message !== undefined);
  for (const given of [message, message.receipt]) {
    await rejection(jobs.acknowledge([given]), 'RECEIPT_INVALID');
    await rejection(jobs.release([given]), 'RECEIPT_INVALID');
    await rejection(jobs.reject([given]), 'RECEIPT_INVALID');
    await rejection(jobs.extend([given], 1_000), 'RECEIPT_INVALID');
  }
  await message.acknowledge();
  await broker.close();
});

test('queue: priorities that cannot be stored are there once there is room', async () => {
  const process = new SimBroker();
  const broker = await process.open();
  const jobs = await broker.queue('jobs');
  process.disk.fail({ name: 'write', path: '__topics-0', errno: 'ENOSPC', repeat: 'forever' });
  await rejection(jobs.alter({ priorities: 4 }), 'DISK_FULL');
  assert.equal(jobs.options.priorities, 1);
  await rejection(jobs.send('1', { priority: 3 }), 'OPTION_INVALID');
  process.disk.heal();
  await jobs.alter({ priorities: 4 });
  assert.equal((await jobs.send('1', { priority: 3 })).id, '3-0');
  await broker.close();
});

test('queue: the name of one that could not be deleted to the end is in use', async () => {
  const process = new SimBroker();
  const broker = await process.open();
  const jobs = await broker.queue('jobs');
  await jobs.send('1');
  process.disk.fail({ name: 'write', path: '__topics-0', errno: 'ENOSPC', repeat: 'forever' });
  await rejection(jobs.delete(), 'DISK_FULL');
  await rejection(broker.queue('jobs'), 'QUEUE_EXISTS');
  process.disk.heal();
  await broker.deleteQueue('jobs');
  assert.deepEqual(await (await broker.queue('jobs')).receive(), []);
  await broker.close();
});
