// The log on real files with the writer worker: what the simulation promises holds there too.

import assert from 'node:assert/strict';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Log } from '../../src/storage/log.js';
import { rejection } from '../support/fixtures.js';
import {
  fill,
  names,
  readRecords,
  readValues,
  recordsOf,
  valuesOf,
} from '../support/log-fixture.js';
import { tempDir } from '../support/temp-dir.js';

test('real files: appended, closed, opened and read', async (t) => {
  const directory = join(tempDir(t), 'a', 'b');
  const log = await Log.open(directory, { segmentBytes: 4096 });
  await log.append([{ key: 'k', value: null, headers: [{ key: 'h', value: 'w' }], timestamp: 3 }]);
  await fill(log, valuesOf(20));
  await log.close();
  const reopened = await Log.open(directory);
  const [first] = await readRecords(reopened);
  assert.deepEqual(first, { offset: 0, timestamp: 3, key: 'k', value: null, headers: { h: 'w' } });
  assert.deepEqual(await readValues(reopened, { from: 1 }), names(20));
  await reopened.close();
});

test('real files: many callers at once, each in order', async (t) => {
  const log = await Log.open(tempDir(t), { segmentBytes: 64 * 1024 });
  const appends = valuesOf(5000, 50).map((value) => log.append([{ value }]));
  const results = await Promise.all(appends);
  assert.ok(results.every(({ baseOffset }, index) => baseOffset === index));
  assert.deepEqual(await readValues(log), names(5000));
  await log.close();
});

test('real files: a follower in another opening sees what becomes durable', async (t) => {
  const directory = tempDir(t);
  const writer = await Log.open(directory);
  const reader = await Log.open(directory, { readOnly: true });
  const batches = reader.read({ follow: true });
  const next = batches.next();
  // Waiting at the end keeps no process alive, so the test does.
  const awake = setInterval(() => undefined, 1000);
  t.after(() => clearInterval(awake));
  await writer.append(recordsOf(2));
  const { value } = await next;
  assert.equal(value?.baseOffset, 0);
  await batches.return?.();
  await reader.close();
  await writer.close();
});

test('real files: a second opener is told who holds the log', async (t) => {
  const directory = tempDir(t);
  const log = await Log.open(directory);
  const { facts } = await rejection(Log.open(directory), 'LOG_LOCKED');
  assert.equal(facts['pid'], process.pid);
  await log.close();
  await (await Log.open(directory)).close();
});

test('real files: deleting from the front gives the space back', async (t) => {
  const directory = tempDir(t);
  const log = await Log.open(directory, { segmentBytes: 4096 });
  await fill(log, valuesOf(20));
  const before = log.describe().segments;
  await log.deleteRecordsBefore(18);
  assert.ok(log.describe().segments < before);
  await log.close();
  const reopened = await Log.open(directory);
  assert.equal(reopened.startOffset, 18);
  await reopened.close();
});

test('real files: a folder behind a symbolic link is opened', async (t) => {
  const parent = tempDir(t);
  const log = await Log.open(join(parent, 'real'));
  await fill(log, valuesOf(3));
  await log.close();
  symlinkSync('real', join(parent, 'link'));
  const linked = await Log.open(join(parent, 'link'));
  assert.deepEqual(await readValues(linked), names(3));
  await linked.close();
});
