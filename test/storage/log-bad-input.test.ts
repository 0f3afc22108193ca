// What is not a log, or is a damaged one: each its own code, nothing changed, the rest served.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { hasCode } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import {
  ATTRIBUTES_POSITION,
  HEADER_BYTES,
  LENGTH_END,
  LENGTH_POSITION,
} from '../../src/storage/batch-format.js';
import { stampCrc } from '../../src/storage/batch-header.js';
import { Log } from '../../src/storage/log.js';
import { batchOf } from '../support/batch-fixtures.js';
import { rejection, settled } from '../support/fixtures.js';
import { filledLog, readOffsets, readUntilError, SimLog } from '../support/log-fixture.js';
import { tempDir } from '../support/temp-dir.js';

/** A closed log of 12 records in the segments 0, 4 and 8. */
async function closedLog(): Promise<SimLog> {
  const sim = new SimLog();
  await (await filledLog(sim, 12)).close();
  return sim.kill();
}

/** The same, whose process died: its active segment is walked at the next open. */
async function killedLog(): Promise<SimLog> {
  const sim = new SimLog();
  await filledLog(sim, 12);
  return sim.kill();
}

test('a file where a directory should be', async () => {
  const sim = new SimLog();
  sim.disk.put('/log', Buffer.from('text'));
  await rejection(sim.open(), 'NOT_A_DIRECTORY');
  await rejection(sim.open({ readOnly: true }), 'NOT_A_DIRECTORY');
  assert.equal(Buffer.from(sim.disk.readAll('/log')).toString(), 'text');
});

test('a directory that is not a log', async () => {
  const sim = new SimLog();
  sim.disk.put('/log/letter.txt', Buffer.from('text'));
  await rejection(sim.open(), 'NOT_A_LOG');
  await rejection(sim.open({ readOnly: true }), 'NOT_A_LOG');
  assert.deepEqual(sim.disk.list(), ['/log/letter.txt']);
});

test('a directory without permission', async (t) => {
  const directory = join(tempDir(t), 'log');
  mkdirSync(directory, { mode: 0o700 });
  writeFileSync(join(directory, 'x'), '');
  chmodSync(directory, 0o000);
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65534);
  try {
    await rejection(Log.open(directory), 'PERMISSION_DENIED');
    await rejection(Log.open(directory, { readOnly: true }), 'PERMISSION_DENIED');
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(directory, 0o700);
  }
});

test('a log.json that was changed, of a newer version, or missing', async () => {
  const path = '/log/log.json';
  for (const [change, code] of [
    [(sim: SimLog) => sim.disk.flipBit(path, 200), 'LOG_CORRUPT'],
    [(sim: SimLog) => sim.disk.truncateTo(path, 10), 'LOG_CORRUPT'],
    [(sim: SimLog) => sim.disk.put(path, Buffer.from('{"version":9}')), 'FORMAT_UNSUPPORTED'],
    [(sim: SimLog) => sim.disk.remove(path), 'LOG_CORRUPT'],
  ] as const) {
    const sim = await closedLog();
    change(sim);
    const before = sim.content();
    await rejection(sim.open(), code);
    assert.deepEqual(sim.content(), before);
    assert.deepEqual(sim.disk.openHandles(), []);
  }
});

/** Damage to one file of a segment, and which records cannot be served any more. */
const damages: readonly (readonly [string, (sim: SimLog, base: number) => void])[] = [
  ['flipped in a value', (sim, base) => sim.disk.flipBit(sim.path(base, 'log'), 8 * 1600)],
  ['flipped in an offset', (sim, base) => sim.disk.flipBit(sim.path(base, 'log'), 8 * 1077)],
  ['filled with zeros', (sim, base) => zeroFrom(sim, base, 1000)],
  ['cut', (sim, base) => sim.disk.truncateTo(sim.path(base, 'log'), 2000)],
  ['emptied', (sim, base) => sim.disk.truncateTo(sim.path(base, 'log'), 0)],
];

function zeroFrom(sim: SimLog, base: number, position: number): void {
  const path = sim.path(base, 'log');
  sim.disk.corrupt(path, position, new Uint8Array(sim.disk.readAll(path).length - position));
}

