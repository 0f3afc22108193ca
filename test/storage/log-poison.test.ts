// Failed writes and syncs: the outcome is unknown, nothing is written any more, reads go on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPending, rejection, settled, thrown } from '../support/fixtures.js';
import { fill, filledLog, names, readValues, SimLog, valuesOf } from '../support/log-fixture.js';
import { crashNone } from '../support/sim-crash.js';
import type { SimFault } from '../support/sim-file-system.js';

const syncFails: SimFault = { name: 'datasync', path: '.log', errno: 'EIO' };
const writeFails: SimFault = { name: 'write', path: '.log', errno: 'EIO' };

for (const [what, fault] of Object.entries({ sync: syncFails, write: writeFails })) {
  test(`a failed ${what}: the append's outcome is unknown, later ones are refused`, async () => {
    const sim = new SimLog();
    const log = await filledLog(sim, 3);
    sim.disk.fail(fault);
    const error = await rejection(log.append([{ value: 'lost' }]), 'OUTCOME_UNKNOWN');
    assert.equal(error.facts['errno'], 'EIO');
    await rejection(log.append([{ value: 'a' }]), 'LOG_POISONED');
    thrown(() => log.tryAppend({ value: 'a' }), 'LOG_POISONED');
    await rejection(log.writable(), 'LOG_POISONED');
    await rejection(log.flush(), 'LOG_POISONED');
    await rejection(log.deleteRecordsBefore(1), 'LOG_POISONED');
    assert.equal(log.describe().state, 'poisoned');
  });

  test(`a failed ${what}: durable records are still read`, async () => {
    const sim = new SimLog();
    const log = await filledLog(sim, 10);
    sim.disk.fail(fault);
    await rejection(log.append([{ value: 'lost' }]), 'OUTCOME_UNKNOWN');
    assert.deepEqual(await readValues(log), names(10));
  });

  test(`a failed ${what}: the next open recovers all that was acknowledged`, async () => {
    const sim = new SimLog();
    const log = await filledLog(sim, 10);
    sim.disk.fail(fault);
    await rejection(log.append([{ value: 'lost' }]), 'OUTCOME_UNKNOWN');
    await log.close();
    assert.deepEqual(sim.disk.openHandles(), []);
    for (const later of [sim.kill(), sim.crash(crashNone)]) {
      const reopened = await later.open();
      const values = await readValues(reopened);
      assert.deepEqual(values.slice(0, 10), names(10));
      await fill(reopened, ['next']);
      const end = await readValues(await later.crash(crashNone).open());
      assert.deepEqual(end, [...values, 'next']);
    }
  });
}

test('a failed sync: it is not tried again', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 3);
  sim.disk.fail(syncFails);
  const before = sim.disk.callCount;
  await rejection(log.append([{ value: 'lost' }]), 'OUTCOME_UNKNOWN');
  sim.clock.advance(100_000);
  await settled();
  await log.close();
  const syncs = sim.disk.calls
    .slice(before)
    .filter(({ name, path }) => name === 'datasync' && path.endsWith('.log'));
  assert.equal(syncs.length, 1);
});

test('a failed sync: what was only written and not acknowledged is unknown too', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  await log.append([{ value: 'written' }], { acks: 'written' });
  sim.disk.fail(syncFails);
  await rejection(log.flush(), 'OUTCOME_UNKNOWN');
  assert.deepEqual(await readValues(log), names(1));
});

test('a failed sync: a flush that waits behind a larger one is not forgotten', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  const before = sim.disk.callCount;
  const first = log.append([{ value: 'v1' }]);
  while (!sim.disk.calls.slice(before).some(({ name }) => name === 'datasync')) await undefined;
  const second = log.append([{ value: 'lost' }]);
  const flushed = log.flush(1);
  sim.disk.fail(syncFails);
  await first;
  await rejection(second, 'OUTCOME_UNKNOWN');
  assert.equal(await isPending(flushed), false);
  assert.equal(await flushed, 2);
});

test('a failed sync of the watermark: the log is poisoned', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  sim.disk.fail({ name: 'datasync', path: 'watermark', errno: 'EIO' });
  sim.clock.advance(50);
  await settled();
  await rejection(log.append([{ value: 'a' }]), 'LOG_POISONED');
  assert.deepEqual(await readValues(log), names(1));
});

test('a failed write of the watermark: the outcome is unknown', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  sim.disk.fail({ name: 'write', path: 'watermark', errno: 'ENOSPC' });
  await rejection(log.append([{ value: 'a' }]), 'OUTCOME_UNKNOWN');
  assert.equal(log.describe().state, 'poisoned');
});

test('a failed sync at a roll: the log is poisoned', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 4);
  sim.disk.fail(syncFails);
  await rejection(log.append([{ value: 'x'.repeat(900) }]), 'OUTCOME_UNKNOWN');
  assert.deepEqual(await readValues(log), names(4));
  await log.close();
  assert.deepEqual((await readValues(await sim.open())).slice(0, 4), names(4));
});

test('a failed cut: the log is poisoned', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 2);
  sim.disk.fail({ name: 'write', path: '.log', errno: 'ENOSPC' });
  sim.disk.fail({ name: 'truncate', path: '.log', errno: 'EIO' });
  await rejection(log.append([{ value: 'lost' }]), 'OUTCOME_UNKNOWN');
  await rejection(log.append([{ value: 'a' }]), 'LOG_POISONED');
  assert.deepEqual(await readValues(log), names(2));
});

test('an epoch that cannot be raised: the append is refused, the log is poisoned', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 2)).close();
  const log = await sim.open();
  sim.disk.fail({ name: 'datasync', path: 'leader-epoch', errno: 'EIO' });
  await rejection(log.append([{ value: 'a' }]), 'LOG_POISONED');
  await log.close();
  assert.deepEqual(await readValues(await sim.open()), names(2));
});

test('a start that cannot be made durable: the deletion fails, the log is poisoned', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 6);
  sim.disk.fail({ name: 'datasync', path: 'watermark', errno: 'EIO' });
  await rejection(log.deleteRecordsBefore(5), 'LOG_POISONED');
  assert.deepEqual(sim.segments(), [0, 4]);
  await log.close();
});

test('a short write: is completed', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 1);
  for (const short of ['less-one', 'half', 'one', 'zero'] as const) {
    sim.disk.fail({ name: 'write', path: '.log', short });
  }
  await fill(log, valuesOf(4, 1000, 1));
  assert.deepEqual(await readValues(await sim.kill().open()), names(5));
});

test('a failed read: names the file, and the next read works', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 10)).close();
  const log = await sim.open();
  sim.disk.fail({ name: 'readerRead', path: '.log', errno: 'EIO' });
  const { facts } = await rejection(readValues(log), 'IO_FAILED');
  assert.equal(facts['path'], sim.path(0, 'log'));
  assert.deepEqual(await readValues(log), names(10));
});
