/** Who gets how much of a share group: limits, priorities, keys, and one active member. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPending, settled } from '../support/fixtures.js';
import { ShareWorld, valuesOf } from '../support/share-fixture.js';

test('share limits: a member has so many at once, and more when it has ended some', async () => {
  const world = await ShareWorld.open();
  await world.send('a1', 'a2', 'a3', 'a4');
  const member = world.group.join({ inFlightCountMax: 2 });
  const first = await member.receive({ max: 10 });
  assert.equal(first.length, 2);
  assert.deepEqual(await member.receive({ max: 10 }), []);
  const waiting = member.receive({ max: 10, waitMs: 1_000 });
  assert.ok(await isPending(waiting));
  await world.group.acknowledge(first.slice(0, 1));
  assert.deepEqual(valuesOf(await waiting), ['a3']);
  assert.deepEqual([member.heldCount, member.heldBytes], [2, 10]);
  await world.close();
});

test('share limits: bytes bound what is given at once, but for one message', async () => {
  const world = await ShareWorld.open();
  await world.send('a1', 'a2', 'a3', `a${'x'.repeat(100)}`, 'a5');
  const member = world.group.join();
  assert.deepEqual(valuesOf(await member.receive({ max: 10, maxBytes: 10 })), ['a1', 'a2']);
  assert.deepEqual(valuesOf(await member.receive({ max: 10, maxBytes: 4 })), ['a3']);
  const large = await member.receive({ max: 10, maxBytes: 4 });
  assert.equal(large.length, 1);
  assert.equal(large[0]?.bytes, 105);
  const small = world.group.join({ inFlightBytesMax: 3 });
  assert.deepEqual(valuesOf(await small.receive({ max: 10 })), ['a5']);
  assert.equal(world.group.counts().redelivered, 0);
  await world.close();
});

test('share limits: the group bounds what all its members have', async () => {
  const world = await ShareWorld.open({ config: { inFlightCountMax: 2 } });
  await world.send('a1', 'a2', 'a3');
  const [one, other] = [world.group.join(), world.group.join()];
  const first = await one.receive({ max: 10 });
  assert.equal(first.length, 2);
  assert.deepEqual(await other.receive({ max: 10 }), []);
  const waiting = other.receive({ max: 10, waitMs: 1_000 });
  world.group.alter({ inFlightCountMax: 3 });
  assert.deepEqual(valuesOf(await waiting), ['a3']);
  await world.close();
});

test('share limits: members of a higher priority are served first while they wait', async () => {
  const world = await ShareWorld.open();
  const low = world.group.join({ priority: 1 });
  const high = world.group.join({ priority: 2, inFlightCountMax: 2 });
  const lowWait = low.receive({ max: 10, waitMs: 9_000 });
  const highWait = high.receive({ max: 1, waitMs: 9_000 });
  await settled();
  await world.send('a1');
  assert.deepEqual(valuesOf(await highWait), ['a1']);
  assert.ok(await isPending(lowWait));
  const again = high.receive({ max: 10, waitMs: 9_000 });
  await world.send('a2', 'a3');
  assert.deepEqual(valuesOf(await again), ['a2']);
  assert.deepEqual(valuesOf(await lowWait), ['a3']);
  await world.close();
});

test('share limits: with one active member the next one waits until it has gone', async () => {
  const world = await ShareWorld.open({ config: { isSingleActive: true } });
  await world.send('a1', 'a2', 'a3');
  const first = world.group.join();
  const second = world.group.join();
  const [a1] = await first.receive({ max: 1 });
  assert.ok(a1 !== undefined);
  const waiting = second.receive({ max: 10, waitMs: 9_000 });
  assert.ok(await isPending(waiting));
  assert.deepEqual(valuesOf(await first.receive({ max: 1 })), ['a2']);
  await first.close();
  assert.deepEqual(valuesOf(await waiting), ['a1', 'a2', 'a3']);
  await world.close();
});

test('share limits: an active member that has messages is not overtaken', async () => {
  const world = await ShareWorld.open({ config: { isSingleActive: true } });
  await world.send('a1', 'a2');
  const first = world.group.join();
  const held = await first.receive({ max: 1 });
  const higher = world.group.join({ priority: 5 });
  const waiting = higher.receive({ max: 10, waitMs: 9_000 });
  assert.deepEqual(await first.receive({ max: 1 }), []);
  assert.ok(await isPending(waiting));
  await world.group.acknowledge(held);
  assert.deepEqual(valuesOf(await waiting), ['a2']);
  await world.close();
});

test('share limits: of a key one message is under way, and others pass', async () => {
  const world = await ShareWorld.open({ config: { order: 'key' } });
  await world.send('a1', 'a2', 'b1', '-1', 'b2');
  const member = world.group.join();
  const first = await member.receive({ max: 10 });
  assert.deepEqual(valuesOf(first), ['a1', 'b1', '-1']);
  assert.deepEqual(await member.receive({ max: 10 }), []);
  await world.group.release(first.slice(0, 1), { delayMs: 100 });
  await world.group.acknowledge(first.slice(1, 2));
  assert.deepEqual(valuesOf(await member.receive({ max: 10 })), ['b2']);
  const later = member.receive({ max: 10, waitMs: 1_000 });
  await world.pass(100);
  const again = await later;
  assert.deepEqual(valuesOf(again), ['a1']);
  await world.group.acknowledge(again);
  assert.deepEqual(valuesOf(await member.receive({ max: 10 })), ['a2']);
  await world.close();
});

test('share limits: a free key behind a long blocked one is found', async () => {
  const world = await ShareWorld.open({ config: { order: 'key' } });
  const many = Array.from({ length: 5_000 }, (_, at) => `a${at}${'x'.repeat(500)}`);
  await world.send(...many, 'b1');
  const member = world.group.join();
  const [blocked] = await member.receive({ max: 1 });
  assert.equal(blocked?.offset, 0);
  assert.deepEqual(valuesOf(await member.receive({ max: 10 })), ['b1']);
  await world.group.acknowledge([blocked]);
  // Its record was let go meanwhile, and is read again.
  const [next] = await member.receive({ max: 10 });
  assert.equal(next?.offset, 1);
  assert.equal(valuesOf([next]).at(0), many[1]);
  await world.close();
});

test('share limits: all partitions have their turn, or a picker says which', async () => {
  const world = await ShareWorld.open({ partitions: 2 });
  await world.topic.send([
    { value: 'x0', partition: 0 },
    { value: 'y0', partition: 0 },
    { value: 'x1', partition: 1 },
    { value: 'y1', partition: 1 },
  ]);
  world.group.noticePartition(0);
  world.group.noticePartition(1);
  const member = world.group.join();
  const values: string[] = [];
  for (let round = 0; round < 4; round += 1) {
    values.push(...valuesOf(await member.receive({ max: 1 })));
  }
  assert.deepEqual(values, ['x0', 'x1', 'y0', 'y1']);
  await world.close();

  const strict = await ShareWorld.open({
    partitions: 2,
    parts: {
      picker: {
        order: (ready, into) => {
          let count = 0;
          for (let at = ready.length - 1; at >= 0; at -= 1) if (ready[at]) into[count++] = at;
          return count;
        },
        taken: () => undefined,
      },
    },
  });
  await strict.topic.send({ value: 'x0', partition: 0 });
  await strict.topic.send({ value: 'x1', partition: 1 });
  strict.group.noticePartition(0);
  strict.group.noticePartition(1);
  const urgent = strict.group.join();
  assert.deepEqual(valuesOf(await urgent.receive({ max: 1 })), ['x1']);
  assert.deepEqual(valuesOf(await urgent.receive({ max: 1 })), ['x0']);
  await strict.close();
});
