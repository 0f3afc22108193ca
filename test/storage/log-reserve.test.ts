// The reserve of a log: cleaning works with no byte free, and appends go on by themselves.

import assert from 'node:assert/strict';
import { channel } from 'node:diagnostics_channel';
import { type TestContext, test } from 'node:test';
import type { MillraceError } from '../../src/base/errors.js';
import { reserveBytes } from '../../src/storage/disk-reserve.js';
import type { Log } from '../../src/storage/log.js';
import { type LogOptions, resolveLogOptions } from '../../src/storage/log-config.js';
import { isPending, rejection, settled, thrown } from '../support/fixtures.js';
import { DIRECTORY, readRecords, SimLog } from '../support/log-fixture.js';

const DISK_BYTES = 1024 * 1024 * 1024;
const compacting = { cleanup: 'compact', segmentBytes: 8192, minCleanableDirtyRatio: 1 } as const;
const retaining = { segmentBytes: 8192, retentionMs: 60_000, retentionCheckMs: 10_000 } as const;
const RESERVE = `${DIRECTORY}/reserve`;

function newSim(): SimLog {
  const sim = new SimLog();
  sim.disk.spaceBytes = DISK_BYTES;
  return sim;
}

/** Leaves only so many bytes free, until `empty`. */
async function fillDisk(sim: SimLog, leaving = 0): Promise<void> {
  sim.disk.spaceBytes -= (await sim.disk.fileSystem.freeBytes(DIRECTORY)) - leaving;
}

function emptyDisk(sim: SimLog): void {
  sim.disk.spaceBytes = DISK_BYTES;
}

/** Another program takes so many bytes as soon as the reserve was given up. */
function eatReserve(sim: SimLog, bytes: number): void {
  sim.disk.onCall = (_number, name, path) => {
    if (name !== 'unlink' || path !== RESERVE) return;
    sim.disk.onCall = undefined;
    sim.disk.spaceBytes -= bytes;
  };
}

async function pass(sim: SimLog, ms: number): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) await settled();
  sim.clock.advance(ms);
  for (let turn = 0; turn < 8; turn += 1) await settled();
}

/** Opens a log whose reserve is whole. */
async function openWhole(sim: SimLog, options: LogOptions): Promise<Log> {
  const log = await sim.open(options);
  await pass(sim, 1000);
  assert.equal(sim.disk.readAll(RESERVE).length, bytesOf(options));
  return log;
}

function bytesOf(options: LogOptions): number {
  return reserveBytes(resolveLogOptions(options, 'test'));
}

/** Appends values of a kilobyte to three keys until `DISK_FULL`, or so many. */
async function append(log: Log, count: number, from = 0): Promise<MillraceError | undefined> {
  for (let index = from; index < from + count; index += 1) {
    try {
      await log.append([{ key: `k${index % 3}`, value: `v${index}`.padEnd(1000, '.') }]);
    } catch (error) {
      return error as MillraceError;
    }
  }
  return undefined;
}

async function lastValues(log: Log): Promise<Record<string, string>> {
  const last: Record<string, string> = {};
  for (const { key, value } of await readRecords(log)) {
    last[key ?? ''] = (value ?? '').replace(/\.+$/, '');
  }
  return last;
}

test('reserve: it is made in the background, of random bytes, only where needed', async () => {
  const sim = newSim();
  const log = await sim.open(compacting);
  await settled();
  assert.ok(!sim.disk.list(DIRECTORY).includes(RESERVE));
  await pass(sim, 1000);
  const bytes = sim.disk.readAll(RESERVE);
  assert.equal(bytes.length, bytesOf(compacting));
  assert.ok(new Set(bytes).size > 200);
  await log.close();
  assert.ok(sim.disk.list(DIRECTORY).includes(RESERVE));
  // The next process finds it, and does not write it again.
  const calls = sim.disk.calls.length;
  await openWhole(sim, compacting);
  assert.ok(!sim.disk.calls.slice(calls).some(({ path }) => path.includes('reserve')));
  const plain = newSim();
  await plain.open();
  await pass(plain, 60_000);
  assert.ok(!plain.disk.list(DIRECTORY).includes(RESERVE));
});

test('reserve: a log that needs none any more gives it back', async () => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await log.alter({ cleanup: 'delete', minCleanableDirtyRatio: 0.5 });
  await pass(sim, 1000);
  assert.ok(!sim.disk.list(DIRECTORY).includes(RESERVE));
  await log.alter({ retentionMs: 1000 });
  await pass(sim, 1000);
  assert.equal(sim.disk.readAll(RESERVE).length, bytesOf({ segmentBytes: 8192, retentionMs: 1 }));
  await log.alter({ cleanup: 'compact', retentionMs: 'unlimited' });
  await pass(sim, 1000);
  assert.equal(sim.disk.readAll(RESERVE).length, bytesOf(compacting));
  await log.close();
  const reopened = await sim.open({ reserveBytes: 0 });
  await pass(sim, 0);
  assert.ok(!sim.disk.list(DIRECTORY).includes(RESERVE));
  await reopened.close();
});

