import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import { Batch } from '../../src/storage/batch.js';
import { compressBatch } from '../../src/storage/batch-compress.js';
import type { BorrowedRecord } from '../../src/storage/batch-cursor.js';
import { HEADER_BYTES } from '../../src/storage/batch-format.js';
import { type BatchMemory, createBatchMemory } from '../../src/storage/batch-memory.js';
import type { RecordInput } from '../../src/storage/record.js';
import type { LogRecord } from '../../src/storage/record-view.js';
import { batchOf, readAll } from '../support/batch-fixtures.js';

const inputs: readonly RecordInput[] = [
  { key: 'a', value: 'one', timestamp: 10, headers: [{ key: 'h', value: 'v' }, { key: 'none' }] },
  { key: null, value: '', timestamp: 30 },
  { key: '', value: null, timestamp: 20 },
];

function open(
  records: readonly RecordInput[] = inputs,
  fromOffset = 0,
): { memory: BatchMemory; batch: Batch } {
  const memory = createBatchMemory(batchOf(records, { baseOffset: 50 }), 'a file', 0);
  return { memory, batch: new Batch(memory, 0, fromOffset) };
}

test('batch: records are views of the memory, which has then escaped', () => {
  const { memory, batch } = open();
  assert.deepEqual([memory.escaped, batch.isBorrowed], [false, false]);
  const records = [...batch];
  assert.deepEqual([memory.escaped, batch.isBorrowed], [true, false]);
  assert.equal(records[0]?.value?.buffer, memory.bytes.buffer);
  assert.deepEqual(
    records.map(({ offset, key, value }) => [offset, key?.toString(), value?.toString()]),
    [
      [50, 'a', 'one'],
      [51, undefined, ''],
      [52, '', undefined],
    ],
  );
  assert.deepEqual(records[0]?.headers, [
    { key: 'h', value: Buffer.from('v') },
    { key: 'none', value: null },
  ]);
});

test('batch: iterating twice gives the records twice', () => {
  const { batch } = open();
  assert.deepEqual([[...batch].length, [...batch].length], [3, 3]);
});

test('batch: a reader that starts within a batch gets the records from its offset on', () => {
  for (const [fromOffset, expected] of [
    [0, [50, 51, 52]],
    [50, [50, 51, 52]],
    [51, [51, 52]],
    [52, [52]],
    [53, []],
  ] as const) {
    const { batch } = open(inputs, fromOffset);
    assert.deepEqual(
      [...batch].map((record) => record.offset),
      expected,
    );
    const cursor = batch.cursor();
    const offsets: number[] = [];
    while (cursor.next()) offsets.push(cursor.offset);
    assert.deepEqual(offsets, expected);
    assert.equal(batch.count, 3);
  }
});

test('record: a copy has memory of its own, of exactly its size', () => {
  const { memory, batch } = open();
  const copies = [...batch].map((record) => record.copy());
  memory.bytes.fill(0xee);
  const [first, second, third] = copies;
  assert.deepEqual([first?.offset, first?.timestamp], [50, 10]);
  assert.deepEqual([first?.key?.toString(), first?.value?.toString()], ['a', 'one']);
  assert.deepEqual(first?.headers, [
    { key: 'h', value: Buffer.from('v') },
    { key: 'none', value: null },
  ]);
  assert.equal(first?.value?.buffer.byteLength, 'a'.length + 'one'.length + 4 + 6);
  assert.deepEqual([second?.key, second?.value?.length], [null, 0]);
  assert.deepEqual([third?.key?.length, third?.value], [0, null]);
});

test('record: what was read can be appended as it is', () => {
  const { batch } = open();
  const again = batchOf([...batch], { baseOffset: 50 });
  assert.deepEqual(readAll(again), readAll(batchOf(inputs, { baseOffset: 50 })));
});