for (const [what, damage] of damages) {
  test(`a sealed segment ${what}: it is reported, and the rest is read`, async () => {
    const sim = await closedLog();
    damage(sim, 4);
    const before = sim.content();
    const log = await sim.open({ readOnly: true });
    const { offsets, error } = await readUntilError(log);
    assert.ok(hasCode(error, 'LOG_CORRUPT'));
    assert.equal(error.facts['file'], sim.path(4, 'log'));
    assert.deepEqual(offsets.slice(0, 4), [0, 1, 2, 3]);
    assert.ok(offsets.length < 8);
    assert.deepEqual(await readOffsets(log, { from: 8 }), [8, 9, 10, 11]);
    await log.close();
    assert.deepEqual(sim.content(), before);
  });

  test(`an active segment ${what}: nothing is cut, appends are refused`, async () => {
    const sim = await killedLog();
    damage(sim, 8);
    const before = sim.content();
    const log = await sim.open();
    assert.equal(log.describe().state, 'damaged');
    const { facts } = await rejection(log.append([{ value: 'a' }]), 'LOG_CORRUPT');
    assert.equal(facts['file'], sim.path(8, 'log'));
    await rejection(log.deleteRecordsBefore(1), 'LOG_CORRUPT');
    const { offsets, error } = await readUntilError(log);
    assert.ok(hasCode(error, 'LOG_CORRUPT'));
    assert.deepEqual(offsets.slice(0, 8), [0, 1, 2, 3, 4, 5, 6, 7]);
    await log.close();
    await settled();
    assert.deepEqual(sim.content(), before);
  });
}

test('segments that were swapped are told from each other', async () => {
  const sim = await closedLog();
  sim.disk.swap(sim.path(0, 'log'), sim.path(4, 'log'));
  const log = await sim.open();
  const { offsets, error } = await readUntilError(log);
  assert.deepEqual(offsets, []);
  assert.ok(hasCode(error, 'LOG_CORRUPT'));
  assert.deepEqual(await readOffsets(log, { from: 8 }), [8, 9, 10, 11]);
});

test('a sealed segment that is missing is reported, and the rest is read', async () => {
  const sim = await closedLog();
  sim.disk.remove(sim.path(4, 'log'));
  const log = await sim.open();
  const { offsets, error } = await readUntilError(log);
  assert.deepEqual(offsets, [0, 1, 2, 3]);
  assert.ok(hasCode(error, 'LOG_CORRUPT'));
  assert.deepEqual(await readOffsets(log, { from: 9 }), [9, 10, 11]);
});

test('a first segment that is missing keeps the log from being written', async () => {
  const sim = await closedLog();
  sim.disk.remove(sim.path(0, 'log'));
  const before = sim.content();
  const log = await sim.open();
  await rejection(log.append([{ value: 'a' }]), 'LOG_CORRUPT');
  await rejection(readOffsets(log), 'LOG_CORRUPT');
  assert.deepEqual(await readOffsets(log, { from: 5 }), [5, 6, 7, 8, 9, 10, 11]);
  await log.close();
  assert.deepEqual(sim.content(), before);
});

test('an active segment that is missing keeps the log from being written', async () => {
  const sim = await closedLog();
  sim.disk.remove(sim.path(8, 'log'));
  const before = sim.content();
  const log = await sim.open();
  await rejection(log.append([{ value: 'a' }]), 'LOG_CORRUPT');
  const { offsets } = await readUntilError(log);
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7]);
  await log.close();
  assert.deepEqual(sim.content(), before);
});

test('a watermark that cannot be read: what lies behind damage is never cut', async () => {
  const sim = new SimLog();
  await filledLog(sim, 12);
  const later = sim.kill();
  later.disk.put(later.path('watermark'), new Uint8Array(4224).fill(7));
  const cut = later.disk.readAll(later.path(8, 'log')).length - 5;
  later.disk.truncateTo(later.path(8, 'log'), cut);
  const before = later.content();
  const log = await later.open();
  await rejection(log.append([{ value: 'a' }]), 'LOG_CORRUPT');
  await log.close();
  assert.deepEqual(later.content(), before);
});

/** A small batch whose gzip body inflates to more than the limit. */
function bomb(): Buffer {
  const body = gzipSync(Buffer.alloc(limits.inflatedBytesMax + 1), { level: 1 });
  const bytes = Buffer.concat([batchOf([{ value: 'a' }]).subarray(0, HEADER_BYTES), body]);
  bytes.writeInt32BE(bytes.length - LENGTH_END, LENGTH_POSITION);
  bytes.writeInt16BE(1, ATTRIBUTES_POSITION);
  stampCrc(bytes, 0);
  return bytes;
}

test('a compressed batch that inflates beyond the limit is refused', async () => {
  const sim = new SimLog();
  sim.disk.put('/log/00000000000000000000.log', bomb());
  const before = sim.content();
  const log = await sim.open({ readOnly: true });
  const { offsets, error } = await readUntilError(log);
  assert.deepEqual(offsets, []);
  assert.ok(hasCode(error, 'DECOMPRESSED_TOO_LARGE'), String(error));
  assert.deepEqual(sim.content(), before);
});
