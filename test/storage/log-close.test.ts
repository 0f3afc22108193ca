// Closing: once, in order, and with nothing left open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejection, settled, thrown } from '../support/fixtures.js';
import { fill, filledLog, names, readOffsets, readValues, SimLog } from '../support/log-fixture.js';

test('close: is idempotent, and nothing stays open', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 10);
  await readOffsets(log);
  await Promise.all([log.close(), log.close()]);
  await log.close();
  assert.deepEqual(sim.disk.openHandles(), []);
  assert.equal(sim.clock.pendingCount, 0);
  assert.equal(log.describe().state, 'closed');
});

test('close: what was accepted is stored', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const appended = log.append([{ value: 'v0' }]);
  log.tryAppend({ value: 'v1' });
  log.append([{ value: 'v2' }], { acks: 'none' });
  await log.close();
  assert.equal((await appended).baseOffset, 0);
  assert.deepEqual(await readValues(await sim.open()), names(3));
});

test('close: later calls say that the log is closed', async () => {
  const log = await filledLog(new SimLog(), 1);
  await log.close();
  await rejection(log.append([{ value: 'a' }]), 'LOG_CLOSED');
  thrown(() => log.tryAppend({ value: 'a' }), 'LOG_CLOSED');
  await rejection(log.writable(), 'LOG_CLOSED');
  await rejection(log.flush(), 'LOG_CLOSED');
  thrown(() => log.read(), 'LOG_CLOSED');
  await rejection(log.deleteRecordsBefore(1), 'LOG_CLOSED');
  await rejection(log.alter({ segmentMs: 1 }), 'LOG_CLOSED');
});

test('close: appends that come while it runs are refused, those before are stored', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const before = log.append([{ value: 'v0' }]);
  const closing = log.close();
  await rejection(log.append([{ value: 'late' }]), 'LOG_CLOSED');
  await Promise.all([before, closing]);
  assert.deepEqual(await readValues(await sim.open()), names(1));
});

test('close: a reader in the middle of a read ends, and its file is closed', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 10)).close();
  for (let ticks = 0; ticks < 150; ticks++) {
    const log = await sim.open({ readOnly: true });
    const step = log.read().next();
    for (let tick = 0; tick < ticks; tick++) await undefined;
    await log.close();
    await step;
    await settled();
    assert.deepEqual(sim.disk.openHandles(), [], `closed after ${ticks} ticks`);
  }
});

test('asyncDispose: closes', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  await fill(log, names(1));
  await log[Symbol.asyncDispose]();
  assert.equal(log.describe().state, 'closed');
  assert.deepEqual(sim.disk.openHandles(), []);
});

test('close: gives the folder free for the next opener', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  await rejection(sim.open(), 'LOG_LOCKED');
  await log.close();
  await (await sim.open()).close();
});

test('close: while a deletion runs, waits for it', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 12);
  const deleted = log.deleteRecordsBefore(9);
  await log.close();
  assert.equal(await deleted, 9);
  assert.equal((await sim.open()).startOffset, 9);
});
