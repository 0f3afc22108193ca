// The append buffer when it is full: wait, reject, or undefined; bounded, in order.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Log } from '../../src/storage/log.js';
import { isPending, rejection, settled } from '../support/fixtures.js';
import { names, readValues, SimLog } from '../support/log-fixture.js';

const SMALL_BUFFER = { bufferBytes: 64 * 1024 };
const LARGE = Buffer.alloc(40_000, 'x');

/** Takes up the buffer within this tick, so nothing is given back yet. */
function fillBuffer(log: Log): Promise<unknown> {
  return log.append([{ value: LARGE }]);
}

test('tryAppend: gives offsets, then undefined when the buffer is full', async () => {
  const log = await new SimLog().open(SMALL_BUFFER);
  assert.equal(log.tryAppend({ value: 'a' }), 0);
  assert.equal(log.tryAppend({ value: LARGE }), 1);
  assert.equal(log.tryAppend({ value: LARGE }), undefined);
  await log.writable();
  assert.equal(log.tryAppend({ value: LARGE }), 2);
  assert.equal(await log.flush(2), 3);
});

test('writable: resolves at once while there is room', async () => {
  const log = await new SimLog().open();
  await log.writable();
  assert.equal(log.tryAppend({ value: 'a' }), 0);
});

test('tryAppend: a long row of records arrives whole and in order', async () => {
  const log = await new SimLog().open(SMALL_BUFFER);
  const expected = names(5000);
  for (const value of expected) {
    while (log.tryAppend({ value: value.padEnd(60, '.') }) === undefined) await log.writable();
  }
  await log.flush();
  assert.deepEqual(await readValues(log), expected);
});

test('overflow wait: appends take their turn and keep their order', async () => {
  const log = await new SimLog().open(SMALL_BUFFER);
  const expected = names(8);
  const appends = expected.map((value) => log.append([{ value: value.padEnd(30_000, '.') }]));
  const results = await Promise.all(appends);
  assert.deepEqual(
    results.map(({ baseOffset }) => baseOffset),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  assert.deepEqual(await readValues(log), expected);
});

test('overflow wait: memory changed while an append waits is stored as it was', async () => {
  const log = await new SimLog().open(SMALL_BUFFER);
  const value = Buffer.from('before'.padEnd(40_000, '.'));
  const first = fillBuffer(log);
  const waiting = log.append([{ value }]);
  value.fill('x');
  await Promise.all([first, waiting]);
  assert.equal((await readValues(log))[1], 'before');
});

test('overflow reject: a full buffer rejects at once and stores nothing', async () => {
  const log = await new SimLog().open({ ...SMALL_BUFFER, overflow: 'reject' });
  const first = fillBuffer(log);
  const error = await rejection(log.append([{ value: LARGE }]), 'BUFFER_FULL');
  assert.equal(error.retryable, true);
  await first;
  assert.equal(log.endOffset, 1);
});

test('overflow wait: one append more than may wait is rejected', async () => {
  const log = await new SimLog().open({ ...SMALL_BUFFER, waitingAppendsMax: 2 });
  const appends = [fillBuffer(log), fillBuffer(log), fillBuffer(log)];
  const error = await rejection(log.append([{ value: 'one more' }]), 'BUFFER_FULL');
  assert.equal(error.facts['waitingAppendsMax'], 2);
  await Promise.all(appends);
  assert.equal(log.endOffset, 3);
});

test('overflow wait: more bytes than may wait are rejected', async () => {
  const log = await new SimLog().open({ ...SMALL_BUFFER, waitingBytesMax: 50_000 });
  const appends = [fillBuffer(log), fillBuffer(log)];
  const error = await rejection(log.append([{ value: LARGE }]), 'BUFFER_FULL');
  assert.equal(error.facts['waitingBytesMax'], 50_000);
  await Promise.allSettled(appends);
});

test('tryAppend: does not overtake appends that wait', async () => {
  const log = await new SimLog().open(SMALL_BUFFER);
  const appends = [fillBuffer(log), log.append([{ value: 'waits'.padEnd(40_000, '.') }])];
  assert.equal(log.tryAppend({ value: 'small' }), undefined);
  await Promise.all(appends);
  await log.writable();
  assert.equal(log.tryAppend({ value: 'small' }), 2);
});

test('writable: waits while the buffer is full', async () => {
  const sim = new SimLog();
  const log = await sim.open(SMALL_BUFFER);
  assert.equal(log.tryAppend({ value: LARGE }), 0);
  assert.equal(log.tryAppend({ value: LARGE }), undefined);
  let isWritable = false;
  const writable = log.writable().then(() => {
    isWritable = true;
  });
  assert.equal(isWritable, false);
  await writable;
  assert.notEqual(log.tryAppend({ value: LARGE }), undefined);
});

test('close: appends that wait are stored first', async () => {
  const sim = new SimLog();
  const log = await sim.open(SMALL_BUFFER);
  const appends = names(4).map((value) => log.append([{ value: value.padEnd(40_000, '.') }]));
  await log.close();
  assert.equal((await Promise.all(appends)).length, 4);
  assert.deepEqual(await readValues(await sim.open()), names(4));
});

test('flush: one that asks for less than a later append resolves with it', async () => {
  const log = await new SimLog().open();
  await log.append([{ value: 'a' }], { acks: 'written' });
  const appended = log.append([{ value: 'b' }]);
  const flushed = log.flush(0);
  assert.equal(await isPending(Promise.all([appended, flushed])), false);
  await settled();
  assert.equal(log.durableOffset, 2);
});
