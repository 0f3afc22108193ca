// Messages with a delay: when they enter, what they carry, what cancels them, what jumps do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { delayedIdOf } from '../../src/broker/delayed/delayed-header.js';
import { DelayedWorld, quiet } from '../support/delayed-fixture.js';
import { rejection } from '../support/fixtures.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

test('delayed: a message enters when its delay is over, and not before', async () => {
  const world = await DelayedWorld.open();
  await world.send(['a'], 1_000);
  await world.pass(999);
  assert.deepEqual(await world.values(), []);
  assert.equal(world.delayed.count, 1);
  await world.pass(1);
  assert.deepEqual(await world.values(), ['a']);
  assert.equal(world.delayed.count, 0);
  await world.pass(HOUR_MS);
  assert.deepEqual(await world.values(), ['a']);
  await world.close();
});

test('delayed: messages enter in the order of their due times', async () => {
  const world = await DelayedWorld.open();
  await world.send(['c'], 3_000);
  await world.send(['a'], 1_000);
  await world.send(['b'], 2_000);
  await world.send(['now'], 0);
  await quiet();
  assert.deepEqual(await world.values(), ['now']);
  await world.pass(5_000, 1);
  assert.deepEqual(await world.values(), ['now', 'a', 'b', 'c']);
  await world.close();
});

test('delayed: a message enters its partition as it was sent, and tells its id', async () => {
  const world = await DelayedWorld.open();
  const dueMs = world.nowMs + 500;
  const headers = [{ key: 'kind', value: 'x' }];
  const [id] = await world.delayed.schedule([
    { key: 'k', value: 'v', headers, partition: 1, dueMs },
  ]);
  await world.pass(500);
  const [entered, ...others] = await world.entered();
  assert.deepEqual(others, []);
  assert.equal(entered?.partition, 1);
  assert.equal(entered.headers['kind'], 'x');
  assert.equal(delayedIdOf(entered.headers['millrace-delayed'] ?? ''), id);
  assert.equal(entered.timestamp, dueMs);
  await world.close();
});

test('delayed: what waits survives a restart, and what entered does not come again', async () => {
  const world = await DelayedWorld.open();
  await world.send(['a'], 1_000);
  await world.send(['b'], 2_000);
  await world.pass(1_500);
  await world.close();
  const again = await world.reopened();
  assert.equal(again.delayed.count, 1);
  assert.deepEqual(await again.values(), ['a']);
  await again.pass(500);
  assert.deepEqual(await again.values(), ['a', 'b']);
  await again.close();
});

test('delayed: what was due while nothing ran enters at the open', async () => {
  const world = await DelayedWorld.open();
  await world.send(['a', 'b'], 1_000);
  await world.close();
  world.sim.clock.advance(HOUR_MS);
  const again = await world.reopened();
  await quiet();
  assert.deepEqual(await again.values(), ['a', 'b']);
  await again.close();
});

test('delayed: a message that is cancelled never enters', async () => {
  const world = await DelayedWorld.open();
  const [a = -1, b = -1] = await world.send(['a', 'b'], 1_000);
  assert.deepEqual(await world.over(world.delayed.cancel([a, a, 77])), [true, false, false]);
  assert.deepEqual(await world.over(world.delayed.cancel([a])), [false]);
  assert.equal(world.delayed.count, 1);
  await world.pass(2_000);
  assert.deepEqual(await world.values(), ['b']);
  assert.deepEqual(await world.over(world.delayed.cancel([b])), [false]);
  await world.close();
});

test('delayed: a cancellation holds over a restart, and may come after one', async () => {
  const world = await DelayedWorld.open();
  const [a = -1, b = -1] = await world.send(['a', 'b', 'c'], 1_000);
  await world.over(world.delayed.cancel([a]));
  await world.close();
  const again = await world.reopened();
  assert.equal(again.delayed.count, 2);
  assert.deepEqual(await again.over(again.delayed.cancel([a, b])), [false, true]);
  await again.pass(2_000);
  assert.deepEqual(await again.values(), ['c']);
  await again.close();
});

test('delayed: what was only written is made durable before it enters', async () => {
  const world = await DelayedWorld.open();
  const dueMs = world.nowMs;
  await world.delayed.schedule([{ value: 'a', partition: 0, dueMs }], { acks: 'written' });
  await quiet();
  assert.deepEqual(await world.values(), ['a']);
  const log = await world.messages();
  assert.equal(log.durableOffset, 1);
  await world.close();
});

test('delayed: a purge cancels all that waits', async () => {
  const world = await DelayedWorld.open();
  await world.send(['a', 'b', 'c'], 1_000);
  assert.equal(await world.over(world.delayed.purge()), 3);
  assert.equal(world.delayed.count, 0);
  await world.send(['d'], 1_000);
  await world.pass(2_000);
  assert.deepEqual(await world.values(), ['d']);
  await world.close();
});

