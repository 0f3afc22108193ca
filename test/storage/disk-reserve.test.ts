// The reserve as decisions: its states, its size, and when it is tried again.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantViolation } from '../../src/base/assert.js';
import {
  moveReserve,
  type ReserveEvent,
  type ReserveState,
  refusesAppends,
  reserveBytes,
  reserveDelayMs,
  reserveMoves,
} from '../../src/storage/disk-reserve.js';
import { type LogOptions, resolveLogOptions } from '../../src/storage/log-config.js';

const states: readonly ReserveState[] = [
  'off',
  'absent',
  'building',
  'whole',
  'lent',
  'owed',
  'rebuilding',
];
const events: readonly ReserveEvent[] = [
  'due',
  'built',
  'unbuilt',
  'failed',
  'borrowed',
  'returned',
  'sized',
  'unsized',
  'spent',
];
const KIB = 1024;
const MIB = 1024 * KIB;

function isBuilding(state: ReserveState): boolean {
  return state === 'building' || state === 'rebuilding';
}

test('reserve: every state has a move for every event, and the rules hold in all of them', () => {
  assert.deepEqual(Object.keys(reserveMoves), states);
  for (const state of states) {
    assert.deepEqual(Object.keys(reserveMoves[state]), events);
    for (const event of events) {
      const next = reserveMoves[state][event];
      const where = `${state} ${event}`;
      if (next === 'never') {
        assert.throws(() => moveReserve(state, event), InvariantViolation);
        continue;
      }
      assert.equal(moveReserve(state, event), next);
      // An attempt ends in its own way before anything else happens.
      const isEnd = event === 'built' || event === 'unbuilt' || event === 'failed';
      assert.equal(isBuilding(state), isEnd, where);
      if (event === 'due') assert.ok(isBuilding(next), where);
      if (next === 'whole') assert.equal(event, 'built', where);
      if (next === 'lent' && state !== 'lent') assert.equal(event, 'borrowed', where);
      // Appends that were refused go on when it is whole, or when it will not be.
      const isResumed = refusesAppends(state) && !refusesAppends(next);
      const isReason = event === 'built' || event === 'failed' || event === 'unsized';
      if (isResumed) assert.ok(isReason, where);
      const isStopped = !refusesAppends(state) && refusesAppends(next);
      const stops = ['whole borrowed lent', 'off spent owed'];
      if (isStopped) assert.ok(stops.includes(`${state} ${event} ${next}`), where);
    }
  }
});

test('reserve: from every state that refuses appends, some way leads to whole', () => {
  for (const state of states.filter(refusesAppends)) {
    const seen = new Set<ReserveState>([state]);
    for (const from of seen) {
      for (const next of Object.values(reserveMoves[from])) if (next !== 'never') seen.add(next);
    }
    assert.ok(seen.has('whole'), state);
  }
});

test('reserve: its size follows from what the cleaning needs', () => {
  const bytesOf = (options: LogOptions): number => reserveBytes(resolveLogOptions(options, 'test'));
  assert.equal(bytesOf({}), 0);
  assert.equal(bytesOf({ reserveBytes: 12_345 }), 12_345);
  assert.equal(bytesOf({ cleanup: 'compact', reserveBytes: 0 }), 0);
  // An index entry of 20 bytes for each 4 KiB of 128 MiB, and 32 KiB.
  assert.equal(bytesOf({ retentionMs: 1000 }), 32_768 * 20 + 32 * KIB);
  // Both indexes are bounded by 10 MiB and 15 MiB.
  const roll = 32_768 * 20 + 32 * KIB;
  assert.equal(bytesOf({ cleanup: 'compact' }), roll + 128 * MIB + 25 * MIB + 32 * KIB);
  const small = { cleanup: 'compact', segmentBytes: 69 * 100, indexIntervalBytes: 0 } as const;
  assert.equal(bytesOf(small), 2000 + 32 * KIB + 6900 + 2000 + 32 * KIB);
});

test('reserve: attempts come after 250 ms, twice as long, ... 10 s', () => {
  const delays = [1, 2, 3, 6, 7, 8, 1_000_000].map(reserveDelayMs);
  assert.deepEqual(delays, [250, 500, 1000, 8000, 10_000, 10_000, 10_000]);
});
