// What retention lets go: tables over limits, clocks, floors and what is known.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decideRetention,
  needsTotals,
  type RetentionFacts,
  type RetentionPolicy,
  type RetentionSegment,
  retentionFloor,
} from '../../src/storage/retention-decision.js';
import { withSeed } from '../support/seed.js';

const NOW = 1_000_000;
const unlimited: RetentionPolicy = {
  cleanup: 'delete',
  retentionMs: 'unlimited',
  retentionBytes: 'unlimited',
  retentionRecords: 'unlimited',
};
const noFloor = retentionFloor([], new Map());

/** Segments of 10 records and 100 bytes; each was begun, and has its newest record, at its time. */
function segmentsAt(...times: number[]): RetentionSegment[] {
  return times.map((time, index) => ({
    baseOffset: index * 10,
    endOffset: index * 10 + 10,
    logBytes: 100,
    records: 10,
    maxTimestamp: time,
    firstAppendMs: time,
  }));
}

function factsOf(segments: RetentionSegment[], given: Partial<RetentionFacts> = {}) {
  return {
    segments,
    isComplete: true,
    totalBytes: segments.reduce((sum, { logBytes }) => sum + logBytes, 0),
    totalRecords: segments.reduce((sum, { records }) => sum + records, 0),
    startOffset: 0,
    durableEnd: segments.at(-1)?.endOffset ?? 0,
    floor: noFloor,
    mayRoll: true,
    newestMs: NOW,
    nowMs: NOW,
    ...given,
  };
}

function decide(
  policy: Partial<RetentionPolicy>,
  segments: RetentionSegment[],
  given: Partial<RetentionFacts> = {},
) {
  return decideRetention({ ...unlimited, ...policy }, factsOf(segments, given));
}

test('retention: age counts from the newest record, and one millisecond decides', () => {
  for (const [retentionMs, startOffset] of [
    [99, 20],
    [100, 10],
    [199, 10],
    [200, 0],
  ] as const) {
    const segments = segmentsAt(NOW - 200, NOW - 100, NOW);
    const decision = decide({ retentionMs }, segments);
    assert.deepEqual([retentionMs, decision.startOffset], [retentionMs, startOffset]);
    assert.equal(decision.rollActive, false);
  }
});

test('retention: whole segments go while the ones behind them still reach the limit', () => {
  const segments = segmentsAt(1, 2, 3, 4);
  for (const [limit, startOffset] of [
    [1, 30],
    [10, 30],
    [11, 20],
    [20, 20],
    [21, 10],
    [30, 10],
    [31, 0],
  ] as const) {
    const byRecords = decide({ retentionRecords: limit }, segments);
    const byBytes = decide({ retentionBytes: limit * 10 }, segments);
    assert.deepEqual([limit, byRecords.startOffset], [limit, startOffset]);
    assert.deepEqual([limit, byBytes.startOffset], [limit, startOffset]);
  }
});

test('retention: any one limit is enough, and each verdict says which', () => {
  const { startOffset, verdicts } = decide(
    { retentionMs: 150, retentionRecords: 15 },
    segmentsAt(NOW - 200, NOW - 100, NOW - 50, NOW),
  );
  assert.equal(startOffset, 20);
  assert.deepEqual(
    verdicts.map(({ goes, reason }) => [goes, reason]),
    [
      [true, 'age'],
      [true, 'records'],
      [false, 'within-limits'],
    ],
  );
  assert.match(verdicts[0]?.why ?? '', /age 200 ms exceeds retentionMs 150/);
});

test('retention: compact alone deletes nothing, compact,delete does', () => {
  const segments = segmentsAt(1, 2, NOW);
  const limits = { retentionMs: 1, retentionBytes: 1, retentionRecords: 1 };
  const compacted = decide({ ...limits, cleanup: 'compact' }, segments);
  assert.deepEqual(
    [compacted.startOffset, compacted.rollActive, compacted.verdicts[0]?.reason],
    [0, false, 'no-limit'],
  );
  assert.equal(decide({ ...limits, cleanup: 'compact,delete' }, segments).startOffset, 20);
});

test('retention: a segment that stays keeps the ones behind it', () => {
  const decision = decide({ retentionMs: 100 }, segmentsAt(NOW - 50, 1, 2, NOW));
  assert.deepEqual([decision.startOffset, decision.verdicts.length], [0, 1]);
});

