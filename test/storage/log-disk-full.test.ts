// A full disk: what does not fit is refused and not stored, what was acknowledged stays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejection, settled } from '../support/fixtures.js';
import { fill, filledLog, names, readValues, SimLog, valuesOf } from '../support/log-fixture.js';

/** Bytes of all files now: a disk of this size takes nothing more. */
function usedBytes(sim: SimLog): number {
  return sim.disk.list().reduce((sum, path) => sum + sim.disk.readAll(path).length, 0);
}

test('disk full: the append is refused, and nothing of it is stored', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 2);
  const before = sim.disk.readAll(sim.path(0, 'log'));
  sim.disk.spaceBytes = usedBytes(sim) + 100;
  const error = await rejection(log.append([{ value: 'x'.repeat(1000) }]), 'DISK_FULL');
  assert.equal(error.retryable, true);
  await settled();
  assert.deepEqual(sim.disk.readAll(sim.path(0, 'log')), before);
  assert.deepEqual(await readValues(log, { durability: 'written' }), names(2));
  assert.equal(log.endOffset, 2);
});

test('disk full: the log goes on when there is space again, without a gap', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 2);
  sim.disk.spaceBytes = usedBytes(sim);
  for (let round = 0; round < 3; round++) {
    await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  }
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  await fill(log, valuesOf(20, 1000, 2));
  assert.deepEqual(await readValues(log), names(22));
  await log.close();
  assert.deepEqual(await readValues(await sim.open()), names(22));
});

test('disk full: the epoch rises, so what was cut away never comes back', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  sim.disk.spaceBytes = usedBytes(sim);
  await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  await fill(log, ['v1']);
  const epochs: number[] = [];
  for await (const batch of log.read()) epochs.push(batch.epoch);
  assert.deepEqual(epochs, [0, 1]);
});

test('disk full: all appends that wait are refused, and a later one is taken', async () => {
  const sim = new SimLog();
  const log = await sim.open({ bufferBytes: 64 * 1024 });
  await fill(log, names(1));
  sim.disk.spaceBytes = usedBytes(sim) + 50_000;
  const value = Buffer.alloc(40_000, 'x');
  const appends = Array.from({ length: 5 }, () => log.append([{ value }]));
  const outcomes = await Promise.allSettled(appends);
  const stored = outcomes.filter(({ status }) => status === 'fulfilled').length;
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'DISK_FULL');
  }
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  await fill(log, ['last']);
  assert.equal(log.endOffset, 1 + stored + 1);
  assert.equal((await readValues(log)).at(-1), 'last');
});

test('disk full: written records before it can still be made durable', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  await log.append([{ value: 'written' }], { acks: 'written' });
  sim.disk.spaceBytes = usedBytes(sim);
  await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  assert.equal(await log.flush(), 2);
  assert.deepEqual(await readValues(log), ['v0', 'written']);
  await log.close();
});

test('disk full: closing keeps what was acknowledged', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 3);
  sim.disk.spaceBytes = usedBytes(sim);
  await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  await log.close();
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  assert.deepEqual(await readValues(await sim.open()), names(3));
});

test('disk full: a power cut after it keeps what was acknowledged', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 3);
  sim.disk.spaceBytes = usedBytes(sim) + 200;
  await rejection(log.append([{ value: 'x'.repeat(900) }]), 'DISK_FULL');
  const later = sim.kill();
  later.disk.spaceBytes = Number.POSITIVE_INFINITY;
  const reopened = await later.open();
  assert.deepEqual(await readValues(reopened), names(3));
});

for (const suffix of ['.index.tmp', '.timeindex.tmp', '.seal.tmp'] as const) {
  test(`disk full: while a roll writes its ${suffix}, the append is refused`, async () => {
    const sim = new SimLog();
    const log = await filledLog(sim, 4);
    sim.disk.fail({ name: 'write', path: suffix, errno: 'ENOSPC' });
    await rejection(log.append([{ value: 'x'.repeat(900) }]), 'DISK_FULL');
    await fill(log, valuesOf(6, 1000, 4));
    assert.deepEqual(await readValues(log), names(10));
    await log.close();
    assert.deepEqual(await readValues(await sim.open()), names(10));
  });
}

test('disk full: while a roll makes its new file, the append is refused', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 4);
  sim.disk.fail({ name: 'open', path: sim.path(4, 'log'), errno: 'ENOSPC' });
  await rejection(log.append([{ value: 'x'.repeat(900) }]), 'DISK_FULL');
  await fill(log, valuesOf(6, 1000, 4));
  assert.deepEqual(await readValues(log), names(10));
});

test('disk full: while the epoch is raised, the append is refused', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 2)).close();
  const log = await sim.open();
  sim.disk.fail({ name: 'write', path: 'leader-epoch-checkpoint', errno: 'ENOSPC' });
  await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  await fill(log, valuesOf(1, 1000, 2));
  assert.deepEqual(await readValues(log), names(3));
});

test('disk full: while the epoch is raised for written records too, the log goes on', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 2);
  await log.append([{ value: 'written' }], { acks: 'written' });
  sim.disk.spaceBytes = usedBytes(sim);
  sim.disk.fail({
    name: 'write',
    path: 'leader-epoch-checkpoint',
    errno: 'ENOSPC',
    repeat: 'forever',
  });
  await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  sim.clock.advance(1000);
  await settled();
  assert.equal(log.durableOffset, 3);
});

test('disk full: making a log fails with it, and works later', async () => {
  const sim = new SimLog();
  sim.disk.spaceBytes = 100;
  await rejection(sim.open(), 'DISK_FULL');
  assert.deepEqual(sim.disk.openHandles(), []);
  sim.disk.spaceBytes = Number.POSITIVE_INFINITY;
  const log = await sim.open();
  await fill(log, names(1));
  assert.deepEqual(await readValues(log), names(1));
});

test('disk full: readers go on', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 10);
  sim.disk.spaceBytes = usedBytes(sim);
  await rejection(log.append([{ value: 'lost' }]), 'DISK_FULL');
  assert.deepEqual(await readValues(log), names(10));
});
