// What no caller of the right types does, and JavaScript lets everybody do; what is asked of a
// folder that is not there, of a log that is closed, and of a holder by another process.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { publishFlush } from '../../src/storage/append-commit.js';
import { checkMarker, checkProducer } from '../../src/storage/append-options.js';
import { dumpFile, dumpLog } from '../../src/storage/dump.js';
import { serveHolder } from '../../src/storage/holder-service.js';
import { checkReadOptions } from '../../src/storage/read-options.js';
import { repairLog } from '../../src/storage/repair.js';
import { inspectLog } from '../../src/storage/verify-inspection.js';
import { rejection, thrown } from '../support/fixtures.js';
import { DIRECTORY, SimLog } from '../support/log-fixture.js';

/** A call with arguments that the types forbid. */
function foreign(call: unknown, ...given: unknown[]): unknown {
  assert.ok(typeof call === 'function');
  return Reflect.apply(call, undefined, given);
}

test('read: an option of another type is refused, by its name', () => {
  for (const [option, value] of [
    ['durability', 'synced'],
    ['isolation', 'none'],
    ['signal', {}],
    ['onWaiting', 'later'],
    ['readBytesMax', 1.5],
    ['follow', 1],
    ['checkCrcs', 'yes'],
    ['control', null],
  ] as const) {
    if (value === null) continue;
    const error = thrown(() => foreign(checkReadOptions, { [option]: value }), 'OPTION_INVALID');
    assert.equal(error.facts['option'], option);
  }
});

test('append: what a producer says of itself is checked, field by field', () => {
  const stamp = { producerId: 1, producerEpoch: 0, baseSequence: 0 };
  for (const [option, value] of [
    ['producerId', -1],
    ['producerId', 0.5],
    ['producerId', 2n ** 63n],
    ['producerEpoch', 2 ** 15],
    ['baseSequence', -1],
    ['isTransactional', 'yes'],
  ] as const) {
    const call = () => foreign(checkProducer, { ...stamp, [option]: value });
    assert.equal(thrown(call, 'OPTION_INVALID').facts['option'], option);
  }
  const marker = { producerId: 1, producerEpoch: 0, kind: 'commit', coordinatorEpoch: 0 };
  for (const [option, value] of [
    ['kind', 'maybe'],
    ['coordinatorEpoch', 2 ** 31],
  ] as const) {
    const call = () => foreign(checkMarker, { ...marker, [option]: value });
    assert.equal(thrown(call, 'OPTION_INVALID').facts['option'], option);
  }
});

test('append: a list with a hole, and what is no list, are refused', async () => {
  const log = await new SimLog().open();
  const append = (records: unknown) => foreign(log.append.bind(log), records);
  for (const records of [[undefined], [{ value: 'a' }, undefined], 'text', undefined]) {
    const call = async () => await append(records);
    await rejection(call(), 'RECORD_INVALID');
  }
  const call = async () => await foreign(log.appendBatch.bind(log), 'text');
  await rejection(call(), 'BATCH_INVALID');
  await log.close();
});

test('what is asked of a folder without a log is refused', async () => {
  const sim = new SimLog();
  const { environment } = sim;
  const { fileSystem } = environment;
  const lines = async () => {
    for await (const line of dumpLog(DIRECTORY, { fileSystem })) assert.fail(String(line));
  };
  await rejection(lines(), 'LOG_NOT_FOUND');
  const fileLines = async () => {
    for await (const line of dumpFile(sim.path('log.json'), { fileSystem })) {
      assert.fail(String(line));
    }
  };
  await rejection(fileLines(), 'LOG_NOT_FOUND');
  await rejection(repairLog(DIRECTORY, { environment, acceptLoss: false }), 'LOG_NOT_FOUND');
  await rejection(inspectLog(fileSystem, DIRECTORY, {}), 'LOG_NOT_FOUND');
});

test('a log that is closed says so, whatever is asked', async () => {
  const log = await new SimLog().open();
  await log.append([{ value: 'a' }]);
  await log.close();
  await rejection(log.stats(), 'LOG_CLOSED');
  await rejection(log.compact(), 'LOG_CLOSED');
  const read = async () => {
    for await (const batch of log.read()) assert.fail(String(batch));
  };
  await rejection(read(), 'LOG_CLOSED');
});

test('holder: each request of another process is carried out on the log', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const held = {
    describe: () => ({ state: 'open' }),
    append: log.append.bind(log),
    deleteRecordsBefore: log.deleteRecordsBefore.bind(log),
    alter: log.alter.bind(log),
    stats: log.stats.bind(log),
    compact: log.compact.bind(log),
    retain: log.retain.bind(log),
  };
  const values = async (request: Parameters<typeof serveHolder>[1]) => {
    const reply = await serveHolder(held, request);
    assert.ok(reply.ok);
    return reply.values;
  };
  assert.deepEqual(await values({ kind: 'describe' }), { state: 'open' });
  const records = [{ value: 'a' }, { value: 'b' }];
  assert.deepEqual(await values({ kind: 'append', records }), { baseOffset: 0, lastOffset: 1 });
  assert.deepEqual(await values({ kind: 'deleteRecordsBefore', offset: 1 }), { startOffset: 1 });
  assert.deepEqual(await values({ kind: 'alter', options: { segmentMs: 60_000 } }), {});
  assert.equal(log.describe().options.segmentMs, 60_000);
  assert.equal((await values({ kind: 'retain' }))['segments'], 0);
  const asked = serveHolder(held, { kind: 'createTopic', topic: 'a', options: {} });
  await rejection(asked, 'NOT_A_BROKER');
  await log.close();
});

test('flush: who listens is told, and told again when it was slow', () => {
  const told: [string, unknown][] = [];
  const listen = (message: unknown, name: string | symbol) => {
    told.push([String(name), message]);
  };
  const names = ['millrace:log:flush', 'millrace:log:slow-flush'];
  const commit = {
    offset: 5,
    at: { segmentBase: 0, position: 100 },
    startedMs: 1000,
    bytes: 100,
    batches: 2,
  };
  publishFlush('a', commit, () => 1010);
  for (const name of names) subscribe(name, listen);
  publishFlush('a', commit, () => 1999);
  publishFlush('a', commit, () => 2000);
  for (const name of names) unsubscribe(name, listen);
  publishFlush('a', commit, () => 1010);
  const flushed = { path: 'a', durableEnd: 5, batchCount: 2, bytes: 100 };
  assert.deepEqual(told, [
    ['millrace:log:flush', { ...flushed, durationMs: 999 }],
    ['millrace:log:flush', { ...flushed, durationMs: 1000 }],
    ['millrace:log:slow-flush', { path: 'a', bytes: 100, durationMs: 1000, thresholdMs: 1000 }],
  ]);
});
