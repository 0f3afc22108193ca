import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { limits } from '../../src/base/limits.js';
import { inspectBatch, verifyRecords } from '../../src/storage/batch-decoder.js';
import { BatchBuilder } from '../../src/storage/batch-encoder.js';
import {
  HEADER_BYTES,
  RECORD_BYTES_MIN,
  RECORD_OVERHEAD_BYTES_MAX,
} from '../../src/storage/batch-format.js';
import {
  batchBaseSequence,
  batchBytes,
  batchCount,
  batchProducerEpoch,
  batchProducerId,
  batchProducerIdExact,
  isControlBatch,
  isLogAppendTimeBatch,
  isTransactionalBatch,
} from '../../src/storage/batch-header.js';
import { recordBytes } from '../../src/storage/batch-record-size.js';
import { batchOf, readAll } from '../support/batch-fixtures.js';

const SLAB_BYTES = 64 * 1024;

test('batch builder: a record that does not fit is refused and changes nothing', () => {
  for (const target of [Buffer.alloc(SLAB_BYTES), Buffer.from(new SharedArrayBuffer(SLAB_BYTES))]) {
    const first = recordBytes(null, 'first', undefined);
    const builder = new BatchBuilder();
    const limit = HEADER_BYTES + first + 20;
    builder.begin(target, 0, limit, 0, 0);
    assert.equal(builder.add(null, 'first', undefined, 1), true);
    target.fill(0xaa, HEADER_BYTES + first);
    assert.equal(builder.add(null, 'x'.repeat(20), undefined, 9), false);
    assert.deepEqual([builder.count, builder.bytes], [1, HEADER_BYTES + first]);
    assert.deepEqual([builder.nextOffset, builder.maxTimestamp], [1, 1]);
    assert.equal(builder.finish(), HEADER_BYTES + first);
    assert.equal(inspectBatch(target, 0, target.length), 'batch');
    assert.deepEqual([...new Set(target.subarray(HEADER_BYTES + first))], [0xaa]);
  }
});

test('batch builder: a batch may fill its range to the last byte', () => {
  const bytes = recordBytes('k', 'value', undefined);
  const target = Buffer.alloc(100 + HEADER_BYTES + bytes + 100, 0xaa);
  const limit = 100 + HEADER_BYTES + bytes;
  const builder = new BatchBuilder();
  builder.begin(target, 100, limit - 1, 0, 0);
  assert.equal(builder.add('k', 'value', undefined, 1), false);
  builder.abandon();
  builder.begin(target, 100, limit, 0, 0);
  assert.equal(builder.add('k', 'value', undefined, 1), true);
  assert.equal(100 + builder.finish(), limit);
  assert.equal(target[99], 0xaa);
  assert.equal(target[limit], 0xaa);
});

test('batch builder: counts, offsets and largest timestamp follow the records', () => {
  const builder = new BatchBuilder();
  assert.equal(builder.isOpen, false);
  builder.begin(Buffer.alloc(1000), 0, 1000, 41, 0);
  assert.deepEqual([builder.isOpen, builder.count, builder.nextOffset], [true, 0, 41]);
  assert.deepEqual([builder.bytes, builder.maxTimestamp], [HEADER_BYTES, -1]);
  builder.add(null, 'a', undefined, 50);
  builder.add(null, 'b', undefined, 70);
  builder.add(null, 'c', undefined, 60);
  assert.deepEqual([builder.count, builder.nextOffset, builder.maxTimestamp], [3, 44, 70]);
  builder.finish();
  assert.deepEqual([builder.isOpen, builder.nextOffset], [false, 44]);
});

test('batch builder: the fields of a producer are written, and gone in the next batch', () => {
  const target = Buffer.alloc(1000);
  const builder = new BatchBuilder();
  const producerId = 2n ** 62n + 1n;
  builder.begin(target, 0, 500, 0, 0);
  builder.producer({
    producerId,
    producerEpoch: 3,
    baseSequence: 77,
    isTransactional: true,
    timestampType: 'log-append',
  });
  builder.add(null, 'a', undefined, 50);
  builder.finish();
  assert.equal(batchProducerIdExact(target, 0), producerId);
  assert.equal(batchProducerId(target, 0), Number.NaN);
  assert.deepEqual([batchProducerEpoch(target, 0), batchBaseSequence(target, 0)], [3, 77]);
  assert.deepEqual([isTransactionalBatch(target, 0), isControlBatch(target, 0)], [true, false]);
  assert.equal(isLogAppendTimeBatch(target, 0), true);

  builder.begin(target, 500, 1000, 1, 0);
  builder.add(null, 'a', undefined, 50);
  builder.finish();
  assert.equal(batchProducerId(target, 500), -1);
  assert.deepEqual([batchProducerEpoch(target, 500), batchBaseSequence(target, 500)], [-1, -1]);
  assert.deepEqual(
    [isTransactionalBatch(target, 500), isLogAppendTimeBatch(target, 500)],
    [false, false],
  );
});

test('batch builder: a batch that is abandoned leaves the builder ready', () => {
  const target = Buffer.from(new SharedArrayBuffer(1000)).fill(0xaa);
  const builder = new BatchBuilder();
  builder.begin(target, 200, 1000, 0, 0);
  builder.add(null, 'gone'.repeat(40), undefined, 50);
  builder.abandon();
  assert.equal(builder.isOpen, false);
  builder.begin(target, 200, 1000, 0, 0);
  builder.add(null, 'kept', undefined, 60);
  builder.finish();
  assert.deepEqual(
    readAll(target, 200).map((record) => [record.value, record.timestamp]),
    [['kept', 60]],
  );
  assert.deepEqual([...new Set(target.subarray(0, 200))], [0xaa]);
});

