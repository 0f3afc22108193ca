/** A batch made of records that were read: the same records, at the same offsets. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batch } from '../../src/storage/batch.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { batchOf } from '../../src/storage/batch-of-records.js';
import type { LogRecord } from '../../src/storage/record-view.js';
import { readAll, batchOf as sample } from '../support/batch-fixtures.js';

function recordsOf(batch: Buffer): LogRecord[] {
  return [...new Batch(createBatchMemory(batch, 'test', 0), 0)];
}

test('batch of records: it holds them as they were, where they were', () => {
  const headers = [{ key: 'h', value: Buffer.from('x'.repeat(300)) }];
  const inputs = [
    { key: 'k', value: 'a', headers, timestamp: 1_000 },
    { value: null, timestamp: 900 },
    { key: '', value: '', headers: [{ key: '', value: null }], timestamp: 70_000 },
    { value: 'x'.repeat(70_000), timestamp: 1 },
  ];
  const batch = sample(inputs, { baseOffset: 2 ** 40 });
  const records = recordsOf(batch);
  assert.deepEqual(readAll(batchOf(records)), readAll(batch));
  assert.deepEqual(readAll(batchOf(records.slice(2))), readAll(batch).slice(2));
});

test('batch of records: records that do not follow on each other are a mistake', () => {
  const [first, , third] = recordsOf(sample([{ value: 'a' }, { value: 'b' }, { value: 'c' }]));
  assert.ok(first !== undefined && third !== undefined);
  assert.throws(() => batchOf([first, third]), /InvariantViolation|follow/);
  assert.throws(() => batchOf([]), /InvariantViolation|record/);
});
