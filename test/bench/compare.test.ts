/** Whether two checkouts differ: pairs of rounds, their ratio, its interval, and what it says. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  differenceOf,
  isBetterLow,
  type PairedRound,
  pairsOf,
  verdictOf,
} from '../../bench/compare-decision.js';
import type { Row } from '../../bench/row.js';

const row: Row = {
  case: 'append-lone-p50',
  valueBytes: 100,
  batch: 1,
  callers: 1,
  acks: 'durable',
  unit: 'ms',
  ours: 2,
  raw: 1,
  ratio: 2,
  low: 2,
  high: 2,
  rounds: 1,
};

/** Here is `factor` times there, and every other round of the machine is half as fast. */
function roundsOf(factor: number, count: number): readonly PairedRound[] {
  return Array.from({ length: count }, (_, round) => {
    const there = round % 2 === 0 ? 100 : 50;
    const noise = 1 + ((round * 7) % 5) / 100;
    return { here: there * factor * noise, there };
  });
}

test('compare: the ratio is of each round, so a machine that slows down does not count', () => {
  const { ratio, low, high } = differenceOf(roundsOf(1.5, 20));
  assert.ok(ratio > 1.5 && ratio < 1.57, `${ratio}`);
  assert.ok(low > 1.5 && low < ratio && high > ratio && high < 1.57, `${low} ${high}`);
});

test('compare: what is the same is not told apart', () => {
  const rounds = [0.9, 1.1, 0.95, 1.05, 0.98, 1.02, 1.1, 0.9].map((here) => ({ here, there: 1 }));
  assert.equal(verdictOf(differenceOf(rounds), true), 'no difference seen');
});

test('compare: with fewer than six rounds the interval is the range of what was seen', () => {
  const { low, high, rounds } = differenceOf([
    { here: 1, there: 2 },
    { here: 3, there: 2 },
  ]);
  assert.deepEqual([low, high, rounds], [0.5, Math.exp(Math.log(1.5)), 2]);
  assert.throws(() => differenceOf([]), /there is a round/);
});

test('compare: a difference has the same interval each time it is computed', () => {
  assert.deepEqual(differenceOf(roundsOf(2, 12)), differenceOf(roundsOf(2, 12)));
});

test('compare: of times less is better, of rates more', () => {
  const more = { ratio: 1.2, low: 1.1, high: 1.3, rounds: 9 };
  assert.equal(verdictOf(more, isBetterLow(row)), 'slower');
  assert.equal(verdictOf(more, isBetterLow({ ...row, unit: 'records/s' })), 'faster');
  const less = { ratio: 0.8, low: 0.7, high: 0.9, rounds: 9 };
  assert.equal(verdictOf(less, isBetterLow(row)), 'faster');
  assert.equal(verdictOf({ ...more, rounds: 5 }, true), 'too few rounds to say');
});

test('compare: only rows that both checkouts have are paired', () => {
  const pairs = pairsOf(
    [row, { ...row, valueBytes: 16 }, { ...row, callers: 4, ours: 0 }],
    [
      { ...row, ours: 3 },
      { ...row, valueBytes: 32 },
      { ...row, callers: 4 },
    ],
  );
  assert.deepEqual(
    [...pairs.values()].map(({ here, there }) => [here, there]),
    [[2, 3]],
  );
});
