// Deleting from the front: the start is durable first, files go when nobody reads them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { judgeWatermark } from '../../src/storage/watermark.js';
import { rejection, settled } from '../support/fixtures.js';
import {
  fill,
  filledLog,
  nextValues,
  readOffsets,
  readUntilError,
  SimLog,
  valuesOf,
} from '../support/log-fixture.js';
import { crashNone } from '../support/sim-crash.js';

test('delete: the start moves and whole segments before it go', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  assert.equal(await log.deleteRecordsBefore(6), 6);
  assert.deepEqual(sim.segments(), [4, 8]);
  assert.deepEqual(await readOffsets(log), [6, 7, 8, 9, 10, 11]);
});

test('delete: all files of a segment go with it', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  await log.deleteRecordsBefore(12);
  await settled();
  assert.deepEqual(
    sim.disk.list('/log').filter((path) => /\/\d/.test(path)),
    [sim.path(8, 'log')],
  );
});

test('delete: an offset that is below the start already changes nothing', async () => {
  const log = await filledLog(new SimLog(), 8);
  await log.deleteRecordsBefore(5);
  assert.equal(await log.deleteRecordsBefore(2), 5);
});

test('delete: beyond the durable end is out of range', async () => {
  const log = await filledLog(new SimLog(), 4);
  await log.append([{ value: 'written' }], { acks: 'written' });
  const { facts } = await rejection(log.deleteRecordsBefore(5), 'OFFSET_OUT_OF_RANGE');
  assert.deepEqual([facts['startOffset'], facts['endOffset']], [0, 4]);
  await rejection(log.deleteRecordsBefore(-1), 'OFFSET_OUT_OF_RANGE');
});

test('delete: everything leaves an empty log that goes on', async () => {
  const log = await filledLog(new SimLog(), 6);
  await log.deleteRecordsBefore(6);
  assert.deepEqual(await readOffsets(log), []);
  await fill(log, ['next']);
  assert.deepEqual(await readOffsets(log), [6]);
});

test('delete: the new start is durable before the first file goes', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  const starts: number[] = [];
  sim.disk.onCall = (_number, name) => {
    if (name === 'unlink') starts.push(startAfterPowerCut(sim));
  };
  await log.deleteRecordsBefore(9);
  await settled();
  assert.ok(starts.length > 0);
  assert.deepEqual(new Set(starts), new Set([9]));
});

/** The log start that the watermark says after a power cut now. */
function startAfterPowerCut(sim: SimLog): number {
  const later = sim.crash(crashNone);
  const verdict = judgeWatermark(later.disk.readAll(later.path('watermark')));
  return verdict.kind === 'present' ? verdict.watermark.startOffset : -1;
}

test('delete: the oldest file goes first, and the log file last of its segment', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  const before = sim.disk.callCount;
  await log.deleteRecordsBefore(12);
  await settled();
  const unlinked = sim.disk.calls.slice(before).filter(({ name }) => name === 'unlink');
  const logs = unlinked.map(({ path }) => path).filter((path) => path.endsWith('.log'));
  assert.deepEqual(logs, [sim.path(0, 'log'), sim.path(4, 'log')]);
  assert.equal(unlinked.at(-1)?.path, sim.path(4, 'log'));
});

test('delete: a reopened log keeps the start', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  await log.deleteRecordsBefore(7);
  await log.close();
  const reopened = await sim.open();
  assert.equal(reopened.startOffset, 7);
  assert.deepEqual(await readOffsets(reopened), [7, 8, 9, 10, 11]);
});

test('delete: a killed process keeps the start, and leftovers go at the next open', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  const reader = log.read();
  await reader.next();
  await log.deleteRecordsBefore(7);
  assert.deepEqual(sim.segments(), [0, 4, 8]);
  const later = sim.kill();
  assert.equal((await later.open()).startOffset, 7);
  assert.deepEqual(later.segments(), [4, 8]);
});

test('delete: a segment that a reader is in goes when the reader leaves it', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  const reader = log.read();
  await reader.next();
  await log.deleteRecordsBefore(12);
  assert.deepEqual(sim.segments(), [0, 8]);
  await reader.return?.();
  await settled();
  assert.deepEqual(sim.segments(), [8]);
});

test('delete: a reader whose records were deleted is told, with the new start', async () => {
  const log = await filledLog(new SimLog(), 12);
  const reader = log.read();
  assert.deepEqual(await nextValues(reader), ['v0']);
  await log.deleteRecordsBefore(9);
  let steps = 0;
  const error = await rejection(
    (async () => {
      for (; steps < 12; steps++) await reader.next();
    })(),
    'OFFSET_OUT_OF_RANGE',
  );
  assert.equal(error.facts['startOffset'], 9);
  assert.ok(steps <= 3, 'what it had before it is served, the gap is not stepped over');
});

test('delete: a reader of the segment after the deleted ones goes on', async () => {
  const log = await filledLog(new SimLog(), 12);
  const reader = log.read({ from: 8 });
  assert.deepEqual(await nextValues(reader), ['v8']);
  await log.deleteRecordsBefore(8);
  assert.deepEqual(await nextValues(reader), ['v9']);
});

test('delete: without any append in between, the next open is clean', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 12)).close();
  const log = await sim.open();
  await log.deleteRecordsBefore(5);
  await log.close();
  let scannedBytes = 0;
  const later = await countReads(sim, (bytes) => {
    scannedBytes += bytes;
  });
  assert.equal(later.startOffset, 5);
  assert.equal(scannedBytes, 0);
});

/** Opens the log and tells how many bytes of `.log` files were read meanwhile. */
async function countReads(sim: SimLog, note: (bytes: number) => void) {
  const { fileSystem } = sim.disk;
  const watched = {
    ...fileSystem,
    open: async (path: string) => {
      if (path.endsWith('.log')) note(1);
      return await fileSystem.open(path);
    },
  };
  return await Log.open('/log', {}, { ...sim.environment, fileSystem: watched });
}

test('delete: while appends go on, nothing is lost', async () => {
  const log = await filledLog(new SimLog(), 4);
  const appends = valuesOf(20, 1000, 4).map((value) => log.append([{ value }]));
  await Promise.all([...appends, log.deleteRecordsBefore(3)]);
  assert.equal((await readOffsets(log)).length, 21);
  const { error } = await readUntilError(log, { from: 3 });
  assert.equal(error, undefined);
});

test('delete: thousands at once are carried out as few', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 40);
  const starts = await Promise.all(
    Array.from({ length: 3000 }, (_, index) => log.deleteRecordsBefore(Math.floor(index / 100))),
  );
  assert.ok(starts.every((start, index) => start >= Math.floor(index / 100)));
  assert.equal(log.startOffset, 29);
});
