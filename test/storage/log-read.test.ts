// Reading: where a read begins, what it gives, where it ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batch } from '../../src/storage/batch.js';
import { rejection, settled, thrown } from '../support/fixtures.js';
import {
  fill,
  filledLog,
  names,
  nextValues,
  readOffsets,
  readRecords,
  readUntilError,
  readValues,
  recordsOf,
  SimLog,
  valuesIn,
  valuesOf,
} from '../support/log-fixture.js';

test('read: an empty log gives nothing', async () => {
  const log = await new SimLog().open();
  assert.deepEqual(await readOffsets(log), []);
});

test('read: from earliest gives everything, across segments', async () => {
  const log = await filledLog(new SimLog(), 20);
  assert.ok(log.describe().segments > 3);
  assert.deepEqual(await readValues(log, { from: 'earliest' }), names(20));
});

test('read: from latest gives nothing that is there', async () => {
  const log = await filledLog(new SimLog(), 5);
  assert.deepEqual(await readOffsets(log, { from: 'latest' }), []);
});

test('read: from every offset gives the rest', async () => {
  const log = await filledLog(new SimLog(), 20);
  const all = await readOffsets(log);
  for (let from = 0; from <= 20; from++) {
    assert.deepEqual(await readOffsets(log, { from }), all.slice(from), `from ${from}`);
  }
});

test('read: from an offset within a batch starts at that record', async () => {
  const log = await new SimLog().open();
  await log.append(recordsOf(10));
  assert.deepEqual(await readOffsets(log, { from: 7 }), [7, 8, 9]);
});

test('read: an offset beyond the end or before the start names both bounds', async () => {
  const log = await filledLog(new SimLog(), 10);
  await log.deleteRecordsBefore(3);
  for (const from of [2, 11]) {
    const { facts } = await rejection(readOffsets(log, { from }), 'OFFSET_OUT_OF_RANGE');
    assert.deepEqual([facts['offset'], facts['startOffset'], facts['endOffset']], [from, 3, 10]);
  }
});

test('read: without follow it ends at what was the end when it began', async () => {
  const log = await new SimLog().open();
  await fill(log, names(2));
  const reader = log.read();
  assert.deepEqual(await nextValues(reader), ['v0']);
  await fill(log, names(2, 2));
  assert.deepEqual(await nextValues(reader), ['v1']);
  assert.equal(await nextValues(reader), undefined);
});

test('read: durable readers see only what is synced, written ones see more', async () => {
  const log = await new SimLog().open();
  await fill(log, ['durable']);
  await log.append([{ value: 'written' }], { acks: 'written' });
  assert.deepEqual(await readValues(log), ['durable']);
  assert.deepEqual(await readValues(log, { durability: 'written' }), ['durable', 'written']);
});

test('read: checksums may be skipped', async () => {
  const log = await filledLog(new SimLog(), 10);
  assert.deepEqual(await readValues(log, { checkCrcs: false }), names(10));
});

test('read: options are checked when it is called', async () => {
  const log = await new SimLog().open();
  thrown(() => log.read({ onWaiting: Object(1) }), 'OPTION_INVALID');
  thrown(() => log.read({ from: -1 }), 'OPTION_INVALID');
  thrown(() => log.read({ from: 0.5 }), 'OPTION_INVALID');
  thrown(() => log.read({ from: { timestamp: Number.NaN } }), 'OPTION_INVALID');
  const misspelled: object = { form: 1 };
  thrown(() => log.read(misspelled), 'OPTION_UNKNOWN');
});

test('follow: sees records as they become durable', async () => {
  const log = await new SimLog().open();
  const reader = log.read({ follow: true });
  for (const value of names(5)) {
    const next = nextValues(reader);
    await log.append([{ value }]);
    assert.deepEqual(await next, [value]);
  }
  await reader.return?.();
});

test('follow: goes over segment bounds', async () => {
  const log = await filledLog(new SimLog(), 0);
  const reader = log.read({ follow: true });
  const seen: string[] = [];
  const reading = (async () => {
    for await (const batch of reader) {
      seen.push(...valuesIn(batch));
      if (seen.length === 20) break;
    }
  })();
  await fill(log, valuesOf(20));
  await reading;
  assert.deepEqual(seen, names(20));
});

test('follow: from latest sees only what comes', async () => {
  const log = await filledLog(new SimLog(), 3);
  const reader = log.read({ from: 'latest', follow: true });
  const next = nextValues(reader);
  await settled();
  await log.append([{ value: 'new' }]);
  assert.deepEqual(await next, ['new']);
});

test('follow: a durable reader forces a sync of what is only written', async () => {
  const sim = new SimLog();
  const log = await sim.open();
  const next = nextValues(log.read({ follow: true }));
  await settled();
  await log.append([{ value: 'a' }], { acks: 'written' });
  assert.deepEqual(await next, ['a']);
  assert.equal(log.durableOffset, 1);
});

test('follow: a reader of written records forces none', async () => {
  const log = await new SimLog().open();
  const next = nextValues(log.read({ follow: true, durability: 'written' }));
  await settled();
  await log.append([{ value: 'a' }], { acks: 'written' });
  assert.deepEqual(await next, ['a']);
  assert.equal(log.durableOffset, 0);
});

