// Compaction of an open log: what is left, when, and what others may do meanwhile.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { logDiagnostics } from '../../src/base/diagnostics.js';
import type { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import type { RecordInput } from '../../src/storage/record.js';
import { rejection, settled } from '../support/fixtures.js';
import { DIRECTORY, readRecords, SimLog } from '../support/log-fixture.js';

const REST_MS = 15_000;
const HOUR = 3_600_000;

function openCompacted(sim: SimLog, options: LogOptions = {}): Promise<Log> {
  return sim.open({ cleanup: 'compact', segmentBytes: 4096, ...options });
}

/** A text of `key=value` pairs, one append; `key=` is a tombstone. */
async function put(log: Log, ...pairs: readonly string[]): Promise<void> {
  const records = pairs.map((pair): RecordInput => {
    const [key = '', value = ''] = pair.split('=');
    return { key, value: value === '' ? null : value };
  });
  await log.append(records);
}

/** What a reader sees, as `offset:key=value`. */
async function seen(log: Log, from: number | 'earliest' = 'earliest'): Promise<string[]> {
  const records = await readRecords(log, { from });
  return records.map(({ offset, key, value }) => `${offset}:${key}=${value ?? ''}`);
}

/** Lets time pass in steps, and all that is due in it happen. */
async function pass(sim: SimLog, ms: number): Promise<void> {
  for (let left = ms; left > 0; ) {
    await settled();
    const step = Math.min(left, sim.clock.nextDelayMs ?? left);
    sim.clock.advance(step);
    left -= step;
  }
  await settled();
}

test('compaction: of each key the last record stays, under its offset', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  await put(log, 'a=1', 'b=1', 'a=2');
  await put(log, 'c=1', 'b=2');
  const report = await log.compact();
  assert.deepEqual([report.outcome, report.recordsIn, report.recordsOut], ['cleaned', 5, 3]);
  await put(log, 'a=3');
  const left = ['2:a=2', '3:c=1', '4:b=2', '5:a=3'];
  assert.deepEqual(await seen(log), left);
  assert.deepEqual(await seen(log, 1), left, 'a reader that starts in a gap');
  const reopened = await sim.kill().open();
  assert.deepEqual(await seen(reopened), left);
  assert.equal((await reopened.append([{ key: 'd', value: 'x' }])).baseOffset, 6);
});

test('compaction: a segment that holds nothing any more keeps its range', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  await put(log, 'a=1', 'a=2');
  await log.compact();
  await put(log, 'a=3');
  const report = await log.compact();
  assert.equal(report.recordsOut, 1);
  assert.deepEqual(await seen(log), ['2:a=3']);
  assert.equal(log.startOffset, 0);
  assert.equal((await log.compact()).outcome, 'nothing');
});

test('compaction: a tombstone stays for its time after the pass that met it', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { tombstoneRetentionMs: 10 * HOUR });
  await put(log, 'a=1', 'b=1');
  await put(log, 'a=');
  await log.compact();
  assert.deepEqual(await seen(log), ['1:b=1', '2:a=']);
  sim.clock.advance(10 * HOUR);
  await log.compact();
  assert.deepEqual(await seen(log), ['1:b=1', '2:a='], 'its horizon is now');
  await pass(sim, HOUR);
  await log.compact();
  assert.deepEqual(await seen(log), ['1:b=1']);
});

test('compaction: the time of a tombstone begins when its own group is cleaned', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { tombstoneRetentionMs: HOUR });
  const large = 'x'.repeat(3000);
  await put(log, `a=${large}`);
  await put(log, `b=${large}`);
  await put(log, 'a=', `c=${large}`);
  sim.disk.onCall = () => {
    // The first group is about to take its place.
    if (!sim.disk.list(DIRECTORY).some((name) => name.endsWith('.swap'))) return;
    sim.disk.onCall = undefined;
    sim.clock.advance(2 * HOUR);
  };
  await log.compact();
  assert.equal(sim.disk.onCall, undefined, 'a segment was replaced');
  await log.compact();
  assert.deepEqual(
    (await seen(log)).map((text) => text.slice(0, 4)),
    ['1:b=', '2:a=', '3:c='],
  );
});

