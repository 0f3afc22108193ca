// What delayed messages cost: the disk comes back, memory is bounded, a full disk loses nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DelayedLimits } from '../../src/broker/delayed/delayed-limits.js';
import { DelayedWorld, quiet } from '../support/delayed-fixture.js';
import { rejection } from '../support/fixtures.js';

const SEGMENT_BYTES = 4_096;
const HOUR_MS = 60 * 60_000;

/** So small that a few hundred messages are many. */
const limits: Partial<DelayedLimits> = {
  memoryEntries: 64,
  uncoveredBytes: 4_000,
  renewedBytes: 20_000,
  factBytes: 4_000,
  pageEntries: 20,
  mergedRuns: 4,
  trimmedPages: 2,
  trimmedBytes: 4_000,
  keptPages: 4,
};

function openSmall(given: Partial<DelayedLimits> = {}): Promise<DelayedWorld> {
  return DelayedWorld.open({ ...limits, ...given }, undefined, SEGMENT_BYTES);
}

function valuesOf(name: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${name}${index}`);
}

test('delayed: messages that have entered give their disk back, pages and facts too', async () => {
  const world = await openSmall();
  for (let round = 0; round < 40; round += 1) {
    await world.send(valuesOf(`${round}-`, 50), 10);
    await world.pass(20, 1);
    await world.drained();
  }
  await quiet();
  assert.equal((await world.values()).length, 2_000);
  assert(world.delayed.describe().retained < 500, 'messages');
  for (const partition of [1, 2]) {
    const log = await world.topic.partition(partition);
    assert(log.startOffset > 0, `partition ${partition} has let go`);
    assert(log.writtenOffset - log.startOffset < 200, `partition ${partition} keeps little`);
  }
  await world.close();
});

test('delayed: a message that waits for long does not keep what came after it', async () => {
  const world = await openSmall();
  const [long = -1, other = -1] = await world.send(['long', 'other'], HOUR_MS);
  const log = await world.messages();
  for (let round = 0; round < 40; round += 1) {
    await world.send(valuesOf(`${round}-`, 50), 10);
    await world.pass(20, 1);
    await world.drainedTo(2);
  }
  await quiet();
  assert(log.startOffset > other, 'it lies elsewhere now');
  assert(world.delayed.describe().retained < 500);
  assert.deepEqual(await world.over(world.delayed.cancel([long])), [true], 'its id is the same');
  await world.close();
  const again = await world.reopened(limits);
  assert.equal(again.delayed.count, 1);
  await again.pass(HOUR_MS, 1);
  await again.drained();
  const values = await again.values();
  assert.equal(values.filter((value) => value === 'other').length, 1);
  assert(!values.includes('long'));
  await again.close();
});

test('delayed: a purge gives everything back', async () => {
  const world = await openSmall();
  for (let round = 0; round < 20; round += 1) await world.send(valuesOf('a', 50), HOUR_MS);
  await quiet();
  assert(world.delayed.describe().runs > 0);
  assert.equal(await world.over(world.delayed.purge()), 1_000);
  await quiet();
  assert.deepEqual(world.delayed.describe().runs, 0);
  assert(world.delayed.describe().retained < 200);
  await world.close();
});

test('delayed: far more messages than fit in memory enter in order, over restarts', async () => {
  let world = await openSmall();
  const expected: string[] = [];
  for (let value = 0; value < 600; value += 1) expected.push(`m${value}`);
  const shuffled = [...expected].sort((one, other) => (hash(one) < hash(other) ? -1 : 1));
  const nowMs = world.nowMs;
  for (let from = 0; from < shuffled.length; from += 20) {
    const list = shuffled.slice(from, from + 20).map((value) => {
      return { value, partition: 0, dueMs: nowMs + HOUR_MS + Number(value.slice(1)) * 60_000 };
    });
    await world.over(world.delayed.schedule(list));
    if (from % 200 === 180) {
      await world.close();
      world = await world.reopened(limits);
    }
  }
  assert.equal(world.delayed.count, 600);
  assert(world.delayed.describe().runs > 1);
  await world.pass(HOUR_MS + 300 * 60_000, 1);
  await world.drainedTo(299);
  assert.deepEqual(await world.values(), expected.slice(0, 301));
  await world.close();
  world = await world.reopened(limits);
  assert.equal(world.delayed.count, 299);
  await world.pass(300 * 60_000, 1);
  await world.drained();
  assert.deepEqual(await world.values(), expected);
  await world.close();
});

test('delayed: who sends faster than the index is written waits, up to a bound', async () => {
  const world = await openSmall({ waitingMax: 3 });
  const dueMs = world.nowMs + HOUR_MS;
  const list = valuesOf('a', 32).map((value) => ({ value, partition: 0, dueMs }));
  const sends = Array.from({ length: 12 }, () => world.delayed.schedule(list));
  const results = await world.over(Promise.allSettled(sends));
  const stored = results.filter(({ status }) => status === 'fulfilled').length;
  assert(stored >= 5 && stored < 12, `${stored} were stored`);
  assert.equal(world.delayed.count, stored * 32);
  const refused = sends[results.findIndex(({ status }) => status === 'rejected')];
  assert(refused !== undefined);
  await rejection(refused, 'BUFFER_FULL');
  await world.send(['later'], HOUR_MS);
  await world.close();
});

test('delayed: many messages of one call are stored in parts', async () => {
  const world = await openSmall();
  const dueMs = world.nowMs + 10;
  const list = valuesOf('a', 500).map((value) => ({ value, partition: 0, dueMs }));
  const ids = await world.over(world.delayed.schedule(list));
  assert.deepEqual(
    ids,
    [...ids].sort((one, other) => one - other),
  );
  assert.equal(new Set(ids).size, 500);
  await world.pass(20, 1);
  await world.drained();
  assert.deepEqual(await world.values(), valuesOf('a', 500));
  await world.close();
});

function hash(text: string): number {
  let sum = 7;
  for (const letter of text) sum = (Math.imul(sum, 31) + letter.charCodeAt(0)) >>> 0;
  return Math.imul(sum, 0x9e37_79b1) >>> 0;
}
