// Retention acted out: what goes, when, and what keeps it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { logDiagnostics } from '../../src/base/diagnostics.js';
import type { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import { rejection, settled, thrown } from '../support/fixtures.js';
import {
  fill,
  filledLog,
  names,
  readOffsets,
  readValues,
  SimLog,
  valuesOf,
} from '../support/log-fixture.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import type { SimDisk } from '../support/sim-file-system.js';

const CHECK_MS = 5 * 60_000;
const HOUR = 3_600_000;

/** Twelve records of one kibibyte in three segments of four, the last of them active. */
function threeSegments(sim: SimLog, options: LogOptions = {}): Promise<Log> {
  return filledLog(sim, 12, options);
}

/** Lets so much time pass, and all that is due in it happen. */
async function pass(sim: SimLog, ms: number): Promise<void> {
  const endMs = sim.clock.monotonicMs() + ms;
  for (;;) {
    await settled();
    const leftMs = endMs - sim.clock.monotonicMs();
    const delayMs = sim.clock.nextDelayMs;
    if (delayMs === undefined || delayMs > leftMs) {
      sim.clock.advance(leftMs);
      await settled();
      return;
    }
    sim.clock.advance(delayMs);
  }
}

test('retention: old segments go by themselves, also the active one', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: 10 * HOUR });
  await pass(sim, 10 * HOUR);
  assert.deepEqual(sim.segments(), [0, 4, 8]);
  await pass(sim, CHECK_MS);
  assert.equal(log.startOffset, 12);
  assert.deepEqual(sim.segments(), [12]);
  await fill(log, ['next']);
  assert.deepEqual(await readOffsets(log), [12]);
  const later = sim.kill();
  const reopened = await later.open();
  assert.deepEqual([reopened.startOffset, await readOffsets(reopened)], [12, [12]]);
});

test('retention: a log without limits never looks', async () => {
  const sim = new SimLog();
  await threeSegments(sim);
  await pass(sim, 1000);
  assert.equal(sim.clock.pendingCount, 0);
});

test('retention: by bytes, at each roll, without waiting for a timer', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionBytes: 5000 });
  await settled();
  assert.deepEqual(sim.segments(), [4, 8]);
  await fill(log, valuesOf(12, 1000, 12));
  await settled();
  assert.equal(log.startOffset, 16);
  assert.deepEqual(sim.segments(), [16, 20]);
  assert.ok((log.describe().bytes ?? 0) >= 5000);
});

test('retention: by records, and the report says what went and why', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim);
  await log.alter({ retentionRecords: 4 });
  const report = await log.retain();
  const logs = [...report.deleted];
  assert.equal(log.startOffset, 8);
  assert.deepEqual(sim.segments(), [8]);
  // The alter may have woken it first: together they report both segments once.
  assert.ok(logs.every(({ why }) => /retentionRecords 4/.test(why)));
  assert.equal(report.startOffset, 8);
  assert.match(report.kept, /records 4/);
});

test('retention: asked for, it tells the bytes that were given back', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: HOUR, retentionCheckMs: 24 * HOUR });
  const before = [0, 4].map((base) => sim.disk.readAll(sim.path(base, 'log')).length);
  sim.clock.advance(HOUR + 1);
  await fill(log, ['new']);
  const report = await log.retain();
  assert.deepEqual(
    report.deleted.map(({ baseOffset, endOffset, bytes }) => [baseOffset, endOffset, bytes]),
    [
      [0, 4, before[0]],
      [4, 8, before[1]],
    ],
  );
  assert.equal(report.bytes, (before[0] ?? 0) + (before[1] ?? 0));
  // The active one holds old records and a new one: it was rolled, so that they can go later.
  assert.equal(report.rolled, true);
  assert.deepEqual(sim.segments(), [8, 13]);
  assert.deepEqual((await log.retain()).deleted, []);
});

test('retention: what was there before the open goes too, oldest first', async () => {
  const sim = new SimLog();
  const options = { retentionMs: HOUR, segmentBytes: 4096, indexIntervalBytes: 0 };
  const log = await sim.open(options);
  await fill(log, valuesOf(700, 4000));
  await log.close();
  sim.clock.advance(HOUR + 1);
  const reopened = await sim.open();
  assert.equal(reopened.describe().bytes, undefined);
  await fill(reopened, valuesOf(1, 4000, 700));
  await settled();
  assert.equal(reopened.startOffset, 700);
  await reopened.close();
});

