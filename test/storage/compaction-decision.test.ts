// Whether a log is worth a pass, up to where, and why.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CompactionFacts,
  type CompactionPolicy,
  type CompactionSegment,
  compactionVerdicts,
  decideCompaction,
} from '../../src/storage/compaction-decision.js';

const NOW = 1_000_000_000;
const HOUR = 3_600_000;
const policy: CompactionPolicy = {
  cleanup: 'compact',
  minCleanableDirtyRatio: 0.5,
  minCompactionLagMs: 0,
  maxCompactionLagMs: 'unlimited',
  tombstoneRetentionMs: 24 * HOUR,
};

/** Four sealed segments of 10 offsets and 100 bytes, and an active one, begun 100 ms apart. */
function segmentsOf(times = [500, 400, 300, 200, 100]): CompactionSegment[] {
  return times.map((agoMs, index) => ({
    baseOffset: index * 10,
    endOffset: index * 10 + 10,
    logBytes: 100,
    records: 10,
    maxTimestamp: NOW - agoMs,
    firstAppendMs: NOW - agoMs,
  }));
}

function factsOf(given: Partial<CompactionFacts> = {}): CompactionFacts {
  return {
    segments: segmentsOf(),
    firstDirtyOffset: 0,
    lastStableOffset: 50,
    durableEnd: 50,
    isEverCompacted: true,
    openedMs: NOW,
    horizonMs: Number.POSITIVE_INFINITY,
    newestMs: NOW,
    nowMs: NOW,
    ...given,
  };
}

function decide(given: Partial<CompactionPolicy>, facts: Partial<CompactionFacts> = {}) {
  return decideCompaction({ ...policy, ...given }, factsOf(facts));
}

test('compaction: the ratio of dirty bytes below the active segment must be exceeded', () => {
  for (const [firstDirtyOffset, dirtyRatio, isEligible] of [
    [0, 1, true],
    [10, 0.75, true],
    [15, 0.625, true],
    [20, 0.5, false],
    [30, 0.25, false],
    [40, 0, false],
    [45, 0, false],
  ] as const) {
    const decision = decide({}, { firstDirtyOffset });
    assert.deepEqual(
      [decision.dirtyRatio, decision.isEligible, decision.upperOffset],
      [dirtyRatio, isEligible, 40],
      `first dirty ${firstDirtyOffset}`,
    );
  }
  assert.equal(decide({}, { firstDirtyOffset: 10 }).trigger, 'ratio');
  assert.equal(decide({ minCleanableDirtyRatio: 0 }, { firstDirtyOffset: 40 }).isEligible, false);
  assert.equal(decide({ minCleanableDirtyRatio: 1 }).isEligible, false);
});

test('compaction: nothing beyond the stable, durable or active offset is cleanable', () => {
  assert.equal(decide({}, { lastStableOffset: 25 }).upperOffset, 25);
  // A segment of which a part is not durable is left alone.
  assert.equal(decide({}, { durableEnd: 33 }).upperOffset, 30);
  assert.equal(decide({}, { lastStableOffset: 25 }).dirtyBytes, 250);
  assert.equal(decide({}).upperOffset, 40);
});

test('compaction: minCompactionLagMs ends the range at the first segment that is too young', () => {
  for (const [minCompactionLagMs, upperOffset] of [
    [200, 40],
    [201, 30],
    [301, 20],
    [500, 10],
    [501, 0],
  ] as const) {
    const decision = decide({ minCompactionLagMs });
    assert.deepEqual([minCompactionLagMs, decision.upperOffset], [minCompactionLagMs, upperOffset]);
  }
});

test('compaction: a time in the future does not hold a segment back for ever', () => {
  const segments = segmentsOf();
  segments[1] = { ...segments[1], maxTimestamp: NOW + 9 } as CompactionSegment;
  assert.equal(decide({ minCompactionLagMs: 300 }, { segments }).upperOffset, 30);
  assert.equal(decide({ minCompactionLagMs: 301 }, { segments }).upperOffset, 10);
});

test('compaction: clean segments are not too young', () => {
  const { upperOffset } = decide({ minCompactionLagMs: 450 }, { firstDirtyOffset: 30 });
  assert.equal(upperOffset, 30);
});

test('compaction: maxCompactionLagMs makes a pass due however little is dirty', () => {
  const facts = { firstDirtyOffset: 30 };
  assert.equal(decide({ maxCompactionLagMs: 200 }, facts).isEligible, false);
  const decision = decide({ maxCompactionLagMs: 199 }, facts);
  assert.deepEqual([decision.isEligible, decision.trigger], [true, 'lag']);
  assert.equal(decide({ maxCompactionLagMs: 199 }, { firstDirtyOffset: 40 }).isEligible, false);
});

test('compaction: maxCompactionLagMs rolls an active segment that waited for longer', () => {
  assert.equal(decide({ maxCompactionLagMs: 99 }).rollActive, true);
  assert.equal(decide({ maxCompactionLagMs: 100 }).rollActive, false);
  const empty = segmentsOf();
  empty[4] = { ...empty[4], logBytes: 0, firstAppendMs: 0 } as CompactionSegment;
  assert.equal(decide({ maxCompactionLagMs: 1 }, { segments: empty }).rollActive, false);
});