test('delayed: a message of a transaction waits from its commit on', async () => {
  const world = await DelayedWorld.open();
  let commit: () => void = () => undefined;
  const committing = new Promise<void>((resolve) => {
    commit = resolve;
  });
  const dueMs = world.nowMs + 1_000;
  const running = world.broker.transaction(async (transaction) => {
    const message = { value: 'tx', partition: 0, dueMs };
    const [id = -1] = await world.delayed.scheduleIn(transaction, [message]);
    assert.deepEqual(await world.delayed.cancel([id]), [false]);
    await committing;
    return id;
  });
  await quiet();
  // It does not hold up those that come behind it.
  await world.send(['other'], 1_000);
  assert.equal(world.delayed.count, 1);
  await world.pass(2_000);
  assert.deepEqual(await world.values(), ['other']);
  commit();
  const id = await world.over(running);
  await quiet();
  assert.deepEqual(await world.values(), ['other', 'tx']);
  assert.deepEqual(await world.over(world.delayed.cancel([id])), [false]);
  await world.close();
});

test('delayed: a message of a transaction that is undone never waits', async () => {
  const world = await DelayedWorld.open();
  const dueMs = world.nowMs + 1_000;
  const undone = world.broker.transaction(async (transaction) => {
    await world.delayed.scheduleIn(transaction, [{ value: 'never', partition: 0, dueMs }]);
    throw new Error('planned');
  });
  await assert.rejects(world.over(undone), /planned/);
  await world.send(['other'], 1_000);
  assert.equal(world.delayed.count, 1);
  await world.pass(2_000);
  assert.deepEqual(await world.values(), ['other']);
  await world.close();
});

test('delayed: a clock that jumps ahead lets nothing enter before the jump has held', async () => {
  const world = await DelayedWorld.open();
  await world.send(['relative'], 5 * MINUTE_MS);
  world.sim.clock.jumpWall(HOUR_MS);
  const at = world.nowMs + MINUTE_MS;
  await world.delayed.schedule([{ value: 'absolute', partition: 0, dueMs: at }]);
  await world.pass(5 * MINUTE_MS - 1);
  assert.deepEqual(await world.values(), []);
  await world.pass(1);
  assert.deepEqual(await world.values(), ['relative'], 'its delay took as long as it was to take');
  await world.pass(6 * MINUTE_MS);
  assert.deepEqual(await world.values(), ['relative', 'absolute'], 'the jump is believed');
  await world.close();
});

test('delayed: a jump that is taken back lets nothing enter early', async () => {
  const world = await DelayedWorld.open();
  await world.send(['a'], HOUR_MS);
  world.sim.clock.jumpWall(24 * HOUR_MS);
  await world.pass(9 * MINUTE_MS);
  world.sim.clock.jumpWall(-24 * HOUR_MS);
  await world.pass(51 * MINUTE_MS - 1);
  assert.deepEqual(await world.values(), []);
  await world.pass(1);
  assert.deepEqual(await world.values(), ['a']);
  await world.close();
});

test('delayed: a delay that begins after a jump takes as long as it was to take', async () => {
  const world = await DelayedWorld.open();
  world.sim.clock.jumpWall(HOUR_MS);
  await world.send(['a'], 1_000);
  await world.pass(1_000);
  assert.deepEqual(await world.values(), ['a']);
  await world.close();
});

test('delayed: there is one timer, and none when nothing waits', async () => {
  const world = await DelayedWorld.open();
  await world.pass(1_000);
  const idle = world.sim.clock.pendingCount;
  for (let index = 0; index < 50; index += 1) await world.send([`${index}`], 1_000 + index);
  // The timers of the logs are over by then.
  await world.pass(900);
  assert.equal(world.sim.clock.pendingCount - idle, 1);
  await world.pass(2_000);
  assert.equal((await world.values()).length, 50);
  assert.equal(world.delayed.nextDueMs, undefined);
  await world.close();
});

test('delayed: what cannot enter is refused at once', async () => {
  const world = await DelayedWorld.open();
  const { delayed } = world;
  const dueMs = world.nowMs;
  const { recordBytesMax } = world.target.definition.config;
  const value = Buffer.alloc(recordBytesMax - 20);
  await rejection(delayed.schedule([{ value, partition: 0, dueMs }]), 'RECORD_TOO_LARGE');
  await rejection(delayed.schedule([{ value: '', partition: 2, dueMs }]), 'UNKNOWN_PARTITION');
  await rejection(delayed.schedule([{ value: '', partition: 0, dueMs: -1 }]), 'OPTION_INVALID');
  await rejection(
    delayed.schedule([{ value: '', partition: 0, dueMs: 2 ** 48 }]),
    'OPTION_INVALID',
  );
  await world.close();
  await rejection(delayed.schedule([{ value: '', partition: 0, dueMs }]), 'BROKER_CLOSED');
  await rejection(delayed.cancel([0]), 'BROKER_CLOSED');
});
