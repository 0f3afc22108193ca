import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StallWatch } from '../../src/storage/stall-watch.js';

test('stall: silence for the whole time is a stall, a beat begins anew', () => {
  const watch = new StallWatch(800, 0, 0);
  assert.equal(watch.intervalMs, 100);
  for (let nowMs = 100; nowMs < 800; nowMs += 100) assert.equal(watch.isStalled(0, nowMs), false);
  assert.equal(watch.isStalled(1, 800), false);
  for (let nowMs = 900; nowMs < 1_600; nowMs += 100) assert.equal(watch.isStalled(1, nowMs), false);
  assert.equal(watch.isStalled(1, 1_600), true);
});

test('stall: readings that come late count as two at most', () => {
  const watch = new StallWatch(800, 0, 0);
  const readings = [10_000, 20_000, 30_000].map((nowMs) => watch.isStalled(0, nowMs));
  assert.deepEqual(readings, [false, false, false]);
  assert.equal(watch.isStalled(0, 40_000), true);
});

test('stall: a counter that wrapped around beats like any other', () => {
  const watch = new StallWatch(100, 2 ** 31 - 1, 0);
  assert.equal(watch.isStalled(-(2 ** 31), 90), false);
});