test('compaction: a tombstone that has outlived its horizon makes a pass due', () => {
  const clean = { firstDirtyOffset: 40 };
  for (const [facts, isEligible] of [
    [{ horizonMs: Number.POSITIVE_INFINITY }, false],
    [{ horizonMs: NOW }, false],
    [{ horizonMs: NOW - 1 }, true],
    [{ horizonMs: undefined, openedMs: NOW - HOUR + 1 }, false],
    [{ horizonMs: undefined, openedMs: NOW - HOUR }, true],
    [{ horizonMs: undefined, openedMs: 0, isEverCompacted: false }, false],
    [{ horizonMs: 0, firstDirtyOffset: 0, durableEnd: 0 }, false],
  ] as const) {
    const decision = decide({}, { ...clean, ...facts });
    assert.deepEqual([facts, decision.isEligible], [facts, isEligible]);
    if (isEligible) assert.equal(decision.trigger, 'tombstones');
  }
});

test('compaction: a log that is not compacted is never eligible, nor is an empty one', () => {
  const decision = decide({ cleanup: 'delete', maxCompactionLagMs: 1 });
  assert.deepEqual([decision.isEligible, decision.rollActive], [false, false]);
  assert.equal(decide({ cleanup: 'compact,delete' }).isEligible, true);
  const empty = { ...segmentsOf()[0], endOffset: 0, logBytes: 0 } as CompactionSegment;
  const nothing = decide({}, { segments: [empty], lastStableOffset: 0, durableEnd: 0 });
  assert.deepEqual([nothing.isEligible, nothing.dirtyRatio], [false, 0]);
});

test('compaction: each segment has a state and says why', () => {
  const verdicts = compactionVerdicts(
    { ...policy, minCompactionLagMs: 250 },
    factsOf({ firstDirtyOffset: 15 }),
  );
  assert.deepEqual(
    verdicts.map(({ baseOffset, state, isEligible }) => [baseOffset, state, isEligible]),
    [
      [0, 'clean', true],
      [10, 'dirty', true],
      [20, 'dirty', true],
      [30, 'dirty', false],
      [40, 'active', false],
    ],
  );
  assert.match(verdicts[1]?.why ?? '', /offsets 15 to 20/);
  assert.match(verdicts[3]?.why ?? '', /minCompactionLagMs 250/);
});

test('compaction: a decision and each segment say why, with their numbers', () => {
  const why = (given: Partial<CompactionPolicy>, facts: Partial<CompactionFacts> = {}) =>
    decide(given, facts).why;
  assert.equal(
    why({ minCleanableDirtyRatio: 0.5 }, { firstDirtyOffset: 30 }),
    '0.250 of 400 bytes is dirty, minCleanableDirtyRatio is 0.5',
  );
  assert.equal(why({}, { firstDirtyOffset: 10 }), '0.750 of 400 bytes is dirty');
  assert.equal(
    why({ minCleanableDirtyRatio: 0.5, maxCompactionLagMs: 150 }, { firstDirtyOffset: 30 }),
    'the oldest dirty record is 200 ms old, more than 150',
  );
  assert.equal(
    why({}, { firstDirtyOffset: 40, horizonMs: NOW - 1 }),
    'tombstones may have outlived their horizon',
  );
  assert.equal(why({ cleanup: 'delete' }), "cleanup is 'delete'");
  const verdicts = (given: Partial<CompactionPolicy>, facts: Partial<CompactionFacts>) =>
    compactionVerdicts({ ...policy, ...given }, factsOf(facts)).map((verdict) => verdict.why);
  assert.deepEqual(verdicts({}, { firstDirtyOffset: 10, lastStableOffset: 30 }), [
    'compacted up to 10; goes through again',
    'offsets 10 to 20 are dirty',
    'offsets 20 to 30 are dirty',
    'a transaction that began before it is open',
    'it is written to',
  ]);
  assert.equal(verdicts({}, { durableEnd: 25 })[2], 'it is not durable yet');
  assert.equal(verdicts({ cleanup: 'delete' }, {})[4], "cleanup is 'delete'");
  assert.equal(
    verdicts({ minCompactionLagMs: 250 }, {})[3],
    'it, or one before it, holds records younger than minCompactionLagMs 250',
  );
});

test('compaction: a segment whose first append is not known is as old as its records', () => {
  const unknown = segmentsOf().map((segment) => ({ ...segment, firstAppendMs: 0 }));
  const policyOfLag = { minCleanableDirtyRatio: 1, maxCompactionLagMs: 450 };
  assert.equal(decide(policyOfLag, { segments: unknown }).trigger, 'lag');
  const timeless = unknown.map((segment) => ({ ...segment, maxTimestamp: -1 }));
  assert.equal(decide(policyOfLag, { segments: timeless }).trigger, undefined);
});
