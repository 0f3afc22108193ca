// What was checked once: taken as it is within the same limits, looked at again within others.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AppendLimits, boundOf, checkOne } from '../../src/storage/append-bounds.js';
import type { RecordInput } from '../../src/storage/record.js';
import { thrown } from '../support/fixtures.js';

const limits: AppendLimits = { cleanup: 'delete', recordBytesMax: 1_000, batchBytesMax: 4_000 };
const records: readonly RecordInput[] = [{ value: 'x'.repeat(100) }, { key: 'k', value: null }];

function checkedWithin(of: AppendLimits) {
  const bounds = records.map((record, index) => checkOne(record, of, index));
  return { limits: of, bytes: bounds.reduce((sum, bound) => sum + bound, 0) };
}

test('bounds: what was checked one by one has the bound of the list', () => {
  const checked = checkedWithin(limits);
  assert.equal(boundOf(records, limits, checked), checked.bytes);
  assert.equal(boundOf(records, { ...limits }, checked), boundOf(records, limits, undefined));
});

test('bounds: within other limits than it was checked for, each record is looked at again', () => {
  const checked = checkedWithin(limits);
  const check = (others: Partial<AppendLimits>): unknown =>
    boundOf(records, { ...limits, ...others }, checked);
  thrown(() => check({ recordBytesMax: 50 }), 'RECORD_TOO_LARGE');
  thrown(() => check({ cleanup: 'compact' }), 'KEY_REQUIRED');
  thrown(() => check({ batchBytesMax: 100 }), 'BATCH_TOO_LARGE');
  thrown(() => boundOf([], limits, { limits, bytes: 0 }), 'RECORD_INVALID');
});
