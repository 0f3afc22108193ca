// Both indexes of a segment, built while batches go by, and built again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { OffsetIndex } from '../../src/index/offset-index.js';
import { SegmentIndexer } from '../../src/index/segment-indexer.js';
import { TimeIndex } from '../../src/index/time-index.js';
import { testSeed } from '../support/seed.js';

interface AddedBatch {
  readonly bytes: number;
  readonly count: number;
  readonly timestamp: number;
}

const batch = fc.record({
  bytes: fc.integer({ min: 61, max: 900 }),
  count: fc.integer({ min: 0, max: 4 }),
  timestamp: fc.nat({ max: 100 }),
});
const batches = fc.array(batch, { maxLength: 60 });

/** Adds batches from the first one on, as they would lie in a file. */
function addAll(indexer: SegmentIndexer, list: readonly AddedBatch[], skipped = 0): void {
  let [position, offset] = [0, indexer.baseOffset];
  for (const [index, { bytes, count, timestamp }] of list.entries()) {
    const lastOffset = offset + Math.max(0, count - 1);
    if (index >= skipped) indexer.add(position, bytes, lastOffset, timestamp, count === 0);
    position += bytes;
    offset = lastOffset + 1;
  }
}

function filesOf(indexer: SegmentIndexer): readonly Uint8Array[] {
  indexer.seal();
  return [indexer.offsets.encode(), indexer.times.encode()];
}

test('property: an indexer resumed from its files equals one that saw everything', () => {
  fc.assert(
    fc.property(batches, fc.nat(), fc.nat({ max: 3000 }), (list, pick, intervalBytes) => {
      const whole = new SegmentIndexer(7, intervalBytes);
      addAll(whole, list);
      const skipped = pick % (list.length + 1);
      const first = new SegmentIndexer(7, intervalBytes);
      addAll(first, list.slice(0, skipped));
      const bytes = list.slice(0, skipped).reduce((sum, one) => sum + one.bytes, 0);
      const [offsetFile = new Uint8Array(), timeFile = new Uint8Array()] = filesOf(first);
      const offsets = OffsetIndex.decode(offsetFile, Math.max(1, bytes));
      const times = TimeIndex.decode(timeFile);
      assert.ok(offsets !== 'invalid' && times !== 'invalid');
      const resumed = new SegmentIndexer(7, intervalBytes, offsets, times);
      resumed.resume(bytes);
      addAll(resumed, list, skipped);
      assert.deepEqual(resumed.offsets.encode(), whole.offsets.encode());
      assert.equal(resumed.maxTimestamp, whole.maxTimestamp);
    }),
    { seed: testSeed(), numRuns: 200 },
  );
});

test('interval 0: every batch but the first is indexed', () => {
  const indexer = new SegmentIndexer(0, 0);
  addAll(indexer, Array(5).fill({ bytes: 100, count: 1, timestamp: 1 }));
  assert.deepEqual([indexer.offsets.count, indexer.offsets.lastPosition], [4, 400]);
});

test('an entry is made once more than the interval has gone by', () => {
  const indexer = new SegmentIndexer(10, 200);
  addAll(indexer, Array(6).fill({ bytes: 100, count: 2, timestamp: 1 }));
  assert.deepEqual([indexer.offsets.count, indexer.offsets.position(0)], [1, 300]);
  assert.equal(indexer.offsets.relative(0), 7);
});

test('an empty batch gives no time, and the largest one is added at the seal', () => {
  const indexer = new SegmentIndexer(0, 1000);
  indexer.add(0, 100, 3, 50, false);
  indexer.add(100, 100, 9, 99, true);
  indexer.seal();
  assert.deepEqual([indexer.maxTimestamp, indexer.times.count], [50, 1]);
  assert.equal(indexer.times.relative(0), 3);
});

test('a time makes an entry with the offset entry, the first one at once', () => {
  const indexer = new SegmentIndexer(0, 250);
  const timesOf = () =>
    Array.from({ length: indexer.times.count }, (_, slot) => [
      indexer.times.timestamp(slot),
      indexer.times.relative(slot),
    ]);
  indexer.add(0, 100, 0, 5, false);
  assert.deepEqual(timesOf(), [[5, 0]]);
  indexer.add(100, 100, 1, 7, false);
  indexer.add(200, 100, 2, 7, false);
  assert.deepEqual(timesOf(), [[5, 0]], 'less than the interval has gone by');
  indexer.add(300, 100, 3, 6, false);
  assert.deepEqual(timesOf(), [
    [5, 0],
    [7, 1],
  ]);
  assert.equal(indexer.offsets.relative(0), 3);
});

test('a time that no number holds exactly is left out, the largest that one does is kept', () => {
  const indexer = new SegmentIndexer(0, 0);
  assert.equal(indexer.maxTimestamp, -1);
  indexer.add(0, 100, 0, Number.MAX_SAFE_INTEGER + 1, false);
  assert.deepEqual([indexer.maxTimestamp, indexer.times.count], [-1, 0]);
  indexer.add(100, 100, 1, Number.MAX_SAFE_INTEGER, false);
  assert.deepEqual([indexer.maxTimestamp, indexer.times.count], [Number.MAX_SAFE_INTEGER, 1]);
});
