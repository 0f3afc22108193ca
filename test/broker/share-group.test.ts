/** A share group at work: who gets which message, and what is left of that after a restart. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPending, rejection, settled } from '../support/fixtures.js';
import { ShareWorld, valuesOf } from '../support/share-fixture.js';

test('share group: a message is given out once, and acknowledged it is done with', async () => {
  const world = await ShareWorld.open();
  const one = world.group.join();
  const other = world.group.join();
  await world.send('a1', 'a2', 'a3');
  const first = await one.receive({ max: 2 });
  assert.deepEqual(valuesOf(first), ['a1', 'a2']);
  const second = await other.receive({ max: 10 });
  assert.deepEqual(valuesOf(second), ['a3']);
  assert.deepEqual(await one.receive({ max: 10 }), []);
  await world.group.acknowledge(first);
  await world.group.acknowledge(first);
  await world.group.acknowledge(second);
  const { acknowledged, inFlight } = world.group.counts();
  assert.deepEqual([acknowledged, inFlight, world.group.unfinished()], [3, 0, 0]);
  await world.close();
});

test('share group: what was acknowledged stays so, the rest comes after a restart', async () => {
  const world = await ShareWorld.open();
  await world.send('a1', 'a2', 'a3', 'a4');
  const member = world.group.join();
  const [first, , third] = await member.receive({ max: 3 });
  assert.ok(first !== undefined && third !== undefined);
  await world.group.acknowledge([first, third]);

  const next = await world.kill();
  const again = await next.group.join().receive({ max: 10 });
  assert.deepEqual(valuesOf(again), ['a2', 'a4']);
  assert.deepEqual(
    again.map(({ deliveries }) => deliveries),
    [2, 1],
  );
  await next.group.acknowledge(again);
  assert.equal(next.group.unfinished(), 0);
  await next.close();
});

test('share group: a long poll gets what is sent meanwhile, or nothing in the end', async () => {
  const world = await ShareWorld.open();
  const member = world.group.join();
  const waiting = member.receive({ max: 10, waitMs: 1_000 });
  assert.ok(await isPending(waiting));
  await world.send('a1');
  const [message] = await waiting;
  assert.ok(message !== undefined);
  await world.group.acknowledge([message]);
  const late = member.receive({ max: 10, waitMs: 1_000 });
  await world.pass(999);
  assert.ok(await isPending(late));
  await world.pass(1);
  assert.deepEqual(await late, []);
  await world.close();
});

test('share group: a lease that ends gives the message to another one', async () => {
  const world = await ShareWorld.open({ config: { leaseMs: 100 } });
  await world.send('a1');
  const [mine] = await world.group.join().receive({ max: 1 });
  assert.ok(mine !== undefined);
  const theirs = world.group.join().receive({ max: 1, waitMs: 5_000 });
  await world.pass(99);
  assert.ok(await isPending(theirs));
  await world.pass(1);
  const [again] = await theirs;
  assert.ok(again !== undefined);
  assert.deepEqual([again.offset, again.deliveries], [0, 2]);
  const error = await rejection(world.group.acknowledge([mine]), 'RECEIPT_STALE');
  assert.equal(error.facts['refused'], 1);
  await world.group.acknowledge([again]);
  await world.close();
});

test('share group: released messages come again, after their delays', async () => {
  const world = await ShareWorld.open();
  await world.send('a1', 'a2');
  const member = world.group.join();
  const both = await member.receive({ max: 2 });
  await world.group.release(both.slice(0, 1), { isFailure: true });
  await world.group.release(both.slice(1), { delayMs: 500 });
  const [first] = await member.receive({ max: 2 });
  assert.ok(first !== undefined);
  assert.deepEqual([first.offset, first.deliveries, first.failures], [0, 2, 1]);
  await world.group.acknowledge([first]);
  const delayed = member.receive({ max: 2, waitMs: 1_000 });
  await world.pass(499);
  assert.ok(await isPending(delayed));

  const next = await world.kill();
  const later = next.group.join().receive({ max: 2, waitMs: 1_000 });
  assert.ok(await isPending(later));
  await next.pass(1);
  await settled();
  assert.deepEqual(valuesOf(await later), ['a2']);
  await next.close();
});

test('share group: who takes from some partitions only holds up nobody in the others', async () => {
  const world = await ShareWorld.open({ partitions: 2 });
  const send = async (value: string, partition: number): Promise<void> => {
    await world.topic.send([{ value, partition }]);
    world.group.noticePartition(partition);
    await settled();
  };
  await send('a1', 0);
  await send('b1', 1);
  const [some, any] = [world.group.join(), world.group.join()];
  const partitions = new Set([1]);
  assert.deepEqual(valuesOf(await some.receive({ max: 10, partitions })), ['b1']);
  const waiting = some.receive({ max: 10, partitions, waitMs: 1_000 });
  assert.ok(await isPending(waiting));
  const behind = any.receive({ max: 1 });
  assert.deepEqual(valuesOf(await behind), ['a1']);
  const later = any.receive({ max: 1, waitMs: 1_000 });
  assert.ok(await isPending(later));
  await send('a2', 0);
  assert.deepEqual(valuesOf(await later), ['a2']);
  assert.ok(await isPending(waiting));
  await send('b2', 1);
  assert.deepEqual(valuesOf(await waiting), ['b2']);
  await world.close();
});
