// Seals: kept whole, and every change noticed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeSeal, encodeSeal, type Seal } from '../../src/storage/seal.js';

const seal: Seal = {
  logId: '0123456789abcdef0123456789abcdef',
  baseOffset: 100,
  nextOffset: 250,
  logBytes: 123_456,
  batches: 10,
  records: 150,
  maxTimestamp: 5000,
  runningMaxTimestamp: 6000,
  runningMaxBefore: 6000,
  firstAppendMs: 4000,
  headersCrc: 0xdeadbeef,
  hasGaps: true,
  indexBytes: 80,
  indexCrc: 1,
  timeIndexBytes: 120,
  timeIndexCrc: 0xffff_ffff,
  hasProducers: true,
  txnIndexBytes: 68,
  txnIndexCrc: 0x12345678,
  epochs: [
    { epoch: 3, startOffset: 90 },
    { epoch: 4, startOffset: 200 },
  ],
};

test('seal: comes back as it was', () => {
  const { aborted: _, ...back } = { aborted: undefined, ...Object(decodeSeal(encodeSeal(seal))) };
  for (const [name, value] of Object.entries(seal)) assert.deepEqual(back[name], value, name);
});

test('seal: every single-bit flip is noticed', () => {
  const bytes = encodeSeal(seal);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = Uint8Array.from(bytes);
    changed[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(decodeSeal(changed), 'invalid', `bit ${bit}`);
  }
});

test('seal: every other length is noticed', () => {
  const bytes = encodeSeal(seal);
  for (let count = 0; count < bytes.length; count++) {
    assert.equal(decodeSeal(bytes.subarray(0, count)), 'invalid');
  }
  assert.equal(decodeSeal(Uint8Array.of(...bytes, 0)), 'invalid');
});
