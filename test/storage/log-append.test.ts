// Appending: what goes in comes out, with dense offsets, once per record.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rejection, settled, thrown } from '../support/fixtures.js';
import {
  fill,
  names,
  readOffsets,
  readRecords,
  readValues,
  recordsOf,
  SimLog,
} from '../support/log-fixture.js';

test('append: keys, values, headers and timestamps come back', async () => {
  const log = await new SimLog().open();
  await log.append([
    { key: 'k', value: 'v', headers: [{ key: 'h', value: 'w' }, { key: 'n' }], timestamp: 5 },
    { key: Buffer.from('bytes'), value: new Uint8Array([0x61]), timestamp: 6 },
  ]);
  assert.deepEqual(await readRecords(log), [
    { offset: 0, timestamp: 5, key: 'k', value: 'v', headers: { h: 'w', n: null } },
    { offset: 1, timestamp: 6, key: 'bytes', value: 'a', headers: {} },
  ]);
});

test('append: null and empty are told apart', async () => {
  const log = await new SimLog().open();
  await log.append([{ key: null, value: '' }, { key: '', value: null }, {}]);
  const pairs = (await readRecords(log)).map(({ key, value }) => [key, value]);
  assert.deepEqual(pairs, [
    [null, ''],
    ['', null],
    [null, null],
  ]);
});

test('append: a record without a timestamp gets the time of the append', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  sim.clock.advance(1234);
  await log.append([{ value: 'a' }]);
  const [record] = await readRecords(log);
  assert.equal(record?.timestamp, sim.clock.nowMs());
});

test('append: the result names the first and the last offset, and offsets are dense', async () => {
  const log = await new SimLog().open();
  const isDuplicate = false;
  assert.deepEqual(await log.append(recordsOf(3)), { baseOffset: 0, lastOffset: 2, isDuplicate });
  assert.deepEqual(await log.append(recordsOf(1)), { baseOffset: 3, lastOffset: 3, isDuplicate });
  assert.deepEqual(await readOffsets(log), [0, 1, 2, 3]);
  assert.equal(log.endOffset, 4);
  assert.equal(log.durableOffset, 4);
});

test('append: appends of one tick join one batch', async () => {
  const log = await new SimLog().open();
  await Promise.all(names(5).map((value) => log.append([{ value }])));
  const counts: number[] = [];
  for await (const batch of log.read()) counts.push(batch.count);
  assert.deepEqual(counts, [5]);
  assert.deepEqual(await readValues(log), names(5));
});

test('append: appends that are awaited are batches of their own', async () => {
  const log = await new SimLog().open();
  await fill(log, names(3));
  const counts: number[] = [];
  for await (const batch of log.read()) counts.push(batch.count);
  assert.deepEqual(counts, [1, 1, 1]);
});

test('append: memory changed right after the call is stored as it was', async () => {
  const log = await new SimLog().open();
  const value = Buffer.from('before');
  const appended = log.append([{ key: value, value, headers: [{ key: 'h', value }] }]);
  value.fill('x');
  await appended;
  const [record] = await readRecords(log);
  assert.deepEqual([record?.key, record?.value, record?.headers['h']], Array(3).fill('before'));
});

test('append: a record over the limit is refused with its index', async () => {
  const log = await new SimLog().open({ recordBytesMax: 100 });
  const error = await rejection(
    log.append([{ value: 'ok' }, { value: 'x'.repeat(101) }]),
    'RECORD_TOO_LARGE',
  );
  assert.equal(error.facts['index'], 1);
  assert.equal(log.endOffset, 0);
});

test('append: a record of exactly the limit is stored', async () => {
  const log = await new SimLog().open({ recordBytesMax: 100 });
  // Two bytes of length, one each of attributes, timestamp, offset, key and headers, two of size.
  await log.append([{ value: 'x'.repeat(91) }]);
  const error = await rejection(log.append([{ value: 'x'.repeat(92) }]), 'RECORD_TOO_LARGE');
  assert.equal(error.facts['actual'], 101);
});