test('retention: a time in the future counts as the begin of the segment behind', () => {
  const [first, ...rest] = segmentsAt(NOW - 300, NOW - 200, NOW);
  assert.ok(first !== undefined);
  const ahead = [{ ...first, maxTimestamp: NOW + 1 }, ...rest];
  assert.equal(decide({ retentionMs: 199 }, ahead).startOffset, 20);
  assert.equal(decide({ retentionMs: 200 }, ahead).startOffset, 0);
  // The one behind was begun by a clock that was wrong too: the next one says it.
  const both = [ahead[0], { ...rest[0], firstAppendMs: NOW + 9 }, rest[1]] as RetentionSegment[];
  assert.equal(decide({ retentionMs: 199 }, both).startOffset, 0);
});

test('retention: without a time the first append counts, without both the segment behind', () => {
  const [first, ...rest] = segmentsAt(NOW - 300, NOW - 200, NOW);
  assert.ok(first !== undefined);
  const timeless = [{ ...first, maxTimestamp: -1 }, ...rest];
  assert.equal(decide({ retentionMs: 299 }, timeless).startOffset, 10);
  assert.equal(decide({ retentionMs: 300 }, timeless).startOffset, 0);
  const unknown = [{ ...first, maxTimestamp: -1, records: -1, firstAppendMs: 0 }, ...rest];
  assert.equal(decide({ retentionMs: 250 }, unknown).startOffset, 0);
  assert.equal(decide({ retentionMs: 199 }, unknown).startOffset, 20);
});

test('retention: an old active segment is rolled, and only when that is allowed', () => {
  const segments = segmentsAt(NOW - 300, NOW - 200);
  const decision = decide({ retentionMs: 100 }, segments);
  assert.deepEqual([decision.startOffset, decision.rollActive], [10, true]);
  assert.equal(decision.verdicts[1]?.reason, 'active');
  assert.equal(decide({ retentionMs: 100 }, segments, { mayRoll: false }).rollActive, false);
  assert.equal(decide({ retentionMs: 200 }, segments).rollActive, false);
});

test('retention: an active segment that was begun too long ago is rolled', () => {
  const [only] = segmentsAt(NOW);
  assert.ok(only !== undefined);
  const begun = (firstAppendMs: number) =>
    decide({ retentionMs: 100 }, [{ ...only, firstAppendMs }]);
  assert.equal(begun(NOW - 101).rollActive, true);
  assert.equal(begun(NOW - 100).rollActive, false);
  assert.equal(begun(0).rollActive, false);
});

test('retention: an empty active segment is never rolled', () => {
  const empty = { ...segmentsAt(1)[0], endOffset: 0, logBytes: 0 } as RetentionSegment;
  assert.equal(decide({ retentionMs: 1 }, [empty]).rollActive, false);
});

test('retention: an active segment with times in the future expires by its last append', () => {
  const [only] = segmentsAt(NOW + 5000);
  assert.ok(only !== undefined);
  const segments = [{ ...only, firstAppendMs: NOW - 50 }];
  assert.equal(decide({ retentionMs: 100 }, segments, { newestMs: NOW - 101 }).rollActive, true);
  assert.equal(decide({ retentionMs: 100 }, segments, { newestMs: NOW - 100 }).rollActive, false);
});

test('retention: nothing at or beyond the floor goes', () => {
  const segments = segmentsAt(1, 2, 3, NOW);
  for (const [offset, startOffset] of [
    [0, 0],
    [9, 0],
    [10, 10],
    [29, 20],
    [30, 30],
  ] as const) {
    const floor = retentionFloor(['a', 'b'], new Map(Object.entries({ a: offset, b: 99 })));
    const decision = decide({ retentionMs: 100 }, segments, { floor });
    assert.deepEqual([offset, decision.startOffset], [offset, startOffset]);
  }
});

test('retention: a protected group that has not reported holds everything, by name', () => {
  const floor = retentionFloor(['a', 'b'], new Map([['a', 40]]));
  const { startOffset, verdicts } = decide({ retentionMs: 1 }, segmentsAt(1, NOW), { floor });
  assert.deepEqual([startOffset, verdicts[0]?.reason], [0, 'protected']);
  assert.match(verdicts[0]?.why ?? '', /'b' has not reported/);
});

test('retention: what is not durable stays', () => {
  const { startOffset, verdicts } = decide({ retentionMs: 1 }, segmentsAt(1, 2, NOW), {
    durableEnd: 15,
  });
  assert.deepEqual([startOffset, verdicts[1]?.reason], [10, 'not-durable']);
});

test('retention: more facts are wanted only when all known segments go', () => {
  const known = segmentsAt(1, 2, NOW - 50);
  const decision = decide({ retentionMs: 100 }, known, { isComplete: false });
  assert.deepEqual([decision.startOffset, decision.wantsMore], [20, false]);
  const more = decide({ retentionMs: 100 }, known.slice(0, 2), { isComplete: false });
  assert.deepEqual([more.startOffset, more.wantsMore], [20, true]);
  // The time of the last one depends on a segment that is not known yet.
  const ahead = [{ ...known[0], maxTimestamp: NOW + 1 }] as RetentionSegment[];
  assert.equal(decide({ retentionMs: 100 }, ahead, { isComplete: false }).wantsMore, true);
});