test('compaction: tombstones that need not stay go with the next pass', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { tombstoneRetentionMs: 0 });
  await put(log, 'a=1', 'b=1', 'a=');
  assert.equal((await log.stats()).segmentCount, 1);
  await log.compact();
  assert.deepEqual(await seen(log), ['1:b=1', '2:a=']);
  sim.clock.advance(1);
  await log.compact();
  assert.deepEqual(await seen(log), ['1:b=1']);
});

test('compaction: a clock that jumps is told of, and takes no tombstone early', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { tombstoneRetentionMs: 10 * HOUR });
  await put(log, 'a=1');
  await put(log, 'a=');
  await log.compact();
  const kinds: string[] = [];
  const note = (message: unknown): void => {
    kinds.push(String((message as { kind: unknown }).kind));
  };
  subscribe(logDiagnostics.clockJump.name, note);
  try {
    sim.clock.jumpWall(1000 * HOUR);
    await log.compact();
    assert.deepEqual(await seen(log), ['1:a=']);
    assert.deepEqual([...new Set(kinds)], ['doubted']);
  } finally {
    unsubscribe(logDiagnostics.clockJump.name, note);
  }
});

test('compaction: it runs by itself once enough is dirty, and not before', async (t) => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { minCleanableDirtyRatio: 0.4 });
  const cleaned: unknown[] = [];
  const note = (message: unknown): unknown => cleaned.push(message);
  subscribe(logDiagnostics.clean.name, note);
  t.after(() => unsubscribe(logDiagnostics.clean.name, note));
  await put(log, 'a=1', `b=${'x'.repeat(3000)}`);
  await pass(sim, REST_MS);
  assert.deepEqual(cleaned, [], 'what is active is not compacted');
  await put(log, 'a=2', `c=${'x'.repeat(3000)}`);
  await put(log, 'd=1', `e=${'x'.repeat(3000)}`);
  await pass(sim, REST_MS);
  assert.equal(cleaned.length, 1);
  assert.deepEqual(
    (await seen(log)).map((line) => line.slice(0, 4)),
    ['1:b=', '2:a=', '3:c=', '4:d=', '5:e='],
  );
  await pass(sim, 10 * REST_MS);
  assert.equal(cleaned.length, 1, 'nothing is dirty');
});

test('compaction: young records are not compacted, also when it is asked for', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { minCompactionLagMs: HOUR });
  await put(log, 'a=1', 'a=2');
  assert.equal((await log.compact()).outcome, 'nothing');
  assert.deepEqual(await seen(log), ['0:a=1', '1:a=2']);
  await pass(sim, 3 * HOUR);
  await log.compact();
  assert.deepEqual(await seen(log), ['1:a=2']);
});

test('compaction: a reader that is in what was replaced goes on', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  const pairs = Array.from({ length: 60 }, (_, index) => `k${index % 20}=${'v'.repeat(400)}`);
  for (const pair of pairs) await put(log, pair);
  const offsets: number[] = [];
  for await (const batch of log.read()) {
    for (const { offset } of batch) offsets.push(offset);
    if (offsets.length === 1) await log.compact();
  }
  assert.ok(offsets.every((offset, index) => index === 0 || offset > (offsets[index - 1] ?? 0)));
  const last = offsets.filter((offset) => offset >= 40);
  assert.deepEqual(
    last,
    [...Array(20).keys()].map((index) => 40 + index),
  );
  assert.deepEqual((await seen(log)).length, 20);
});

test('compaction: a deletion from the front meanwhile is carried out', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  for (let index = 0; index < 40; index += 1) await put(log, `k${index % 7}=${'v'.repeat(500)}`);
  const compacting = log.compact();
  await log.deleteRecordsBefore(20);
  await compacting;
  assert.equal(log.startOffset, 20);
  const offsets = (await seen(log)).map((line) => Number(line.split(':')[0]));
  assert.deepEqual(offsets, [33, 34, 35, 36, 37, 38, 39]);
  assert.deepEqual(await seen(await sim.kill().open()), await seen(log));
});

test('compaction: closing ends a pass, and nothing is lost', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  for (let index = 0; index < 40; index += 1) await put(log, `k${index % 7}=${'v'.repeat(500)}`);
  const compacting = rejection(log.compact(), 'LOG_CLOSED');
  await log.close();
  await compacting;
  const reopened = await sim.kill().open();
  const latest = new Map<string, string>();
  for (const line of await seen(reopened)) {
    const [offset = '', key = ''] = line.split(/[:=]/);
    latest.set(key, offset);
  }
  const expected = [35, 36, 37, 38, 39, 33, 34].map((offset, key) => [`k${key}`, String(offset)]);
  assert.deepEqual([...latest].sort(), expected);
});