test('retention: by bytes after an open, the sizes of all segments are found out', async () => {
  const sim = new SimLog();
  const log = await sim.open({ segmentBytes: 4096, indexIntervalBytes: 0 });
  await fill(log, valuesOf(300, 4000));
  await log.close();
  const reopened = await sim.open();
  await reopened.alter({ retentionBytes: 40_000 });
  const report = await reopened.retain();
  const { bytes = 0 } = reopened.describe();
  assert.ok(bytes >= 40_000 && bytes < 50_000, `${bytes}`);
  assert.equal(report.startOffset, reopened.startOffset);
});

test('retention: the least offset of the protected groups holds what they need', async () => {
  const sim = new SimLog();
  const options = { retentionBytes: 1, protectedGroups: ['slow', 'fast'] };
  const log = await threeSegments(sim, options);
  const start = async () => (await log.retain()).startOffset;
  log.reportOffset('fast', 12);
  assert.equal(await start(), 0);
  log.reportOffset('slow', 7);
  assert.equal(await start(), 4);
  log.reportOffset('slow', 8);
  assert.equal(await start(), 8);
  await fill(log, valuesOf(8, 1000, 12));
  log.reportOffset('slow', undefined);
  log.reportOffset('fast', 20);
  assert.equal(await start(), 8);
  assert.match((await log.retain()).kept, /'slow' has not reported/);
});

test('retention: after an open a protected group has to report again', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionBytes: 1, protectedGroups: ['g'] });
  log.reportOffset('g', 4);
  assert.equal((await log.retain()).startOffset, 4);
  await log.close();
  const reopened = await sim.open();
  assert.equal((await reopened.retain()).startOffset, 4);
  reopened.reportOffset('g', 12);
  assert.equal((await reopened.retain()).startOffset, 8);
});

test('retention: what is no group and no offset is refused', async () => {
  const log = await threeSegments(new SimLog());
  for (const [group, offset] of [
    ['', 1],
    ['x'.repeat(250), 1],
    ['g', -1],
    ['g', 0.5],
  ] as const) {
    thrown(() => log.reportOffset(group, offset), 'OPTION_INVALID');
  }
});

test('retention: producers that wait do not keep it from working', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: HOUR, bufferBytes: 64 * 1024 });
  const value = Buffer.alloc(40_000, 'x');
  const appends = Array.from({ length: 8 }, () => log.append([{ value }]));
  assert.equal(log.tryAppend({ value }), undefined);
  sim.clock.advance(HOUR + 1);
  const { startOffset } = await log.retain();
  assert.ok(startOffset >= 8);
  assert.equal((await Promise.all(appends)).length, 8);
});

test('retention: on a full disk it gives back what may go, and producers go on', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: HOUR, retentionCheckMs: 24 * HOUR });
  sim.clock.advance(HOUR + 1);
  sim.disk.spaceBytes = sim.disk.list().reduce((sum, path) => {
    return sum + sim.disk.readAll(path).length;
  }, 0);
  await rejection(log.append([{ value: 'x'.repeat(5000) }]), 'DISK_FULL');
  await settled();
  assert.ok(log.startOffset >= 8);
  await fill(log, ['v12']);
  assert.deepEqual((await readValues(log)).at(-1), 'v12');
});

test('retention: a clock that jumps ahead lets nothing go before the jump has held', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: 24 * HOUR });
  const kinds: string[] = [];
  const note = (message: unknown): void => {
    if (typeof message === 'object' && message !== null && 'kind' in message) {
      kinds.push(String(message.kind));
    }
  };
  const { clockJump } = logDiagnostics;
  const { subscribe, unsubscribe } = await import('node:diagnostics_channel');
  subscribe(clockJump.name, note);
  try {
    sim.clock.jumpWall(1000 * 24 * HOUR);
    await pass(sim, HOUR);
    assert.equal(log.startOffset, 0);
    await pass(sim, 2 * CHECK_MS);
    assert.equal(log.startOffset, 12);
    assert.deepEqual(kinds, ['doubted', 'believed']);
  } finally {
    unsubscribe(clockJump.name, note);
  }
});

