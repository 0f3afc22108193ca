import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { refusedRepair, repairLog } from '../../src/storage/repair.js';
import { verifyLog } from '../../src/storage/verify.js';
import { crashNone } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';
import {
  batchesIn,
  closedLog,
  DIRECTORY,
  environmentOf,
  fill,
  logFiles,
  OPTIONS,
  storedValue,
  valuesOf,
} from './repair-fixture.js';

async function repair(disk: SimDisk, acceptLoss: boolean) {
  return await repairLog(DIRECTORY, { acceptLoss, environment: environmentOf(disk) });
}

/** After a repair: whole, its end where it was, every offset there but the lost ones. */
async function expectWhole(disk: SimDisk, end: number, lost: ReadonlySet<number>): Promise<void> {
  const report = await verifyLog(DIRECTORY, { fileSystem: disk.fileSystem });
  assert.deepEqual(report.problems, []);
  assert.equal(report.endOffset, end);
  const values = await valuesOf(disk);
  for (let offset = 0; offset < end; offset += 1) {
    const expected = lost.has(offset) ? undefined : storedValue(offset);
    assert.equal(values.get(offset), expected, `offset ${offset}`);
  }
  const log = await Log.open(DIRECTORY, {}, environmentOf(disk));
  assert.equal(log.describe().state, 'open');
  await fill(log, 1);
  assert.equal(log.endOffset, end + 2);
  await log.close();
}

/** Flips a bit in the body of one batch; returns the offsets in it. */
function damageBatch(disk: SimDisk, file: string, index: number): ReadonlySet<number> {
  const batch = batchesIn(disk.readAll(file)).at(index);
  assert.ok(batch !== undefined);
  disk.flipBit(file, (batch.position + 90) * 8);
  return new Set([batch.base, batch.base + 1]);
}

/** Opened as it is, a log serves what was stored, or says that it is damaged. */
async function expectHonest(disk: SimDisk): Promise<void> {
  try {
    const log = await Log.open(DIRECTORY, { readOnly: true }, environmentOf(disk));
    try {
      for await (const batch of log.read()) {
        for (const { offset, value } of batch) assert.equal(String(value), storedValue(offset));
      }
    } finally {
      await log.close();
    }
  } catch (error) {
    assert.equal(Reflect.get(Object(error), 'code'), 'LOG_CORRUPT');
  }
}

test('repair: a whole log is left as it is', async () => {
  const disk = await closedLog();
  const calls = disk.callCount;
  const report = await repair(disk, true);
  assert.equal(report.problemCount, 0);
  assert.deepEqual(report.done, []);
  assert.equal(disk.callCount, calls);
});

test('repair: a loss is refused with its extent, and nothing that is damaged changes', async () => {
  const disk = await closedLog();
  const file = logFiles(disk)[1] ?? '';
  const lost = damageBatch(disk, file, 2);
  const before = disk.readAll(file);
  const seal = logFiles(disk)[0]?.replace('.log', '.seal') ?? '';
  disk.remove(seal);
  await assert.rejects(repair(disk, false), (error) => {
    const report = refusedRepair(error);
    assert.ok(report !== undefined);
    assert.deepEqual(
      report.losses.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]),
      [[Math.min(...lost), Math.max(...lost) + 1]],
    );
    return Object.is(Reflect.get(Object(error), 'code'), 'REPAIR_REFUSED');
  });
  assert.deepEqual(disk.readAll(file), before);
  assert.equal(disk.exists(seal), true);
  const report = await repair(disk, true);
  assert.equal(report.brokenFiles.length, 1);
  await expectWhole(disk, 120, lost);
});

test('repair: each damaged batch becomes an empty one and every other record stays', async () => {
  const disk = await closedLog();
  const lost = new Set<number>();
  for (const [index, file] of logFiles(disk).entries()) {
    for (const place of [0, 3, -1]) {
      if ((index + place) % 2 !== 0) continue;
      for (const offset of damageBatch(disk, file, place)) lost.add(offset);
    }
  }
  assert.ok(lost.size > 6);
  await repair(disk, true);
  await expectWhole(disk, 120, lost);
});