test('retention: a start only moves forward, to the begin of a segment', async () => {
  await withSeed(async (prng) => {
    for (let round = 0; round < 500; round += 1) {
      const count = 1 + prng.integer(8);
      const segments = segmentsAt(...Array.from({ length: count }, () => NOW - prng.integer(300)));
      const limit = (): number | 'unlimited' =>
        prng.boolean() ? 'unlimited' : 1 + prng.integer(300);
      const policy = { retentionMs: limit(), retentionBytes: limit(), retentionRecords: limit() };
      const floor = retentionFloor(
        prng.boolean() ? ['a'] : [],
        new Map([['a', prng.integer(count * 10 + 1)]]),
      );
      const decision = decide(policy, segments, { floor, startOffset: prng.integer(10) });
      const { startOffset, verdicts } = decision;
      assert.ok(startOffset <= Math.max(9, floor.offset));
      assert.ok(startOffset < 10 || segments.some(({ baseOffset }) => baseOffset === startOffset));
      assert.equal(verdicts.filter(({ goes }) => !goes).length, 1);
      const behind = segments.filter(({ baseOffset }) => baseOffset >= startOffset).length * 100;
      const went = verdicts.filter(({ reason }) => reason === 'bytes').length > 0;
      if (went && verdicts.at(-2)?.reason === 'bytes') {
        assert.ok(behind >= Number(policy.retentionBytes));
      }
    }
  });
});

test('retention: each verdict says why, with its numbers', () => {
  const two = segmentsAt(NOW - 2000, NOW - 1000);
  const why = (policy: Partial<RetentionPolicy>, given: Partial<RetentionFacts> = {}) =>
    decide(policy, two, given).verdicts.map((verdict) => [verdict.reason, verdict.why]);
  assert.deepEqual(why({}), [['no-limit', "cleanup is 'delete' and no limit is set"]]);
  assert.deepEqual(why({ retentionMs: 1500 }), [
    ['age', 'age 2000 ms exceeds retentionMs 1500'],
    ['within-limits', 'age 1000 ms; limits: ms 1500, bytes unlimited, records unlimited'],
  ]);
  assert.deepEqual(why({ retentionBytes: 100 })[0], [
    'bytes',
    '100 bytes behind it reach retentionBytes 100',
  ]);
  assert.deepEqual(why({ retentionRecords: 10 })[0], [
    'records',
    '10 records behind it reach retentionRecords 10',
  ]);
  assert.deepEqual(why({ retentionMs: 100 })[1], ['active', 'it is written to']);
  assert.deepEqual(why({ retentionMs: 100 }, { durableEnd: 15 })[1], [
    'not-durable',
    'it ends at 20, durable is 15',
  ]);
  const silent = retentionFloor(['slow'], new Map());
  assert.deepEqual(why({ retentionMs: 100 }, { floor: silent }), [
    ['protected', "the protected group 'slow' has not reported an offset"],
  ]);
  const behind = retentionFloor(
    ['fast', 'slow'],
    new Map([
      ['fast', 20],
      ['slow', 5],
    ]),
  );
  assert.deepEqual(why({ retentionMs: 100 }, { floor: behind }), [
    ['protected', "the protected group 'slow' is at offset 5"],
  ]);
});

test('retention: of groups at one offset the first one is named', () => {
  const reports = new Map([
    ['one', 5],
    ['other', 5],
  ]);
  assert.deepEqual(retentionFloor(['one', 'other'], reports), {
    offset: 5,
    group: 'one',
    hasReported: true,
  });
  assert.deepEqual(retentionFloor([], reports), {
    offset: Number.POSITIVE_INFINITY,
    group: undefined,
    hasReported: false,
  });
});

test('retention: the sizes of all segments are needed for limits of size and number alone', () => {
  const needs = (policy: Partial<RetentionPolicy>) => needsTotals({ ...unlimited, ...policy });
  assert.equal(needs({}), false);
  assert.equal(needs({ retentionMs: 5 }), false);
  assert.equal(needs({ retentionBytes: 5 }), true);
  assert.equal(needs({ retentionRecords: 5 }), true);
  assert.equal(needs({ retentionBytes: 5, cleanup: 'compact' }), false);
});

test('retention: when nothing of what is known stays, nothing is rolled', () => {
  const decision = decide({ retentionMs: 1 }, segmentsAt(NOW - 10), { isComplete: false });
  assert.deepEqual([decision.rollActive, decision.wantsMore], [false, true]);
});
