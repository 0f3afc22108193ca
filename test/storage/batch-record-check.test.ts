import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import { limits } from '../../src/base/limits.js';
import { checkRecord } from '../../src/storage/batch-record-check.js';
import type { RecordInput } from '../../src/storage/record.js';

test('record check: everything that can be stored passes', () => {
  const records: readonly RecordInput[] = [
    {},
    { key: null, value: null },
    { key: '', value: new Uint8Array(0), headers: [] },
    { key: Buffer.from('k'), value: 'v', timestamp: 0 },
    { timestamp: Number.MAX_SAFE_INTEGER },
    { headers: [{ key: '' }, { key: 'h', value: null }, { key: 'h', value: Buffer.from('v') }] },
    { headers: new Array(limits.recordHeadersMax).fill({ key: 'h' }) },
  ];
  for (const record of records) checkRecord(record);
});

test('record check: what cannot be stored is named', () => {
  const cases: readonly [unknown, string, unknown][] = [
    [null, 'record', null],
    ['text', 'record', 'string'],
    [{ key: 5 }, 'key', 5],
    [{ value: { a: 1 } }, 'value', 'Object'],
    [{ value: new ArrayBuffer(1) }, 'value', 'ArrayBuffer'],
    [{ value: new Uint16Array(1) }, 'value', 'Uint16Array'],
    [{ timestamp: -1 }, 'timestamp', -1],
    [{ timestamp: 1.5 }, 'timestamp', 1.5],
    [{ timestamp: Number.NaN }, 'timestamp', Number.NaN],
    [{ timestamp: 2 ** 53 }, 'timestamp', 2 ** 53],
    [{ timestamp: new Date(0) }, 'timestamp', 'Date'],
    [{ timestamp: 5n }, 'timestamp', 'bigint'],
    [{ headers: {} }, 'headers', 'Object'],
    [{ headers: [{ key: 'h' }, null] }, 'headers[1]', null],
    [{ headers: [{ key: 5 }] }, 'headers[0].key', 5],
    [{ headers: [{ key: null }] }, 'headers[0].key', null],
    [{ headers: [{ key: 'h', value: true }] }, 'headers[0].value', true],
    [
      { headers: new Array(limits.recordHeadersMax + 1).fill({ key: 'h' }) },
      'headers',
      limits.recordHeadersMax + 1,
    ],
  ];
  for (const [record, field, actual] of cases) {
    assert.throws(
      () => checkRecord(record as RecordInput),
      (error) => {
        assert.ok(hasCode(error, 'RECORD_INVALID'));
        assert.deepEqual([error.facts['field'], error.facts['actual']], [field, actual]);
        return true;
      },
    );
  }
});