test('retention: records with times in the far future go like the others', async () => {
  const sim = new SimLog();
  const log = await sim.open({ retentionMs: HOUR, segmentBytes: 4096 });
  await pass(sim, 10 * HOUR);
  const timestamp = sim.clock.nowMs() + 1000 * HOUR;
  for (let index = 0; index < 6; index += 1) {
    await log.append([{ value: 'x'.repeat(1500), timestamp }]);
  }
  await pass(sim, HOUR - 1);
  assert.equal(log.startOffset, 0);
  await pass(sim, 2 * CHECK_MS);
  assert.equal(log.startOffset, 6);
});

test('retention: an active segment with such times goes by its last append', async () => {
  const sim = new SimLog();
  const log = await sim.open({ retentionMs: HOUR });
  await pass(sim, 10 * HOUR);
  await log.append([{ value: 'x', timestamp: sim.clock.nowMs() + 1000 * HOUR }]);
  await pass(sim, HOUR - 1);
  assert.equal(log.startOffset, 0);
  await pass(sim, 2 * CHECK_MS);
  assert.equal(log.startOffset, 1);
});

test('retention: a segment that a reader is in is counted until the reader leaves it', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim);
  const bytes = sim.disk.readAll(sim.path(0, 'log')).length;
  const reader = log.read();
  await reader.next();
  await log.alter({ retentionBytes: 1 });
  await log.retain();
  assert.equal(log.startOffset, 8);
  assert.deepEqual(sim.segments(), [0, 8]);
  assert.equal(log.describe().pinnedBytes, bytes);
  await reader.return?.();
  await settled();
  assert.deepEqual(sim.segments(), [8]);
  assert.equal(log.describe().pinnedBytes, 0);
});

test('retention: a roll makes no further roll, however short the limit', async () => {
  const sim = new SimLog();
  sim.disk.onCall = () => sim.clock.advance(2);
  const log = await threeSegments(sim, { retentionMs: 1, retentionCheckMs: 24 * HOUR });
  await settled();
  assert.deepEqual(sim.segments(), [8]);
  assert.equal(log.startOffset, 8);
});

test('retention: a run that fails is told, and the next one does it', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim);
  await log.close();
  const reopened = await sim.open();
  sim.disk.fail({ name: 'open', path: sim.path(0, 'log'), errno: 'EIO' });
  const causes: unknown[] = [];
  const { subscribe, unsubscribe } = await import('node:diagnostics_channel');
  const note = (message: unknown): void => void causes.push(message);
  subscribe(logDiagnostics.retainFailed.name, note);
  try {
    await reopened.alter({ retentionBytes: 1 });
    await settled();
    assert.equal(causes.length, 1);
    assert.equal(reopened.startOffset, 0);
    await pass(sim, CHECK_MS);
    assert.equal(reopened.startOffset, 8);
  } finally {
    unsubscribe(logDiagnostics.retainFailed.name, note);
  }
});

test('retention: closing ends it, and it can be asked no more', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: HOUR });
  const asked = log.retain();
  await log.close();
  await asked.catch((error: unknown) =>
    assert.equal(Reflect.get(Object(error), 'code'), 'LOG_CLOSED'),
  );
  assert.equal(sim.clock.pendingCount, 0);
  await rejection(log.retain(), 'LOG_CLOSED');
});

test('retention: a crash at any call leaves a log with all that was to stay', async () => {
  const sim = new SimLog();
  const log = await threeSegments(sim, { retentionMs: HOUR, retentionCheckMs: 24 * HOUR });
  sim.clock.advance(HOUR + 1);
  await fill(log, ['v12']);
  const images: SimDisk[] = [];
  sim.disk.onCall = () => images.push(sim.disk.clone());
  const { startOffset, rolled } = await log.retain();
  await settled();
  sim.disk.onCall = undefined;
  assert.deepEqual([startOffset, rolled], [8, true]);
  images.push(sim.disk.clone());
  for (const image of images) {
    for (const choice of enumerateCrashes(image, 12)) {
      const later = new SimLog(image.crash(choice));
      const reopened = await later.open();
      assert.ok([0, 8].includes(reopened.startOffset));
      assert.equal(reopened.describe().damage, undefined);
      assert.deepEqual((await readValues(reopened)).slice(-5), names(5, 8));
      await reopened.close();
    }
  }
});
