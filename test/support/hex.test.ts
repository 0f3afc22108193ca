import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assertBytes, fromHex, hexDump, toHex } from './hex.js';

test('hex: digits with spaces and remarks become bytes, and come back', () => {
  const bytes = fromHex(`
    0001 02 # the offset
    fF      # the end
  `);
  assert.deepEqual(bytes, Uint8Array.of(0, 1, 2, 255));
  assert.equal(toHex(bytes.subarray(1)), '0102ff');
  assert.throws(() => fromHex('abc'));
  assert.throws(() => fromHex('xy'));
});

test('hex: a dump shows position, digits and characters', () => {
  const bytes = Buffer.from('Millrace, a log.\n!');
  assert.equal(
    hexDump(bytes, 0x40),
    [
      '00000040  4d 69 6c 6c 72 61 63 65 2c 20 61 20 6c 6f 67 2e  Millrace, a log.',
      `00000050  0a 21${' '.repeat(42)}  .!`,
    ].join('\n'),
  );
});

test('hex: a difference is reported with its position, a missing end too', () => {
  const bytes = new Uint8Array(100);
  const other = bytes.slice();
  other[70] = 1;
  assertBytes(bytes, bytes.slice());
  assert.throws(() => assertBytes(other, bytes), /differ at position 70 /);
  assert.throws(() => assertBytes(bytes.subarray(0, 99), bytes), /differ at position 99 /);
  assert.throws(() => assertBytes(bytes, bytes.subarray(0, 0)), /differ at position 0 /);
});
