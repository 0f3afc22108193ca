/** The rules of what cleaning keeps, as tables over all inputs. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type EmptiedFacts,
  type HorizonState,
  horizonState,
  keepsEmptied,
  markerVerdict,
  type RecordVerdict,
  recordVerdict,
} from '../../src/storage/compaction-keep.js';

const horizons: readonly HorizonState[] = ['none', 'ahead', 'passed'];
const MAPPED_END = 100;

/** The first row that fits decides; a field that is left out fits everything. */
interface RecordRow {
  readonly isMapped?: boolean;
  readonly hasKey?: boolean;
  readonly hasLater?: boolean;
  readonly isTombstone?: boolean;
  readonly horizon?: HorizonState;
  readonly verdict: RecordVerdict;
}

const recordRows: readonly RecordRow[] = [
  { isMapped: false, verdict: 'keep' },
  { hasKey: false, verdict: 'keyless' },
  { hasLater: true, verdict: 'superseded' },
  { isTombstone: false, verdict: 'keep' },
  { horizon: 'passed', verdict: 'expired' },
  { isTombstone: true, verdict: 'keep-tombstone' },
];

test('every record meets the row of the table that fits first', () => {
  let count = 0;
  const met = new Set<RecordRow>();
  for (const isMapped of [true, false])
    for (const hasKey of [true, false])
      for (const hasLater of [true, false])
        for (const isTombstone of [true, false])
          for (const horizon of horizons) {
            const facts = { isMapped, hasKey, hasLater, isTombstone, horizon };
            const row = recordRows.find((candidate) => fits(candidate, facts));
            assert.ok(row !== undefined);
            met.add(row);
            const offset = isMapped ? MAPPED_END - 1 : MAPPED_END;
            assert.equal(
              recordVerdict(offset, MAPPED_END, hasKey, hasLater, isTombstone, horizon),
              row.verdict,
              JSON.stringify(facts),
            );
            count += 1;
          }
  assert.equal(count, 48);
  assert.equal(met.size, recordRows.length);
});

function fits(row: RecordRow, facts: Required<Omit<RecordRow, 'verdict'>>): boolean {
  return Object.entries(facts).every(
    ([name, value]) =>
      !(name in row) ||
      Object.entries(row).some(([key, wanted]) => key === name && wanted === value),
  );
}

test('a marker stays with its data, then until its horizon has passed', () => {
  for (const horizon of horizons) {
    assert.equal(markerVerdict(false, false, horizon), 'keep');
    assert.equal(markerVerdict(false, true, horizon), 'keep');
    assert.equal(markerVerdict(true, true, horizon), 'keep');
  }
  assert.equal(markerVerdict(true, false, 'none'), 'start-horizon');
  assert.equal(markerVerdict(true, false, 'ahead'), 'keep');
  assert.equal(markerVerdict(true, false, 'passed'), 'drop');
});

test('a horizon has passed when the clock is beyond it', () => {
  assert.equal(horizonState(false, 0, 10), 'none');
  assert.equal(horizonState(true, 10, 9), 'ahead');
  assert.equal(horizonState(true, 10, 10), 'ahead');
  assert.equal(horizonState(true, 10, 11), 'passed');
});

test('an emptied batch stays as the end of a group, or as the last of a live producer', () => {
  const producer: EmptiedFacts = {
    isLast: false,
    hasProducer: true,
    hasLaterBatch: false,
    maxTimestamp: 1000,
    nowMs: 1999,
    producerExpiryMs: 1000,
  };
  assert.equal(keepsEmptied(producer), true);
  assert.equal(keepsEmptied({ ...producer, nowMs: 2000 }), false);
  assert.equal(keepsEmptied({ ...producer, hasLaterBatch: true }), false);
  assert.equal(keepsEmptied({ ...producer, hasProducer: false }), false);
  assert.equal(keepsEmptied({ ...producer, hasProducer: false, isLast: true }), true);
  assert.equal(keepsEmptied({ ...producer, nowMs: 9000, isLast: true }), true);
});