test('full disk: compaction works with no byte free, and appends go on after it', async (t) => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await append(log, 30);
  await fillDisk(sim);
  assert.equal((await append(log, 1, 30))?.code, 'DISK_FULL');
  const changes = states(t);
  const report = await log.compact();
  assert.equal(report.outcome, 'cleaned');
  assert.ok(report.bytesOut < report.bytesIn);
  await pass(sim, 0);
  assert.deepEqual(changes, ['lent', 'owed', 'rebuilding', 'whole']);
  assert.equal(await append(log, 3, 30), undefined);
  assert.deepEqual(await lastValues(log), { k0: 'v30', k1: 'v31', k2: 'v32' });
  await log.close();
});

test('full disk: without a reserve compaction fails, and goes on when there is space', async () => {
  const sim = newSim();
  const log = await sim.open({ ...compacting, reserveBytes: 0 });
  await append(log, 30);
  await fillDisk(sim);
  await rejection(log.compact(), 'DISK_FULL');
  assert.deepEqual(await lastValues(log), { k0: 'v27', k1: 'v28', k2: 'v29' });
  emptyDisk(sim);
  assert.equal((await log.compact()).outcome, 'cleaned');
  assert.equal(await append(log, 1, 30), undefined);
});

test('full disk: compaction that is due is woken by the append that finds no space', async () => {
  const sim = newSim();
  const log = await openWhole(sim, { ...compacting, minCleanableDirtyRatio: 0 });
  await append(log, 30);
  await pass(sim, 60_000);
  await append(log, 6, 30);
  await fillDisk(sim);
  assert.equal((await append(log, 20, 36))?.code, 'DISK_FULL');
  await pass(sim, 0);
  assert.equal(await append(log, 2, 36), undefined);
});

test('full disk: retention rolls and deletes with no byte free', async (t) => {
  const sim = newSim();
  const log = await openWhole(sim, retaining);
  await append(log, 5);
  await fillDisk(sim);
  assert.equal((await append(log, 1, 5))?.code, 'DISK_FULL');
  const changes = states(t);
  await pass(sim, 120_000);
  assert.equal(log.startOffset, 5);
  assert.deepEqual(changes.slice(0, 2), ['lent', 'owed']);
  assert.equal(changes.at(-1), 'whole');
  assert.equal(await append(log, 3, 5), undefined);
});

test('full disk: without its reserve a log refuses appends, and later takes them', async () => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await append(log, 30);
  await fillDisk(sim);
  eatReserve(sim, 60_000);
  await log.compact();
  await pass(sim, 1000);
  const error = await rejection(log.append([{ key: 'k', value: 'v' }]), 'DISK_FULL');
  assert.equal(error.facts['reserve'], 'owed');
  assert.equal(error.facts['reserveBytes'], bytesOf(compacting));
  thrown(() => log.tryAppend({ key: 'k', value: 'v' }), 'DISK_FULL');
  const writable = log.writable();
  assert.ok(await isPending(writable));
  assert.equal(Object.keys(await lastValues(log)).length, 3);
  emptyDisk(sim);
  await pass(sim, 10_000);
  await writable;
  assert.equal(typeof log.tryAppend({ key: 'k', value: 'v' }), 'number');
  await log.flush();
  await log.close();
});

test('full disk: retention whose roll finds no space is not called again by that', async () => {
  const sim = newSim();
  const log = await sim.open({ ...retaining, reserveBytes: 0 });
  await append(log, 5);
  await fillDisk(sim);
  await pass(sim, 69_000);
  const calls = sim.disk.callCount;
  await pass(sim, 1);
  assert.ok(sim.disk.callCount < calls + 60, `${sim.disk.callCount - calls} calls`);
  assert.equal(log.startOffset, 0);
  emptyDisk(sim);
  await pass(sim, 10_000);
  assert.equal(log.startOffset, 5);
});

test('full disk: a swap whose names find no room, nor its undoing, gets the reserve', async () => {
  for (let skip = 3; skip < 19; skip += 1) {
    const sim = newSim();
    const log = await openWhole(sim, compacting);
    await append(log, 12);
    const fault = {
      name: 'rename',
      path: '0000',
      skip,
      errno: 'ENOSPC',
      repeat: 'forever',
    } as const;
    sim.disk.fail(fault);
    sim.disk.onCall = (_number, name, path) => {
      if (name === 'unlink' && path === RESERVE) sim.disk.heal();
    };
    await log.compact();
    await pass(sim, 10_000);
    assert.equal(await append(log, 1, 12), undefined);
    assert.deepEqual(await lastValues(log), { k0: 'v12', k1: 'v10', k2: 'v11' }, `${skip}`);
  }
});