test('repair: header fields outside the checksum are healed without loss', async () => {
  const disk = await closedLog();
  const [first, second, third] = logFiles(disk);
  const fields: readonly (readonly [string | undefined, number, number])[] = [
    [first, 2, 7],
    [second, 3, 11],
    [third, 1, 16],
    [second, 7, 13],
  ];
  for (const [file = '', index, field] of fields) {
    const batch = batchesIn(disk.readAll(file))[index];
    disk.flipBit(file, ((batch?.position ?? 0) + field) * 8 + 2);
  }
  const report = await repair(disk, false);
  assert.deepEqual(report.losses, []);
  await expectWhole(disk, 120, new Set());
});

test('repair: lost side files are made anew without loss', async () => {
  const disk = await closedLog();
  for (const path of disk.list(DIRECTORY)) if (!path.endsWith('.log')) disk.remove(path);
  disk.put(`${DIRECTORY}/watermark`, new Uint8Array(4224).fill(7));
  await repair(disk, false);
  await expectWhole(disk, 120, new Set());
});

test('repair: each side file alone is made anew without loss', async () => {
  const whole = await closedLog();
  for (const path of whole.list(DIRECTORY)) {
    if (path.endsWith('.log')) continue;
    const disk = whole.clone();
    disk.flipBit(path, 30);
    await repair(disk, false);
    await expectWhole(disk, 120, new Set());
  }
});

test('repair: a missing segment becomes an empty one that covers its offsets', async () => {
  const whole = await closedLog();
  const files = logFiles(whole);
  const bases = [...files.map((file) => Number(/(\d{20})/.exec(file)?.[1])), 120];
  for (const [index, file] of files.entries()) {
    const disk = whole.clone();
    disk.remove(file);
    const [from = 0, to = 0] = [bases[index], bases[index + 1]];
    const lost = new Set(Array.from({ length: to - from }, (_, place) => from + place));
    await assert.rejects(repair(disk, false), { code: 'REPAIR_REFUSED' });
    await repair(disk, true);
    await expectWhole(disk, 120, lost);
  }
});

test('repair: a lost tail becomes an empty batch up to the old durable end', async () => {
  const disk = await closedLog();
  const active = logFiles(disk).at(-1) ?? '';
  const batches = batchesIn(disk.readAll(active));
  const cut = batches.at(-2);
  assert.ok(cut !== undefined);
  disk.truncateTo(active, cut.position + 10);
  await repair(disk, true);
  const lost = new Set(Array.from({ length: 120 - cut.base }, (_, place) => cut.base + place));
  await expectWhole(disk, 120, lost);
});

test('repair: a live folder is not repaired', async () => {
  const disk = await closedLog();
  const environment = environmentOf(disk);
  const log = await Log.open(DIRECTORY, OPTIONS, environment);
  await assert.rejects(repairLog(DIRECTORY, { acceptLoss: true, environment }), {
    code: 'LOG_LOCKED',
  });
  await log.close();
});

test('repair: a stop at every step leaves what another repair finishes', async () => {
  const damaged = await closedLog();
  const [first = '', second = '', third = ''] = logFiles(damaged);
  const lost = new Set(damageBatch(damaged, first, 1));
  for (const offset of damageBatch(damaged, logFiles(damaged).at(-1) ?? '', -1)) lost.add(offset);
  for (const { base } of batchesIn(damaged.readAll(second))) {
    lost.add(base);
    lost.add(base + 1);
  }
  damaged.remove(second);
  damaged.remove(third.replace('.log', '.seal'));
  const whole = damaged.clone();
  await repair(whole, true);
  const steps = whole.callCount;
  assert.ok(steps > 20);
  for (let step = 1; step <= steps; step += 1) {
    for (const mode of ['kill', 'power'] as const) {
      const disk = damaged.clone();
      disk.stopAt(step);
      await assert.rejects(repair(disk, true));
      const after = mode === 'kill' ? disk.kill() : disk.crash(crashNone);
      await expectHonest(after.clone());
      await repair(after, true);
      await expectWhole(after, 120, lost);
    }
  }
});

test('repair: broken files are bounded', async () => {
  const disk = await closedLog();
  for (let round = 0; round < 20; round += 1) {
    const file = logFiles(disk)[0] ?? '';
    const batches = batchesIn(disk.readAll(file)).filter(({ bytes }) => bytes > 61);
    const batch = batches[0];
    if (batch === undefined) break;
    disk.flipBit(file, (batch.position + 90) * 8);
    await repair(disk, true);
  }
  const broken = disk.list(DIRECTORY).filter((path) => path.endsWith('.broken'));
  assert.equal(broken.length, 16);
});
