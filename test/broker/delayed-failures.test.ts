// Delayed messages when the disk fails: they wait on, or it is said that nothing is known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DelayedWorld, quiet } from '../support/delayed-fixture.js';
import { rejection } from '../support/fixtures.js';

test('delayed: on a full disk messages wait on, and enter once when there is space', async () => {
  const world = await DelayedWorld.open();
  await world.send(['first'], 0);
  await world.pass(10);
  await world.send(['a', 'b'], 100);
  world.sim.disk.fail({ name: 'write', path: 'jobs-0', errno: 'ENOSPC' });
  await world.pass(100, 1);
  assert.equal(world.delayed.count, 2);
  await world.drained();
  assert.deepEqual(await world.values(), ['first', 'a', 'b']);
  await world.close();
});

test('delayed: a cancellation that finds no space is none, and can be repeated', async () => {
  const world = await DelayedWorld.open();
  const [a = -1] = await world.send(['a', 'b'], 1_000);
  await quiet();
  world.sim.disk.fail({ name: 'write', path: 'delayed-2', errno: 'ENOSPC' });
  await rejection(world.over(world.delayed.cancel([a])), 'DISK_FULL');
  assert.equal(world.delayed.count, 2);
  await world.pass(200);
  assert.deepEqual(await world.over(world.delayed.cancel([a])), [true]);
  await world.pass(1_000);
  assert.deepEqual(await world.values(), ['b']);
  await world.close();
});

test('delayed: when it is unknown what is stored, nothing enters until the next open', async () => {
  const world = await DelayedWorld.open();
  const [a = -1] = await world.send(['a', 'b'], 1_000);
  await quiet();
  world.sim.disk.fail({ name: 'datasync', path: /delayed-2\/\d+\.log/, errno: 'EIO' });
  await rejection(world.over(world.delayed.cancel([a])), 'OUTCOME_UNKNOWN');
  await world.pass(2_000);
  assert.deepEqual(await world.values(), []);
  await rejection(world.over(world.delayed.cancel([a])), 'OUTCOME_UNKNOWN');
  await world.close().catch(() => undefined);
  const again = await world.reopened();
  await again.drained();
  const values = await again.values();
  assert.deepEqual(values.slice(-1), ['b']);
  assert(values.length <= 2);
  await again.close();
});
