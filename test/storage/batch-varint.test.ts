import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  countBytes,
  MALFORMED,
  readVarint,
  readVarlong,
  varintBytes,
  varintEnd,
  varlongBytes,
  writeCount,
  writeVarint,
  writeVarlong,
} from '../../src/storage/varint.js';
import { fromHex, toHex } from '../support/hex.js';
import { testSeed } from '../support/seed.js';

const INT32_MAX = 2 ** 31 - 1;

test('varint: small and extreme values have the known bytes', () => {
  const cases: readonly [number, string][] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [-65, '8101'],
    [8191, 'fe7f'],
    [8192, '808001'],
    [INT32_MAX, 'feffffff0f'],
    [-INT32_MAX, 'fdffffff0f'],
  ];
  const target = Buffer.alloc(10);
  for (const [value, hex] of cases) {
    for (const write of value < 0
      ? [writeVarint, writeVarlong]
      : [writeVarint, writeVarlong, writeCount]) {
      assert.equal(toHex(target.subarray(0, write(target, 0, value))), hex, String(value));
    }
    const bytes = fromHex(hex);
    assert.deepEqual([readVarint(bytes, 0, 10), readVarlong(bytes, 0, 10)], [value, value]);
    assert.equal(varintEnd(bytes, 0), bytes.length);
    for (let end = 0; end < bytes.length; end += 1) {
      assert.deepEqual([readVarint(bytes, 0, end), readVarlong(bytes, 0, end)], [MALFORMED, NaN]);
    }
  }
});

test('varint: what is longer or larger than its type is malformed', () => {
  for (const hex of ['ffffffff10', 'ffffffffff00', '808080808000']) {
    assert.equal(readVarint(fromHex(hex), 0, 20), MALFORMED, hex);
  }
  for (const hex of ['ffffffffffffffffff02', 'ffffffffffffffffffff00']) {
    assert.equal(readVarlong(fromHex(hex), 0, 20), NaN, hex);
  }
});

test('varlong: values beyond 2^53 are read rounded', () => {
  assert.equal(readVarlong(fromHex('feffffffffffffffff01'), 0, 10), 2 ** 63);
  assert.equal(readVarlong(fromHex('ffffffffffffffffff01'), 0, 10), -(2 ** 63));
});

test('property: every value is read back from as many bytes as were announced', () => {
  const target = Buffer.alloc(20, 0xff);
  const int32 = fc.integer({ min: -INT32_MAX, max: INT32_MAX });
  fc.assert(
    fc.property(int32, fc.maxSafeInteger(), (short, long) => {
      const end = writeVarint(target, 3, short);
      assert.equal(end - 3, varintBytes(short));
      assert.deepEqual([readVarint(target, 3, end), varintEnd(target, 3)], [short, end]);
      const longEnd = writeVarlong(target, 3, long);
      assert.equal(longEnd - 3, varlongBytes(long));
      assert.deepEqual([readVarlong(target, 3, longEnd), varintEnd(target, 3)], [long, longEnd]);
      const count = Math.abs(short);
      assert.equal(writeCount(target, 3, count) - 3, countBytes(count));
      assert.equal(countBytes(count), varintBytes(count));
    }),
    { seed: testSeed(), numRuns: 2000 },
  );
});