test('record: a copy in shared memory has the same parts, whatever becomes of the batch', () => {
  const { memory, batch } = open();
  const records = [...batch];
  const sizes = records.map(({ contentBytes }) => contentBytes);
  const texts = records.map(({ keyText }) => keyText);
  const copies = records.map((record) => record.copyShared());
  const again = copies.map((record) => record.copyShared().copy());
  const partsOf = (record: (typeof records)[number]) => {
    const { offset, timestamp, key, value, headers } = record;
    return { offset, timestamp, key: key?.toString(), value: value?.toString(), headers };
  };
  const expected = [...open().batch].map(partsOf);
  memory.bytes.fill(0xee);
  assert.deepEqual(copies.map(partsOf), expected);
  assert.deepEqual(again.map(partsOf), expected);
  assert.deepEqual(
    copies.map(({ keyText }) => keyText),
    texts,
  );
  assert.equal(texts[0], 'a');
  assert.equal(texts[1], undefined);
  assert.ok(sizes.every((size, index) => size >= (copies[index]?.value?.length ?? 0)));
});

test('cursor: fields, views and copies show the record at which it stands', () => {
  const { memory, batch } = open();
  const cursor = batch.cursor();
  assert.deepEqual([memory.escaped, batch.isBorrowed], [false, true]);
  assert.equal(cursor.next(), true);
  assert.deepEqual([cursor.offset, cursor.timestamp, cursor.headerCount], [50, 10, 2]);
  const { bytes, keyStart, keyEnd, valueStart, valueEnd } = cursor;
  assert.equal(Buffer.from(bytes.subarray(keyStart, keyEnd)).toString(), 'a');
  assert.equal(Buffer.from(bytes.subarray(valueStart, valueEnd)).toString(), 'one');
  assert.equal(cursor.value()?.buffer, memory.bytes.buffer);
  const kept = [cursor.copyKey(), cursor.copyValue(), cursor.copyHeaders()[0]?.value];
  const record = cursor.copy();
  assert.equal(cursor.next(), true);
  assert.deepEqual([cursor.keyEnd, cursor.key(), cursor.copyKey()], [-1, null, null]);
  assert.deepEqual([cursor.value()?.length, cursor.copyValue()?.length], [0, 0]);
  assert.equal(cursor.next(), true);
  assert.deepEqual([cursor.valueEnd, cursor.value(), cursor.timestamp], [-1, null, 20]);
  assert.deepEqual([cursor.next(), cursor.next()], [false, false]);
  memory.bytes.fill(0xee);
  assert.deepEqual(kept.map(String), ['a', 'one', 'v']);
  assert.deepEqual([record.key?.toString(), record.headers.length], ['a', 2]);
});

test('cursor: once the memory ended, every use is refused', () => {
  const { memory, batch } = open();
  const cursor = batch.cursor();
  const records = batch[Symbol.iterator]();
  cursor.next();
  memory.ended = true;
  const uses: readonly (() => unknown)[] = [
    () => cursor.next(),
    () => cursor.key(),
    () => cursor.value(),
    () => cursor.copyKey(),
    () => cursor.copyValue(),
    () => cursor.copyHeaders(),
    () => cursor.copy(),
    () => batch.cursor(),
    () => records.next(),
    () => [...batch],
  ];
  for (const use of uses) {
    assert.throws(use, (error) => hasCode(error, 'BATCH_ENDED'), use.toString());
  }
  assert.deepEqual([batch.nextOffset, batch.count], [53, 3]);
});

test('compressed batch: it is inflated once, and the memory it came from does not escape', () => {
  const plain = batchOf(inputs, { baseOffset: 50 });
  const target = Buffer.alloc(1000);
  assert.notEqual(compressBatch('gzip', plain, 0, target, 0, 1000), 'does-not-fit');
  const memory = createBatchMemory(target, 'a file', 0);
  const batch = new Batch(memory, 0, 51);
  assert.equal(batch.codec, 'gzip');
  const records = [...batch];
  assert.equal(memory.escaped, false);
  target.fill(0xee, HEADER_BYTES);
  const cursor = batch.cursor();
  assert.equal(cursor.next(), true);
  assert.equal(cursor.copyValue()?.length, 0);
  assert.deepEqual(
    records.map((record) => [record.offset, record.timestamp]),
    [
      [51, 30],
      [52, 20],
    ],
  );
});

test('types: a borrowed record is neither a record nor an input', () => {
  const { batch } = open();
  const borrowed: BorrowedRecord = batch.cursor();
  // @ts-expect-error a borrowed record must not be kept as a record
  const record: LogRecord = borrowed;
  // @ts-expect-error a borrowed record must not be appended as it is
  const input: RecordInput = borrowed;
  assert.equal(record, input);
});
