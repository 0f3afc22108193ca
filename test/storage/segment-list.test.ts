// The list of segments: floors, successors, and what may be taken out.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import { Segment } from '../../src/storage/segment.js';
import { SegmentList } from '../../src/storage/segment-list.js';
import { type RollFacts, rollReason } from '../../src/storage/segment-roll.js';

function listOf(...bases: readonly number[]): SegmentList {
  return new SegmentList(bases.map((base) => new Segment('/log', base)));
}

test('floor: gives the segment that holds an offset', () => {
  const list = listOf(10, 20, 30);
  const floors = [5, 10, 19, 20, 29, 30, 99].map((offset) => list.floor(offset).baseOffset);
  assert.deepEqual(floors, [10, 10, 10, 20, 20, 30, 30]);
});

test('after: gives the next one, also of a segment that was taken out', () => {
  const list = listOf(10, 20, 30);
  assert.equal(list.after(list.first)?.baseOffset, 20);
  assert.equal(list.after(list.active), undefined);
  assert.equal(list.after(list.removeFirst())?.baseOffset, 20);
});

test('the last segment stays, and base offsets rise', () => {
  const list = listOf(10);
  assert.throws(() => list.removeFirst(), InvariantViolation);
  assert.throws(() => list.append(new Segment('/log', 10)), InvariantViolation);
  assert.throws(() => listOf(), InvariantViolation);
});

test('removeAfter: makes an earlier segment the active one', () => {
  const list = listOf(10, 20, 30);
  const removed = list.removeAfter(list.floor(10));
  assert.deepEqual(
    removed.map(({ baseOffset }) => baseOffset),
    [20, 30],
  );
  assert.equal(list.active.baseOffset, 10);
});

test('unpin: what waits runs at the last one', () => {
  const segment = new Segment('/log', 0);
  let runs = 0;
  segment.pin();
  segment.pin();
  segment.whenUnpinned(() => {
    runs += 1;
  });
  segment.unpin();
  assert.equal(runs, 0);
  segment.unpin();
  assert.equal(runs, 1);
  assert.throws(() => segment.unpin(), InvariantViolation);
});

const facts: RollFacts = {
  segmentBytes: 1000,
  segmentMs: 100,
  nowMs: 500,
  batchBytes: 200,
  lastOffset: 50,
};

function activeOf(bytes: number, firstAppendMs = 450): Segment {
  const segment = Segment.createActive('/log', 0, 0);
  segment.active().totals.bytes = bytes;
  segment.firstAppendMs = firstAppendMs;
  return segment;
}

test('rollReason: size, age and offsets each at their bound', () => {
  assert.equal(rollReason(activeOf(800), facts), 'stay');
  assert.equal(rollReason(activeOf(801), facts), 'size');
  assert.equal(rollReason(activeOf(800, 400), facts), 'stay');
  assert.equal(rollReason(activeOf(800, 399), facts), 'age');
  assert.equal(rollReason(activeOf(800), { ...facts, lastOffset: 2 ** 31 - 1 }), 'stay');
  assert.equal(rollReason(activeOf(800), { ...facts, lastOffset: 2 ** 31 }), 'offsets');
});

test('rollReason: an empty segment stays, whatever comes', () => {
  const huge = { ...facts, batchBytes: 5000, nowMs: 1_000_000 };
  assert.equal(rollReason(activeOf(0), huge), 'stay');
});

test('rollReason: a full index starts a segment', () => {
  const segment = activeOf(800);
  const { offsets } = segment.active().indexer;
  for (let entry = 0; entry < (10 * 1024 * 1024) / 8; entry++) {
    assert.equal(rollReason(segment, facts), 'stay');
    offsets.append(entry, entry);
  }
  assert.equal(rollReason(segment, facts), 'index');
});
