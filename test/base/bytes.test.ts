import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import {
  readBigInt64,
  readInt8,
  readInt16,
  readInt32,
  readInt64,
  readUint32,
  writeBigInt64,
  writeInt8,
  writeInt16,
  writeInt32,
  writeInt64,
  writeUint32,
} from '../../src/base/bytes.js';
import { fromHex, toHex } from '../support/hex.js';

interface Field {
  readonly name: string;
  readonly bytes: number;
  readonly read: (bytes: Uint8Array, position: number) => number;
  readonly write: (bytes: Uint8Array, position: number, value: number) => void;
  readonly min: number;
  readonly max: number;
}

const fields: readonly Field[] = [
  { name: 'i8', bytes: 1, read: readInt8, write: writeInt8, min: -128, max: 127 },
  { name: 'i16', bytes: 2, read: readInt16, write: writeInt16, min: -32_768, max: 32_767 },
  { name: 'i32', bytes: 4, read: readInt32, write: writeInt32, min: -(2 ** 31), max: 2 ** 31 - 1 },
  { name: 'u32', bytes: 4, read: readUint32, write: writeUint32, min: 0, max: 2 ** 32 - 1 },
  {
    name: 'i64',
    bytes: 8,
    read: readInt64,
    write: writeInt64,
    min: Number.MIN_SAFE_INTEGER,
    max: Number.MAX_SAFE_INTEGER,
  },
];

for (const { name, bytes, read, write, min, max } of fields) {
  test(`bytes: ${name} comes back as it was written and touches no neighbour`, () => {
    const values = [min, min + 1, -1, 0, 1, 2 ** 31, 2 ** 32 + 1, -(2 ** 32) - 1, max - 1, max];
    for (const value of values.filter((one) => one >= min && one <= max)) {
      for (const position of [0, 1, 3]) {
        const target = new Uint8Array(12).fill(0xa5);
        write(target, position, value);
        assert.equal(read(target, position), value);
        target.fill(0xa5, position, position + bytes);
        assert.deepEqual(target, new Uint8Array(12).fill(0xa5));
      }
    }
  });

  test(`bytes: ${name} refuses what does not fit`, () => {
    const target = new Uint8Array(8);
    const wrong = [max + 1, min - 1, 0.5, Number.NaN, Number.POSITIVE_INFINITY];
    for (const value of wrong) {
      assert.throws(() => write(target, 0, value), InvariantViolation, `${value}`);
    }
    assert.deepEqual(target, new Uint8Array(8));
  });

  test(`bytes: ${name} refuses a position outside the bytes`, () => {
    const target = new Uint8Array(8);
    for (const position of [8 - bytes + 1, -1, 0.5, Number.NaN, 2 ** 32]) {
      assert.throws(() => read(target, position), InvariantViolation, `read at ${position}`);
      assert.throws(() => write(target, position, 0), InvariantViolation, `write at ${position}`);
    }
  });
}

test('bytes: the most significant byte comes first', () => {
  const target = new Uint8Array(8);
  writeInt64(target, 0, 0x01_0203_0405_0607);
  assert.equal(toHex(target), '0001020304050607');
  assert.equal(readInt16(target, 1), 0x0102);
  assert.equal(readInt32(target, 4), 0x0405_0607);
});

test('bytes: a 64-bit field beyond the safe integers reads as NaN, and as a bigint', () => {
  const cases: readonly [string, number, bigint][] = [
    ['001fffffffffffff', Number.MAX_SAFE_INTEGER, 2n ** 53n - 1n],
    ['0020000000000000', Number.NaN, 2n ** 53n],
    ['7fffffffffffffff', Number.NaN, 2n ** 63n - 1n],
    ['ffe0000000000001', Number.MIN_SAFE_INTEGER, -(2n ** 53n) + 1n],
    ['ffe0000000000000', Number.NaN, -(2n ** 53n)],
    ['ffdfffffffffffff', Number.NaN, -(2n ** 53n) - 1n],
    ['8000000000000000', Number.NaN, -(2n ** 63n)],
    ['ffffffffffffffff', -1, -1n],
    ['00000000ffffffff', 2 ** 32 - 1, 2n ** 32n - 1n],
  ];
  for (const [hex, value, whole] of cases) {
    const source = fromHex(hex);
    assert.equal(readInt64(source, 0), value, hex);
    assert.equal(readBigInt64(source, 0), whole, hex);
    const target = new Uint8Array(8);
    writeBigInt64(target, 0, whole);
    assert.equal(toHex(target), hex);
  }
});

test('bytes: a bigint of more than 64 bits is refused', () => {
  const target = new Uint8Array(8);
  assert.throws(() => writeBigInt64(target, 0, 2n ** 63n), InvariantViolation);
  assert.throws(() => writeBigInt64(target, 0, -(2n ** 63n) - 1n), InvariantViolation);
});