test('batch builder: calls out of order, and ranges without room, are bugs', () => {
  const target = Buffer.alloc(1000);
  const builder = new BatchBuilder();
  assert.throws(() => builder.finish(), InvariantViolation);
  assert.throws(() => builder.add(null, null, undefined, 0), InvariantViolation);
  assert.throws(() => builder.abandon(), InvariantViolation);
  assert.throws(() => builder.begin(target, 0, HEADER_BYTES - 1, 0, 0), InvariantViolation);
  assert.throws(() => builder.begin(target, 0, 1001, 0, 0), InvariantViolation);
  assert.throws(() => builder.begin(target, 0, 1000, -1, 0), InvariantViolation);
  assert.throws(() => builder.begin(target, 0, 1000, limits.offsetMax + 1, 0), InvariantViolation);
  builder.begin(target, 0, 1000, 0, 0);
  assert.throws(() => builder.begin(target, 0, 1000, 0, 0), InvariantViolation);
  assert.throws(() => builder.finish(), InvariantViolation, 'a batch without records');
});

test('batch builder: a value of an unknown kind breaks the call and not the batch', () => {
  const target = Buffer.from(new SharedArrayBuffer(1000));
  const builder = new BatchBuilder();
  builder.begin(target, 0, 1000, 0, 0);
  builder.add(null, 'before', undefined, 1);
  assert.throws(() => builder.add(null, 5 as unknown as string, undefined, 1));
  builder.add(null, 'after', undefined, 1);
  builder.finish();
  assert.deepEqual(
    readAll(target).map((record) => record.value),
    ['before', 'after'],
  );
});

test('batch builder: batches of one to ten thousand records read back', () => {
  for (const count of [1, 2, 63, 64, 65, 1000, 10_000]) {
    const values = Array.from({ length: count }, (_, index) => `value ${index}`);
    const bytes = batchOf(
      values.map((value) => ({ value })),
      { baseOffset: 1_000_000 },
    );
    assert.equal(batchCount(bytes, 0), count);
    assert.equal(batchBytes(bytes, 0), bytes.length);
    assert.deepEqual(verifyRecords(bytes, 0), { outcome: 'valid' });
    const records = readAll(bytes);
    assert.deepEqual(
      records.map((record) => record.value),
      values,
    );
    assert.deepEqual([records[0]?.offset, records.at(-1)?.offset], [1_000_000, 999_999 + count]);
  }
});

test('batch builder: sizes around every threshold of copying arrive whole', () => {
  const sizes = [0, 1, 11, 12, 13, 27, 28, 29, 63, 64, 191, 192, 193, 8191, 8192, 16_383, 16_384];
  const builder = new BatchBuilder();
  for (const target of [Buffer.alloc(1 << 20), new Uint8Array(new SharedArrayBuffer(1 << 20))]) {
    builder.begin(target, 3, target.length, 0, 0);
    for (const size of [...sizes, 70_000]) {
      const text = 'abcdefghij'.repeat(size / 10 + 1).slice(0, size);
      assert.ok(builder.add(text, Buffer.from(text), undefined, 0));
      assert.ok(builder.add(Buffer.from(text), `é${text}`, [{ key: text, value: text }], 0));
    }
    builder.finish();
    const records = readAll(target, 3);
    for (const [index, size] of [...sizes, 70_000].entries()) {
      const text = 'abcdefghij'.repeat(size / 10 + 1).slice(0, size);
      const [plain, second] = records.slice(2 * index);
      assert.deepEqual([plain?.key, plain?.value], [text, text]);
      assert.deepEqual([second?.key, second?.value], [text, `é${text}`]);
      assert.deepEqual(second?.headers, [{ key: text, value: text }]);
    }
  }
});

test('batch builder: timestamps may fall and lie far apart', () => {
  const max = Number.MAX_SAFE_INTEGER;
  for (const timestamps of [
    [0, max],
    [max, 0],
    [max, 0, max, 1, 2 ** 31, 2 ** 52, 63, 64],
    [1.7e12, 1.7e12 - 64, 1.7e12 - 65, 1.7e12 + 63, 1.7e12 + 64, 1.7e12 + 2 ** 30],
  ]) {
    const bytes = batchOf(timestamps.map((timestamp) => ({ timestamp })));
    assert.deepEqual(
      readAll(bytes).map((record) => record.timestamp),
      timestamps,
    );
  }
});

test('record size: the overhead constant bounds every record without headers', () => {
  const worst = recordBytes('k', 'v', undefined, Number.MAX_SAFE_INTEGER, limits.batchRecordsMax);
  assert.ok(worst - 2 <= RECORD_OVERHEAD_BYTES_MAX);
  assert.equal(recordBytes(null, null, undefined), RECORD_BYTES_MIN);
  const body = 1 + 1 + 1 + (1 + 2) + (1 + 63) + 1 + (1 + 1) + 1;
  assert.equal(recordBytes('é', Buffer.alloc(63), [{ key: 'h' }]), 2 + body);
});
