// The offset index: floors, what it refuses, and its file bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantViolation } from '../../src/base/assert.js';
import { OffsetIndex } from '../../src/index/offset-index.js';
import { testSeed } from '../support/seed.js';

type Entry = readonly [relative: number, position: number];

/** Entries that rise strictly in both columns. */
const entries = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), {
    maxLength: 200,
  })
  .map((steps): Entry[] => {
    let [relative, position] = [-1, -1];
    return steps.map(([one, other]) => {
      relative += one;
      position += other;
      return [relative, position];
    });
  });

function indexOf(list: readonly Entry[]): OffsetIndex {
  const index = new OffsetIndex(1);
  for (const [relative, position] of list) index.append(relative, position);
  return index;
}

function bytesOf(list: readonly Entry[]): Buffer {
  const bytes = Buffer.alloc(list.length * 8);
  for (const [slot, [relative, position]] of list.entries()) {
    bytes.writeInt32BE(relative, slot * 8);
    bytes.writeInt32BE(position, slot * 8 + 4);
  }
  return bytes;
}

test('property: floors equal a linear search', () => {
  fc.assert(
    fc.property(entries, fc.integer({ min: -2, max: 2000 }), (list, target) => {
      const index = indexOf(list);
      assert.equal(
        index.floor(target),
        list.findLastIndex(([relative]) => relative <= target),
      );
      const byPosition = list.findLastIndex(([, position]) => position <= target);
      assert.equal(index.floorByPosition(target), byPosition);
    }),
    { seed: testSeed(), numRuns: 200 },
  );
});

test('property: encode and decode keep every entry, big-endian', () => {
  fc.assert(
    fc.property(entries, (list) => {
      const bytes = indexOf(list).encode();
      assert.deepEqual(Buffer.from(bytes), bytesOf(list));
      const decoded = OffsetIndex.decode(bytes, 1_000_000);
      assert.ok(decoded !== 'invalid');
      assert.deepEqual(Buffer.from(decoded.encode()), bytesOf(list));
      assert.equal(decoded.lastPosition, list.at(-1)?.[1] ?? 0);
    }),
    { seed: testSeed(), numRuns: 100 },
  );
});

test('property: any list that does not rise is refused', () => {
  const pair = fc.tuple(fc.integer({ min: -2, max: 12 }), fc.integer({ min: -2, max: 12 }));
  fc.assert(
    fc.property(fc.array(pair, { maxLength: 5 }), (list) => {
      const rises = list.every(([relative, position], slot) => {
        const [before, place] = list[slot - 1] ?? [-1, -1];
        return relative > before && position > place && position < 10;
      });
      const decoded = OffsetIndex.decode(bytesOf(list), 10);
      assert.equal(decoded !== 'invalid', rises);
    }),
    { seed: testSeed(), numRuns: 500 },
  );
});

test('decode: a part of an entry is refused', () => {
  const bytes = bytesOf([[3, 100]]);
  for (let count = 1; count < 8; count++) {
    assert.equal(OffsetIndex.decode(bytes.subarray(0, count), 1000), 'invalid');
  }
});

test('property: truncate forgets what starts at or beyond a position', () => {
  fc.assert(
    fc.property(entries, fc.nat({ max: 2000 }), (list, position) => {
      const index = indexOf(list);
      index.truncate(position);
      const kept = list.filter(([, start]) => start < position);
      assert.deepEqual(Buffer.from(index.encode()), bytesOf(kept));
    }),
    { seed: testSeed(), numRuns: 100 },
  );
});

test('append: an entry that does not rise is a bug of the caller', () => {
  const index = indexOf([[5, 100]]);
  assert.throws(() => index.append(5, 200), InvariantViolation);
  assert.throws(() => index.append(6, 100), InvariantViolation);
  assert.throws(() => index.append(2 ** 31, 200), InvariantViolation);
  assert.throws(() => index.position(1), InvariantViolation);
});
