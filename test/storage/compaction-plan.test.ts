// Groups of segments that are cleaned into one: every segment once, in order, within the limits.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../src/base/limits.js';
import { type PlannedSegment, planGroups } from '../../src/storage/compaction-plan.js';
import { withSeed } from '../support/seed.js';

function segmentsOf(sizes: readonly number[], batches = 1, span = 10): PlannedSegment[] {
  return sizes.map((logBytes, index) => ({
    baseOffset: index * span,
    endOffset: index * span + span,
    logBytes,
    batches,
  }));
}

function basesOf(groups: readonly (readonly PlannedSegment[])[], span = 10): number[][] {
  return groups.map((group) => group.map(({ baseOffset }) => baseOffset / span));
}

test('plan: segments join as long as their bytes fit into one', () => {
  const cases: readonly [number[], number[][]][] = [
    [[], []],
    [[100], [[0]]],
    [[40, 60], [[0, 1]]],
    [
      [40, 61],
      [[0], [1]],
    ],
    [
      [101, 1, 1],
      [[0], [1, 2]],
    ],
    [
      [50, 50, 1, 100, 99, 1],
      [[0, 1], [2], [3], [4, 5]],
    ],
  ];
  for (const [sizes, groups] of cases) {
    assert.deepEqual(basesOf(planGroups(segmentsOf(sizes), Infinity, 100)), groups, `${sizes}`);
  }
});

test('plan: segments that begin at the mapped end or beyond are left out', () => {
  for (const [mappedEnd, count] of [
    [0, 0],
    [1, 1],
    [10, 1],
    [11, 2],
    [30, 3],
  ] as const) {
    const groups = planGroups(segmentsOf([200, 200, 200]), mappedEnd, 100);
    assert.deepEqual([mappedEnd, groups.length], [mappedEnd, count]);
  }
});

test('plan: no group has more segments, offsets or index entries than the limits', () => {
  const max = limits.compactionGroupSegments;
  const many = planGroups(segmentsOf(Array.from({ length: max + 1 }, () => 1)), Infinity, 1000);
  assert.deepEqual(
    many.map((group) => group.length),
    [max, 1],
  );
  const span = 2 ** 30;
  const wide = planGroups(segmentsOf([1, 1, 1], 1, span), Infinity, 1000);
  assert.deepEqual(basesOf(wide, span), [[0, 1], [2]]);
  const entries = limits.indexBytesMax / 8;
  const dense = planGroups(segmentsOf([1, 1, 1], entries / 2), Infinity, 1000);
  assert.deepEqual(basesOf(dense), [[0, 1], [2]]);
  const unknown = planGroups(segmentsOf([61 * entries, 61], -1), Infinity, 2 ** 40);
  assert.deepEqual(basesOf(unknown), [[0], [1]]);
});

test('plan: every segment is in one group, in order, and a group within its limits', async () => {
  await withSeed(async (prng) => {
    for (let round = 0; round < 300; round += 1) {
      let baseOffset = 0;
      const segments = Array.from({ length: prng.integer(200) }, () => {
        const endOffset = baseOffset + 1 + prng.integer(prng.pick([10, 2 ** 29]));
        const batches = prng.integer(10) === 0 ? -1 : prng.integer(200_000);
        const segment = { baseOffset, endOffset, logBytes: prng.integer(2000), batches };
        baseOffset = endOffset;
        return segment;
      });
      const groups = planGroups(segments, baseOffset, 1000);
      assert.deepEqual(groups.flat(), segments);
      for (const [index, group] of groups.entries()) {
        const next = groups[index + 1]?.[0];
        if (group.length > 1) assert.ok(fits(group));
        // Nothing is left apart that would have fitted.
        if (next !== undefined) assert.ok(!fits([...group, next]));
      }
    }
  });
});

function fits(group: readonly PlannedSegment[]): boolean {
  const first = group[0]?.baseOffset ?? 0;
  const last = (group.at(-1)?.endOffset ?? 0) - 1;
  const bytes = group.reduce((sum, { logBytes }) => sum + logBytes, 0);
  const entries = group.reduce(
    (sum, { batches, logBytes }) => sum + (batches < 0 ? Math.ceil(logBytes / 61) : batches),
    0,
  );
  return (
    group.length <= limits.compactionGroupSegments &&
    bytes <= 1000 &&
    entries * 8 <= limits.indexBytesMax &&
    last - first <= 2 ** 31 - 1
  );
}
