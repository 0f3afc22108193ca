/** What a share group does beside giving out: space comes back, and what nobody may have ends. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Delivery } from '../../src/broker/share/share-delivered.js';
import { rejection, settled } from '../support/fixtures.js';
import { ShareWorld, valuesOf } from '../support/share-fixture.js';

function logOf(world: ShareWorld) {
  const log = world.topic.hosted.openPartition(0);
  assert.ok(log !== undefined);
  return log;
}

test('share upkeep: what is finished from the start on is deleted, after a second', async () => {
  const world = await ShareWorld.open();
  await world.send('-0', '-1', '-2', '-3');
  const given = await world.group.join().receive({ max: 10 });
  await world.group.acknowledge(given.slice(0, 2));
  await world.group.acknowledge(given.slice(3));
  await world.pass(999);
  assert.equal(logOf(world).startOffset, 0);
  await world.pass(1);
  assert.equal(logOf(world).startOffset, 2);
  await world.group.acknowledge(given.slice(2, 3));
  await world.pass(1_000);
  assert.equal(logOf(world).startOffset, 4);
  await world.close();
});

test('share upkeep: finished messages are kept for as long as they are to be', async () => {
  const config = { retainAcknowledgedMs: 60_000 };
  const world = await ShareWorld.open({ config });
  await world.send('-0', '-1');
  const given = await world.group.join().receive({ max: 10 });
  await world.group.acknowledge(given);
  for (let passed = 0; passed < 50_000; passed += 10_000) await world.pass(10_000);
  assert.equal(logOf(world).startOffset, 0);

  const next = await world.kill({ config });
  for (let passed = 0; passed < 30_000; passed += 10_000) await next.pass(10_000);
  assert.equal(logOf(next).startOffset, 2);
  await next.close();
});

test('share upkeep: who waits for what is kept looks soon when more is finished', async () => {
  const world = await ShareWorld.open({ config: { retainAcknowledgedMs: 60_000 } });
  await world.send('-0', '-1');
  const given = await world.group.join().receive({ max: 10 });
  await world.group.acknowledge(given.slice(0, 1));
  await world.pass(1_000);
  world.group.alter({ retainAcknowledgedMs: 0 });
  await world.group.acknowledge(given.slice(1));
  await world.pass(1_000);
  assert.equal(logOf(world).startOffset, 2);
  await world.close();
});

test('share upkeep: what was given out too often is for who asks for such', async () => {
  const world = await ShareWorld.open({ config: { deliveriesMax: 2 } });
  await world.send('-0', '-1');
  let told = 0;
  world.group.onExhausted(() => {
    told += 1;
  });
  const member = world.group.join();
  for (let round = 0; round < 2; round += 1) {
    const given = await member.receive({ max: 1 });
    assert.deepEqual(valuesOf(given), ['-0']);
    await world.group.release(given);
  }
  await settled();
  assert.equal(told, 1);
  const taken = await world.group.takeExhausted(10);
  assert.deepEqual(valuesOf(taken), ['-0']);
  assert.deepEqual(await world.group.takeExhausted(10), []);
  await rejection(world.group.resetTo('earliest'), 'LEASE_FROZEN');
  world.group.giveBack(taken);
  await world.group.archive(await world.group.takeExhausted(10));
  assert.deepEqual(valuesOf(await member.receive({ max: 10 })), ['-1']);
  await world.close();
});

test('share upkeep: what killed the process is counted, and exhausted later', async () => {
  let world = await ShareWorld.open({ config: { deliveriesMax: 2 } });
  await world.send('-0');
  for (let round = 0; round < 2; round += 1) {
    assert.equal((await world.group.join().receive({ max: 1 })).length, 1);
    world = await world.kill({ config: { deliveriesMax: 2 } });
  }
  let told = 0;
  world.group.onExhausted(() => {
    told += 1;
  });
  assert.deepEqual(await world.group.join().receive({ max: 1 }), []);
  await settled();
  assert.equal(told, 1);
  const [taken] = await world.group.takeExhausted(1);
  assert.deepEqual([taken?.deliveries, taken?.record.offset], [2, 0]);
  await world.close();
});

test('share upkeep: expired messages are put aside and not handed out', async () => {
  const world = await ShareWorld.open();
  const expired: Delivery[] = [];
  world.group.onExpired((deliveries) => expired.push(...deliveries));
  await world.send('-0', '-1', '-2');
  const member = world.group.join();
  const filter = (record: { readonly offset: number }) =>
    record.offset < 2 ? 'expired' : undefined;
  assert.deepEqual(valuesOf(await member.receive({ max: 10, filter })), ['-2']);
  assert.deepEqual(valuesOf(expired), ['-0', '-1']);
  assert.deepEqual([member.heldCount, world.group.counts().moving], [1, 2]);
  await world.group.archive(expired.slice(0, 1));
  world.group.giveBack(expired.slice(1));
  const [again] = await member.receive({ max: 10 });
  assert.deepEqual([expired[1]?.deliveries, again?.offset, again?.deliveries], [0, 1, 1]);
  assert.deepEqual([world.group.counts().delivered, world.group.counts().redelivered], [2, 0]);
  await world.close();
});

test('share upkeep: the oldest that nobody has are taken, also of a blocked key', async () => {
  const world = await ShareWorld.open({ config: { order: 'key' } });
  await world.send('a0', 'a1', 'b2', 'b3');
  const held = await world.group.join().receive({ max: 1 });
  assert.deepEqual(valuesOf(held), ['a0']);
  const oldest = await world.group.takeOldest(2);
  assert.deepEqual(valuesOf(oldest), ['a1', 'b2']);
  await world.group.archive(oldest);
  const wanted = await world.group.takeOldest(5, ({ offset }) => offset !== 3);
  assert.deepEqual(wanted, []);
  await world.group.acknowledge(held);
  assert.deepEqual(valuesOf(await world.group.join().receive({ max: 5 })), ['b3']);
  await world.close();
});

test('share upkeep: what never reached a consumer does not count, and may wait', async () => {
  const world = await ShareWorld.open();
  await world.send('-0', '-1', '-2');
  const member = world.group.join();
  const given = await member.receive({ max: 3 });
  world.group.withdraw(given.slice(0, 2));
  world.group.withdraw(given.slice(2), { delayMs: 100 });
  const again = await member.receive({ max: 3 });
  assert.deepEqual(valuesOf(again), ['-0', '-1']);
  assert.deepEqual(
    again.map(({ deliveries }) => deliveries),
    [1, 1],
  );
  const waiting = member.receive({ max: 3, waitMs: 1_000 });
  await settled();
  await world.pass(100);
  assert.deepEqual(valuesOf(await waiting), ['-2']);
  await world.close();
});

test("share upkeep: what is on its way to the dead letters is not its consumer's", async () => {
  const world = await ShareWorld.open({ config: { deliveriesMax: 1 } });
  await world.send('-0');
  const member = world.group.join();
  world.group.onExhausted(() => undefined);
  const given = await member.receive({ max: 1, leaseMs: 100 });
  await world.pass(100);
  const taken = await world.group.takeExhausted(1);
  assert.deepEqual(valuesOf(taken), ['-0']);
  world.group.withdraw(given);
  assert.equal(world.group.counts().moving, 1);
  assert.deepEqual(await member.receive({ max: 1 }), []);
  const answers = [...given, ...taken].map(({ partition, offset, receipt }) => {
    return partition.freeze(offset, receipt);
  });
  assert.deepEqual(answers, ['stale', 'done'], 'no transaction finishes it for its consumer');
  await world.close();
});

test('share upkeep: a purge ends everything, also what members have', async () => {
  const ended: string[] = [];
  const world = await ShareWorld.open();
  await world.send('-0', '-1', '-2');
  const member = world.group.join({
    onLeaseEnded: (partition, offset) => {
      ended.push(`${partition.partition}-${offset}`);
    },
  });
  const given = await member.receive({ max: 1 });
  const finished: unknown[] = [];
  world.group.onFinished((list) => {
    if (list?.length !== 0) finished.push(list);
  });
  assert.equal(await world.group.purge(), 3);
  assert.deepEqual([ended, finished], [['0-0'], [undefined]]);
  await rejection(world.group.acknowledge(given), 'RECEIPT_STALE');
  await world.send('-3');
  const [fresh] = await member.receive({ max: 10 });
  assert.equal(fresh?.offset, 3);
  assert.ok(fresh !== undefined);
  await world.group.acknowledge([fresh]);
  await world.group.acknowledge([fresh]);
  assert.deepEqual(finished.slice(1), [[{ partition: 0, offset: 3, bytes: fresh.bytes }]]);

  const next = await world.kill();
  assert.equal(next.group.unfinished(), 0);
  assert.equal(await next.group.oldestTimestamp(), undefined);
  await next.send('-4');
  assert.equal(await next.group.oldestTimestamp(), next.sim.clock.nowMs());
  await next.close();
});

test('share upkeep: ends of leases are told before anybody else gets the message', async () => {
  const events: string[] = [];
  const world = await ShareWorld.open({ config: { leaseMs: 100 } });
  await world.send('-0');
  const member = world.group.join({ onLeaseEnded: () => events.push('ended') });
  const [mine] = await member.receive({ max: 1 });
  const theirs = world.group
    .join()
    .receive({ max: 1, waitMs: 1_000 })
    .then(() => events.push('received'));
  await settled();
  assert.ok(mine !== undefined && world.group.isHeld(mine));
  world.group.extend([mine], 150);
  assert.equal(mine.leaseEndsMs, 150);
  await world.pass(149);
  assert.ok(world.group.isHeld(mine));
  await world.pass(1);
  await theirs;
  assert.deepEqual(events, ['ended', 'received']);
  assert.ok(!world.group.isHeld(mine));
  await world.close();
});
