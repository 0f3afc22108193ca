// The time index: entries only for larger timestamps, searches, and its file bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TimeIndex } from '../../src/index/time-index.js';
import { testSeed } from '../support/seed.js';

type Entry = readonly [timestamp: number, relative: number];

function bytesOf(list: readonly Entry[]): Buffer {
  const bytes = Buffer.alloc(list.length * 12);
  for (const [slot, [timestamp, relative]] of list.entries()) {
    bytes.writeBigInt64BE(BigInt(timestamp), slot * 12);
    bytes.writeInt32BE(relative, slot * 12 + 8);
  }
  return bytes;
}

const timestamps = fc.array(fc.nat({ max: 300 }), { maxLength: 150 });

test('property: only a timestamp larger than all before makes an entry', () => {
  fc.assert(
    fc.property(timestamps, fc.nat({ max: 302 }), (times, target) => {
      const index = new TimeIndex(1);
      for (const [relative, timestamp] of times.entries())
        index.appendIfLarger(timestamp, relative);
      const expected = times
        .map((timestamp, relative): Entry => [timestamp, relative])
        .filter(([timestamp], slot) => times.slice(0, slot).every((time) => time < timestamp));
      assert.deepEqual(Buffer.from(index.encode()), bytesOf(expected));
      assert.equal(
        index.before(target),
        expected.findLastIndex(([time]) => time < target),
      );
      assert.equal(index.lastTimestamp, Math.max(-1, ...times));
    }),
    { seed: testSeed(), numRuns: 200 },
  );
});

test('property: decode takes what rises and refuses everything else', () => {
  const pair = fc.tuple(fc.integer({ min: -2, max: 8 }), fc.integer({ min: -2, max: 8 }));
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5 }), (list) => {
      const rises = list.every(([timestamp, relative], slot) => {
        const [time, before] = list[slot - 1] ?? [-1, -1];
        return timestamp > time && relative > before;
      });
      const decoded = TimeIndex.decode(bytesOf(list));
      assert.equal(decoded !== 'invalid', rises);
      if (decoded !== 'invalid') assert.deepEqual(Buffer.from(decoded.encode()), bytesOf(list));
    }),
    { seed: testSeed(), numRuns: 500 },
  );
});

test('decode: a timestamp beyond the safe integers is refused', () => {
  const bytes = bytesOf([[1, 1]]);
  bytes.writeBigInt64BE(2n ** 60n, 0);
  assert.equal(TimeIndex.decode(bytes), 'invalid');
});

test('decode: a part of an entry is refused', () => {
  for (let count = 1; count < 12; count++) {
    assert.equal(TimeIndex.decode(bytesOf([[1, 1]]).subarray(0, count)), 'invalid');
  }
});