test('compaction: a log that is not compacted says so', async () => {
  const log = await new SimLog().open();
  const { facts } = await rejection(log.compact(), 'OPTION_INVALID');
  assert.equal(facts['actual'], 'delete');
  await log.alter({ cleanup: 'compact' });
  assert.equal((await log.compact()).outcome, 'nothing');
});

test('compaction: records without a key go when a log is altered to it, counted', async () => {
  const log = await new SimLog().open();
  await log.append([{ value: 'no key' }, { key: 'a', value: '1' }]);
  await log.alter({ cleanup: 'compact' });
  assert.equal((await log.compact()).keylessRecords, 1);
  assert.deepEqual(await seen(log), ['1:a=1']);
});

test('compaction: a sealed file that has lost whole batches is not compacted', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { minCleanableDirtyRatio: 1 });
  for (let index = 0; index < 20; index += 1) await put(log, `k${index % 7}=${'v'.repeat(500)}`);
  await log.close();
  const path = sim.path(0, 'log');
  const whole = sim.disk.readAll(path);
  const file = sim.disk.blockingFileSystem.open(path, 'existing');
  sim.disk.blockingFileSystem.truncate(file, (whole.length / 7) * 6);
  sim.disk.blockingFileSystem.close(file);
  const reopened = await sim.kill().open();
  const { facts } = await rejection(reopened.compact(), 'LOG_CORRUPT');
  assert.deepEqual([facts['file'], facts['expected']], [path, whole.length]);
});

test('compaction: segments that have become small are merged', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim, { minCleanableDirtyRatio: 1 });
  const filler = '.'.repeat(512);
  for (let round = 0; round < 8; round += 1) {
    for (const key of ['a', 'b', 'c', 'd', 'e']) await put(log, `${key}=${round}${filler}`);
  }
  assert.ok(sim.segments().length >= 5);
  await log.compact();
  await log.compact();
  assert.equal(sim.segments().length, 2);
  assert.equal((await readRecords(log)).length, 5);
  const rest = sim.disk.list(DIRECTORY).filter((path) => /cleaned|swap|deleted/.test(path));
  assert.deepEqual(rest, []);
  await log.close();
});

test('compaction: how far it came is remembered over a kill', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  await put(log, 'a=1', 'a=2');
  await log.compact();
  assert.equal((await log.stats()).firstDirtyOffset, 2);
  const later = await sim.kill().open();
  assert.equal((await later.stats()).firstDirtyOffset, 2);
  await later.close();
});

test('compaction: after a sync of the folder that failed nothing is written any more', async () => {
  const sim = new SimLog();
  const log = await openCompacted(sim);
  await put(log, 'a=1', 'b=1');
  await put(log, 'a=2');
  let hasFailed = false;
  sim.disk.onCall = (_number, name) => {
    const isSwapping = sim.disk.list(DIRECTORY).some((path) => path.endsWith('.swap'));
    if (name !== 'syncDirectory' || !isSwapping || hasFailed) return;
    hasFailed = true;
    throw Object.assign(new Error('the disk is going'), { code: 'EIO' });
  };
  await rejection(log.compact(), 'IO_FAILED');
  sim.disk.onCall = undefined;
  await rejection(put(log, 'c=1'), 'LOG_POISONED');
  const later = await sim.kill().open();
  assert.deepEqual((await seen(later)).slice(-2), ['1:b=1', '2:a=2']);
  await later.close();
});

test('compaction: who asks for it is told by a code what the file system refused', async () => {
  const codes = [
    ['EIO', 'IO_FAILED'],
    ['EMFILE', 'TOO_MANY_OPEN_FILES'],
  ] as const;
  for (const [errno, code] of codes) {
    const sim = new SimLog();
    const log = await openCompacted(sim);
    await put(log, 'a=1', 'b=1');
    await put(log, 'a=2');
    sim.disk.fail({ name: 'open', path: '.log.cleaned', errno });
    const { facts } = await rejection(log.compact(), code);
    assert.equal(facts['errno'], errno);
    await log.compact();
    assert.deepEqual((await seen(log)).slice(-2), ['1:b=1', '2:a=2']);
    await log.close();
  }
});