test('follow: the loop ends when the log closes', async () => {
  const log = await filledLog(new SimLog(), 3);
  const reader = log.read({ from: 'latest', follow: true });
  const next = reader.next();
  await settled();
  await log.close();
  assert.equal((await next).done, true);
});

test('read: with a bound on single reads, also of batches that are larger', async () => {
  const log = await new SimLog().open({ segmentBytes: 1024 * 1024 });
  const values = Array.from({ length: 40 }, (_, index) => String(index).repeat(index * 20 + 1));
  for (const value of values) await log.append([{ value }]);
  await log.append([{ value: 'x'.repeat(50_000) }]);
  assert.deepEqual(await readValues(log, { readBytesMax: 8 * 1024 }), [
    ...values,
    'x'.repeat(50_000),
  ]);
  for (const readBytesMax of [8 * 1024 - 1, 4 * 1024 * 1024 + 1, 0.5]) {
    thrown(() => log.read({ readBytesMax }), 'OPTION_INVALID');
  }
});

test('signal: aborting a reader that waits rejects with the reason', async () => {
  const log = await new SimLog().open();
  const controller = new AbortController();
  const next = log.read({ follow: true, signal: controller.signal }).next();
  await settled();
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(next, reason);
});

test('signal: aborting between two steps ends the loop at the next one', async () => {
  const sim = new SimLog();
  await (await filledLog(sim, 10)).close();
  const log = await sim.open();
  const controller = new AbortController();
  const reader = log.read({ signal: controller.signal });
  await reader.next();
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(reader.next(), reason);
  assert.equal((await reader.next()).done, true);
});

test('signal: one that is aborted already gives nothing', async () => {
  const log = await filledLog(new SimLog(), 1);
  const { error } = await readUntilError(log, { signal: AbortSignal.abort('no') });
  assert.equal(error, 'no');
});

test('records: stay as they are while the reader goes on', async () => {
  const log = await filledLog(new SimLog(), 30);
  const kept: Buffer[] = [];
  for await (const batch of log.read()) {
    for (const record of batch) if (record.value !== null) kept.push(record.value);
  }
  const shown = kept.map((value) => value.toString().replace(/\.+$/, ''));
  assert.deepEqual(shown, names(30));
});

test('cursor: walks every record, and a batch that was stepped over is ended', async () => {
  const log = await filledLog(new SimLog(), 12);
  const offsets: number[] = [];
  const batches: Batch[] = [];
  for await (const batch of log.read()) {
    batches.push(batch);
    for (const cursor = batch.cursor(); cursor.next(); ) offsets.push(cursor.offset);
  }
  assert.deepEqual(
    offsets,
    (await readRecords(log)).map(({ offset }) => offset),
  );
  thrown(() => batches[0]?.cursor(), 'BATCH_ENDED');
});

test('hold: a batch keeps its bytes until it is released, also when the read is over', async () => {
  const log = await filledLog(new SimLog(), 60);
  const held: Batch[] = [];
  for await (const batch of log.read()) {
    batch.hold();
    held.push(batch);
    // Other reads, which take what memory there is.
    for await (const other of log.read()) other.cursor().next();
  }
  const offsets: number[] = [];
  for (const batch of held) {
    for (const cursor = batch.cursor(); cursor.next(); ) offsets.push(cursor.offset);
  }
  assert.deepEqual(offsets, await readOffsets(log));
  for (const batch of held) batch.release();
  thrown(() => held[0]?.cursor(), 'BATCH_ENDED');
});

test('hold: records of a batch that was released stay as they are', async () => {
  const log = await filledLog(new SimLog(), 30);
  const held: Batch[] = [];
  for await (const batch of log.read()) {
    batch.hold();
    held.push(batch);
  }
  for (const batch of held) batch.release();
  for await (const other of log.read()) other.cursor().next();
  assert.deepEqual(held.flatMap(valuesIn), await readValues(log));
});

test('break: nothing stays pinned or open', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 20);
  for await (const _batch of log.read()) break;
  await log.deleteRecordsBefore(20);
  await settled();
  assert.deepEqual(sim.segments().length, 1);
  await log.close();
  assert.deepEqual(sim.disk.openHandles(), []);
});

test('an error in the loop body releases what the reader held', async () => {
  const sim = new SimLog();
  const log = await filledLog(sim, 20);
  const boom = new Error('boom');
  await assert.rejects(async () => {
    for await (const _batch of log.read()) throw boom;
  }, boom);
  await log.deleteRecordsBefore(20);
  await settled();
  assert.equal(sim.segments().length, 1);
});

test('a slow reader does not keep the log in memory', async () => {
  const log = await new SimLog().open({ segmentBytes: 1024 * 1024, bufferBytes: 64 * 1024 });
  const reader = log.read({ follow: true });
  const first = nextValues(reader);
  await fill(log, valuesOf(1));
  await first;
  const before = process.memoryUsage().arrayBuffers;
  const value = Buffer.alloc(60_000, 'x');
  for (let round = 0; round < 100; round++) await log.append([{ value }], { acks: 'written' });
  const heldBytes = process.memoryUsage().arrayBuffers - before;
  await log.close();
  // The disk of the simulation holds these 6 MB itself; a second time would be the log's.
  assert.ok(heldBytes < 60_000 * 100 * 1.8, `${heldBytes} bytes more are held`);
});
