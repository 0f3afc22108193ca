/** Sets of offsets as runs and bits, against a plain set. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../src/base/limits.js';
import type { Prng } from '../../src/base/prng.js';
import { CHUNK_OFFSETS } from '../../src/broker/share/share-range-chunk.js';
import { OffsetRanges } from '../../src/broker/share/share-ranges.js';
import { testRuns, withSeed } from '../support/seed.js';

const BASE = 3 * CHUNK_OFFSETS - 300;
const SPAN = 600;

function runsOf(model: ReadonlySet<number>): { first: number; end: number }[] {
  const runs: { first: number; end: number }[] = [];
  for (let offset = BASE; offset < BASE + SPAN; offset += 1) {
    if (!model.has(offset)) continue;
    if (runs.at(-1)?.end === offset)
      runs[runs.length - 1] = { first: runs.at(-1)?.first ?? 0, end: offset + 1 };
    else runs.push({ first: offset, end: offset + 1 });
  }
  return runs;
}

function step(prng: Prng, ranges: OffsetRanges, model: Set<number>): void {
  const first = BASE + prng.integer(SPAN);
  const end = Math.min(BASE + SPAN, first + 1 + prng.integer(prng.boolean() ? 2 : 80));
  switch (prng.integer(4)) {
    case 0:
    case 1:
      ranges.add(first, end);
      for (let offset = first; offset < end; offset += 1) model.add(offset);
      break;
    case 2:
      ranges.remove(first, end);
      for (let offset = first; offset < end; offset += 1) model.delete(offset);
      break;
    default: {
      const least = model.size === 0 ? undefined : Math.min(...model);
      assert.equal(ranges.first, least);
      assert.equal(ranges.shift(), least);
      if (least !== undefined) model.delete(least);
    }
  }
}

function check(prng: Prng, ranges: OffsetRanges, model: ReadonlySet<number>): void {
  const runs = runsOf(model);
  assert.equal(ranges.count, model.size);
  assert.deepEqual([...ranges.ranges()], runs);
  const from = BASE + prng.integer(SPAN);
  assert.equal(ranges.has(from), model.has(from));
  assert.equal(
    ranges.firstMember(from),
    runs.map(({ first, end }) => (from < end ? Math.max(first, from) : -1)).find((at) => at >= 0),
  );
  const missing = runs.find(({ first, end }) => first <= from && from < end)?.end ?? from;
  assert.equal(ranges.firstMissing(from), missing);
  const holes = [...ranges.missing(BASE, BASE + SPAN)];
  assert.equal(
    holes.reduce((sum, { first, end }) => sum + end - first, 0),
    SPAN - model.size,
  );
  for (const { first, end } of holes) assert.ok(!model.has(first) && !model.has(end - 1));
}

test('share ranges: runs split and merge like a plain set, over the border of chunks', () =>
  withSeed((prng) => {
    for (let run = 0; run < testRuns(40); run += 1) {
      const ranges = new OffsetRanges();
      const model = new Set<number>();
      for (let steps = 0; steps < 120; steps += 1) {
        step(prng, ranges, model);
        check(prng, ranges, model);
      }
    }
  }));

test('share ranges: a chunk of many runs becomes bits and keeps its members', () => {
  const ranges = new OffsetRanges();
  for (let offset = 1; offset < 2 * CHUNK_OFFSETS; offset += 2) ranges.add(offset);
  assert.equal(ranges.count, CHUNK_OFFSETS);
  assert.equal(ranges.firstMember(4), 5);
  assert.equal(ranges.firstMissing(5), 6);
  for (let offset = 0; offset < CHUNK_OFFSETS; offset += 2) ranges.add(offset);
  assert.equal(ranges.firstMissing(0), CHUNK_OFFSETS);
  ranges.remove(100, 200);
  assert.deepEqual([...ranges.ranges()].slice(0, 3), [
    { first: 0, end: 100 },
    { first: 200, end: CHUNK_OFFSETS },
    { first: CHUNK_OFFSETS + 1, end: CHUNK_OFFSETS + 2 },
  ]);
  for (let offset = CHUNK_OFFSETS + 1; offset < 2 * CHUNK_OFFSETS; offset += 2) {
    ranges.remove(offset);
  }
  assert.equal(ranges.count, CHUNK_OFFSETS - 100);
});

test('share ranges: a long run is taken from the front, and trimmed by whole chunks', () => {
  const ranges = new OffsetRanges();
  ranges.add(10, 100 * CHUNK_OFFSETS);
  for (let offset = 10; offset < 2 * CHUNK_OFFSETS; offset += 1)
    assert.equal(ranges.shift(), offset);
  ranges.trim(50 * CHUNK_OFFSETS + 7);
  assert.equal(ranges.first, 50 * CHUNK_OFFSETS);
  assert.equal(ranges.count, 50 * CHUNK_OFFSETS);
  ranges.trim(0);
  assert.equal(ranges.count, 50 * CHUNK_OFFSETS);
});

test('share ranges: the largest offset is a member like others', () => {
  const ranges = new OffsetRanges();
  ranges.add(limits.offsetMax);
  assert.ok(ranges.has(limits.offsetMax));
  assert.ok(!ranges.has(limits.offsetMax - 1));
  assert.equal(ranges.firstMissing(limits.offsetMax), limits.offsetMax + 1);
});
