// Rolling: when the next segment starts, and what the sealed one leaves.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSeal } from '../../src/storage/seal.js';
import { settled } from '../support/fixtures.js';
import { fill, filledLog, names, readValues, SimLog, valuesOf } from '../support/log-fixture.js';

test('roll: a segment that would grow beyond segmentBytes is sealed', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 9);
  assert.deepEqual(sim.segments(), [0, 4, 8]);
  for (const base of [0, 4]) {
    assert.ok(sim.disk.readAll(sim.path(base, 'log')).length <= 4096 + 512);
  }
  assert.equal(log.describe().segments, 3);
});

test('roll: a batch larger than a segment has one of its own', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  await fill(log, [`v1${'.'.repeat(9000)}`, ...valuesOf(1, 1000, 2)]);
  assert.deepEqual(sim.segments(), [0, 1, 2]);
  assert.deepEqual(await readValues(log), names(3));
});

test('roll: a segment older than segmentMs is sealed by the next append', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentMs: 1000 });
  await fill(log, names(1));
  sim.clock.advance(1000);
  await fill(log, names(1));
  assert.deepEqual(sim.segments(), [0]);
  sim.clock.advance(1);
  await fill(log, names(1));
  assert.deepEqual(sim.segments(), [0, 2]);
});

test('roll: the age of a segment survives reopening', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentMs: 1000 });
  await fill(log, names(1));
  await log.close();
  sim.clock.advance(1001);
  await fill(await sim.open(), names(1));
  assert.deepEqual(sim.segments(), [0, 1]);
});

test('roll: a wall clock that goes back rolls nothing', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentMs: 1000 });
  await fill(log, names(1));
  sim.clock.jumpWall(-100_000);
  await fill(log, names(1));
  assert.deepEqual(sim.segments(), [0]);
});

test('roll: the seal says what the segment holds', async () => {
  const sim = new SimLog();
  await filledLog(sim, 5);
  const seal = decodeSeal(sim.disk.readAll(sim.path(0, 'seal')));
  assert.ok(seal !== 'invalid');
  assert.deepEqual([seal.baseOffset, seal.nextOffset, seal.records, seal.batches], [0, 4, 4, 4]);
  assert.equal(seal.logBytes, sim.disk.readAll(sim.path(0, 'log')).length);
  assert.equal(seal.indexBytes, sim.disk.readAll(sim.path(0, 'offsetIndex')).length);
  assert.equal(seal.timeIndexBytes, sim.disk.readAll(sim.path(0, 'timeIndex')).length);
});

test('roll: the old segment is synced and sealed before the next is written', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 4);
  const before = sim.disk.callCount;
  await fill(log, valuesOf(1, 1000, 4));
  const calls = sim.disk.calls.slice(before);
  const indexOf = (name: string, path: string): number =>
    calls.findIndex((call) => call.name === name && call.path.endsWith(path));
  const order = [
    indexOf('datasync', sim.path(0, 'log')),
    indexOf('rename', sim.path(0, 'seal')),
    indexOf('open', sim.path(4, 'log')),
    calls.findIndex(({ name }) => name === 'syncDirectory'),
    indexOf('write', sim.path(4, 'log')),
  ];
  assert.ok(order.every((index) => index >= 0));
  assert.deepEqual(
    order,
    order.toSorted((one, other) => one - other),
  );
});

test('roll: many appends of one tick roll as often as they must', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 0);
  await Promise.all(valuesOf(300).map((value) => log.append([{ value }])));
  await settled();
  assert.ok(sim.segments().length >= 4, 'more than one batch, each with a segment');
  assert.deepEqual(await readValues(log), names(300));
});
