// A draft is the batch that the encoder makes of the same records, however it grew.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../src/base/prng.js';
import { checkOne } from '../../src/storage/append-bounds.js';
import { BatchDraft } from '../../src/storage/batch-draft.js';
import { checkReadyBatch } from '../../src/storage/batch-ready.js';
import type { RecordInput } from '../../src/storage/record.js';
import { batchOf, readAll } from '../support/batch-fixtures.js';
import { withSeed } from '../support/seed.js';

const limits = { cleanup: 'delete', recordBytesMax: 1 << 20, batchBytesMax: 1 << 20 } as const;
const producer = { producerId: 7, producerEpoch: 3, baseSequence: 11 };

function randomRecords(prng: Prng): RecordInput[] {
  return Array.from({ length: 1 + prng.integer(60) }, (_, index) => ({
    key: prng.pick([null, `key ${index}`, Buffer.from('grün')]),
    value: prng.pick([null, 'x'.repeat(prng.integer(2_000)), Buffer.alloc(prng.integer(300), 7)]),
    headers: prng.boolean(0.2) ? [{ key: 'h', value: 'v' }] : undefined,
    timestamp: 1_000 + prng.integer(100_000),
  }));
}

function add(draft: BatchDraft, record: RecordInput): void {
  draft.reserve(checkOne(record, limits, 0));
  draft.add(record, 0);
}

test('draft: one record at a time, in memory that grows and is used again', async () => {
  await withSeed((prng, seed) => {
    const draft = new BatchDraft();
    for (let round = 0; round < 30; round += 1) {
      const records = randomRecords(prng);
      const isTransactional = prng.boolean(0.3);
      for (const record of records) add(draft, record);
      assert.equal(draft.count, records.length);
      const finished = draft.finish({ ...producer, isTransactional }, 'none');
      const expected = batchOf(records, { producer: { ...producer, isTransactional } });
      assert.deepEqual(Buffer.from(finished), expected, `seed ${seed}, round ${round}`);
    }
    return Promise.resolve();
  });
});

test('draft: a finished batch takes other numbers and stays what it is', () => {
  const draft = new BatchDraft();
  const records = randomRecords(new Prng(5));
  for (const record of records) add(draft, record);
  draft.finish({ ...producer, isTransactional: true }, 'none');
  const other = { producerId: 9, producerEpoch: 4, baseSequence: 2 ** 31 - 1 };
  const again = Buffer.from(draft.finish({ ...other, isTransactional: true }, 'none'));
  assert.deepEqual(again, batchOf(records, { producer: { ...other, isTransactional: true } }));
});

test('draft: compressed, it is a ready batch with the same records', () => {
  const records = randomRecords(new Prng(6));
  for (const codec of ['gzip', 'snappy', 'lz4'] as const) {
    const draft = new BatchDraft();
    for (const record of records) add(draft, record);
    const finished = draft.finish(producer, codec);
    assert.equal(checkReadyBatch(finished, limits).count, records.length, codec);
    assert.deepEqual(readAll(finished), readAll(batchOf(records)), codec);
  }
});

test('draft: what was begun and left is forgotten', () => {
  const draft = new BatchDraft();
  add(draft, { value: 'left' });
  draft.abandon();
  draft.abandon();
  add(draft, { value: 'kept', timestamp: 5 });
  assert.deepEqual(
    readAll(draft.finish(undefined, 'none')).map(({ value }) => value),
    ['kept'],
  );
});