test('append: a batch over the limit is refused', async () => {
  const log = await new SimLog().open({ recordBytesMax: 1024, batchBytesMax: 2048 });
  await rejection(log.append(recordsOf(3, 900)), 'BATCH_TOO_LARGE');
  await log.append(recordsOf(2, 900));
  assert.equal(log.endOffset, 2);
});

test('append: what is no list of records is refused', async () => {
  const log = await new SimLog().open();
  await rejection(log.append([]), 'RECORD_INVALID');
  await rejection(log.append([{ timestamp: -1 }]), 'RECORD_INVALID');
  thrown(() => log.tryAppend({ timestamp: 0.5 }), 'RECORD_INVALID');
  assert.equal(log.endOffset, 0);
});

test('append: a record larger than a slab is stored whole', async () => {
  const log = await new SimLog().open();
  const value = 'x'.repeat(700_000);
  await log.append([{ value: 'small' }]);
  await log.append([{ value }]);
  const [, large] = await readRecords(log);
  assert.equal(large?.value, value);
});

for (const compression of ['gzip', 'snappy', 'lz4'] as const) {
  test(`append: what ${compression} packs comes back`, async () => {
    const sim = new SimLog();
    const log = await sim.open({ compression });
    for (let round = 0; round < 3; round++) await log.append(recordsOf(100, 200));
    assert.equal((await readOffsets(log)).length, 300);
    assert.ok(sim.disk.readAll(sim.path(0, 'log')).length < 30_000);
  });
}

test('append: acks written resolves before any sync, acks none before any write', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  await log.append([{ value: 'durable' }]);
  await log.append([{ value: 'a' }], { acks: 'written' });
  assert.deepEqual([log.durableOffset, log.describe().writtenOffset], [1, 2]);
  await log.append([{ value: 'b' }], { acks: 'none' });
  assert.equal(log.endOffset, 3);
  await log.flush();
  assert.equal(log.durableOffset, 3);
});

test('append: what is only written is synced after flushMs', async () => {
  const sim = new SimLog();
  const log = await sim.open({ flushMs: 200 });
  await log.append([{ value: 'a' }], { acks: 'written' });
  sim.clock.advance(199);
  await settled();
  assert.equal(log.durableOffset, 0);
  sim.clock.advance(1);
  await settled();
  assert.equal(log.durableOffset, 1);
});

test('append: what nobody waits for is synced after flushMs too', async () => {
  const sim = new SimLog();
  const log = await sim.open({ flushMs: 200 });
  await log.append([{ value: 'a' }], { acks: 'none' });
  await settled();
  assert.equal(log.describe().writtenOffset, 1);
  sim.clock.advance(200);
  await settled();
  assert.equal(log.durableOffset, 1);
});

test('append: what is only written is synced once flushBytes are waiting', async () => {
  const log = await new SimLog().open({ flushBytes: 1000 });
  await log.append(recordsOf(1, 400), { acks: 'written' });
  await settled();
  assert.equal(log.durableOffset, 0);
  await log.append(recordsOf(2, 400), { acks: 'written' });
  await settled();
  assert.equal(log.durableOffset, 3);
});

test('append: a durable append makes the written ones before it durable', async () => {
  const log = await new SimLog().open();
  await log.append([{ value: 'a' }], { acks: 'written' });
  await log.append([{ value: 'b' }]);
  assert.equal(log.durableOffset, 2);
});

test('flush: resolves to the durable end once an offset is on the disk', async () => {
  const log = await new SimLog().open();
  await log.append(recordsOf(3), { acks: 'written' });
  assert.equal(await log.flush(1), 3);
  assert.equal(await log.flush(), 3);
});

test('flush: an offset that was not assigned is out of range', async () => {
  const log = await new SimLog().open();
  await log.append(recordsOf(2));
  const { facts } = await rejection(log.flush(2), 'OFFSET_OUT_OF_RANGE');
  assert.deepEqual([facts['offset'], facts['startOffset'], facts['endOffset']], [2, 0, 2]);
  await rejection(log.flush(-1), 'OPTION_INVALID');
});