test('full disk: recovery keeps a torn tail in the space of the reserve', async () => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await append(log, 5);
  const later = sim.kill();
  const { blockingFileSystem: files } = later.disk;
  const file = files.open(later.path(0, 'log'), 'existing');
  files.write(file, Buffer.alloc(900, 7), 0, 900, files.size(file));
  files.close(file);
  await fillDisk(later);
  const reopened = await later.open(compacting);
  assert.equal(reopened.describe().state, 'open');
  await settled();
  const error = await rejection(reopened.append([{ key: 'k', value: 'v' }]), 'DISK_FULL');
  assert.equal(error.facts['reserve'], 'owed');
  assert.equal((await readRecords(reopened)).length, 5);
  // What was cut away makes room for what is kept of it.
  await pass(later, 1000);
  assert.equal(later.disk.readAll(RESERVE).length, bytesOf(compacting));
  emptyDisk(later);
  await pass(later, 10_000);
  assert.equal(await append(reopened, 1, 5), undefined);
});

test('full disk: closing while appends are refused, and the next open', async () => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await append(log, 30);
  await fillDisk(sim);
  eatReserve(sim, 60_000);
  await log.compact();
  await pass(sim, 1000);
  const writable = log.writable();
  await log.close();
  await rejection(writable, 'LOG_CLOSED');
  emptyDisk(sim);
  const reopened = await openWhole(sim, compacting);
  assert.deepEqual(await lastValues(reopened), { k0: 'v27', k1: 'v28', k2: 'v29' });
});

test('full disk: a reserve that finds no space at open is made later', async () => {
  const sim = newSim();
  await (await sim.open({ ...compacting, reserveBytes: 0 })).close();
  await fillDisk(sim, 30_000);
  const log = await sim.open(compacting);
  await pass(sim, 5000);
  assert.ok(!sim.disk.list(DIRECTORY).some((path) => path.startsWith(RESERVE)));
  assert.equal(await append(log, 5), undefined);
  emptyDisk(sim);
  await pass(sim, 10_000);
  assert.equal(sim.disk.readAll(RESERVE).length, bytesOf(compacting));
});

test('full disk: a reserve that cannot be written for another reason stops nothing', async (t) => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await append(log, 30);
  await fillDisk(sim);
  sim.disk.fail({ name: 'open', path: 'reserve.tmp', errno: 'EIO' });
  const changes = states(t);
  await log.compact();
  await pass(sim, 0);
  assert.deepEqual(changes, ['lent', 'owed', 'rebuilding', 'absent']);
  assert.equal(await append(log, 1, 30), undefined);
  await pass(sim, 10_000);
  assert.equal(sim.disk.readAll(RESERVE).length, bytesOf(compacting));
});

test('full disk: appends accepted before the reserve was lent keep their answer', async () => {
  const sim = newSim();
  const log = await openWhole(sim, compacting);
  await append(log, 30);
  await fillDisk(sim, 2000);
  const ends: number[][] = [];
  sim.disk.onCall = (_number, name, path) => {
    const { writtenOffset, endOffset } = log.describe();
    if (name === 'unlink' && path === RESERVE) ends.push([writtenOffset, endOffset]);
  };
  const passing = log.compact();
  const outcomes = await Promise.allSettled(
    Array.from({ length: 40 }, async (_, index) => {
      for (let turn = 0; turn < index; turn += 1) await Promise.resolve();
      return await log.append([{ key: `new${index}`, value: 'x'.repeat(500) }]);
    }),
  );
  await passing;
  await pass(sim, 10_000);
  assert.ok(ends.length > 0);
  for (const [written, end] of ends) assert.equal(written, end, 'nothing is under way');
  const found = new Set((await readRecords(log)).map(({ key }) => key));
  for (const [index, { status }] of outcomes.entries()) {
    assert.equal(found.has(`new${index}`), status === 'fulfilled', `new${index}`);
  }
  assert.equal(await append(log, 1, 30), undefined);
});

for (let skip = 0; skip < 16; skip += 1) {
  test(`full disk: no room for the name at rename ${skip} of a swap harms nothing`, async () => {
    const sim = newSim();
    const log = await openWhole(sim, compacting);
    await append(log, 12);
    sim.disk.fail({ name: 'rename', path: '0000', skip: skip + 3, errno: 'ENOSPC' });
    await log.compact();
    await pass(sim, 10_000);
    assert.equal(await append(log, 1, 12), undefined);
    assert.deepEqual(await lastValues(log), { k0: 'v12', k1: 'v10', k2: 'v11' });
    const leftover = /\.(cleaned|swap|deleted)$/;
    assert.ok(!sim.disk.list(DIRECTORY).some((path) => leftover.test(path)));
    assert.equal(sim.disk.readAll(RESERVE).length, bytesOf(compacting));
  });
}

/** The states of the reserve that are told from now on. */
function states(t: TestContext): string[] {
  const told: string[] = [];
  const listener = (message: unknown): void => {
    told.push(String(Reflect.get(Object(message), 'state')));
  };
  channel('millrace:log:reserve').subscribe(listener);
  t.after(() => channel('millrace:log:reserve').unsubscribe(listener));
  return told;
}
