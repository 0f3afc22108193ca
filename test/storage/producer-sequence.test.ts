// Which batch of a producer comes next: every row of the rules, and the end of the numbers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  judgeSequence,
  type SequenceFacts,
  type SequenceVerdict,
  sequenceAfter,
} from '../../src/storage/producer-sequence.js';

const MAX = 2 ** 31 - 1;

/** A producer of epoch 3 whose batches of ten records begin at these sequences, from offset 100. */
function knownOf(bases: readonly number[], producerEpoch = 3): SequenceFacts {
  const batches = bases.map((baseSequence, index) => ({
    baseSequence,
    lastSequence: sequenceAfter(baseSequence, 9),
    baseOffset: 100 + index * 10,
    lastOffset: 109 + index * 10,
  }));
  return { producerEpoch, batches };
}

interface Row {
  readonly name: string;
  readonly known: SequenceFacts | undefined;
  /** Epoch, first and last sequence. */
  readonly batch: readonly [number, number, number];
  readonly verdict: SequenceVerdict['kind'];
  readonly expected?: number;
  readonly baseOffset?: number;
}

const five = knownOf([10, 20, 30, 40, 50]);
const wrapped = knownOf([MAX - 14, MAX - 4]);

const rows: readonly Row[] = [
  { name: 'unknown at 0', known: undefined, batch: [0, 0, 4], verdict: 'next' },
  { name: 'unknown anywhere', known: undefined, batch: [7, 123, 124], verdict: 'next' },
  { name: 'the next one', known: five, batch: [3, 60, 60], verdict: 'next' },
  {
    name: 'the last again',
    known: five,
    batch: [3, 50, 59],
    verdict: 'duplicate',
    baseOffset: 140,
  },
  {
    name: 'the fifth again',
    known: five,
    batch: [3, 10, 19],
    verdict: 'duplicate',
    baseOffset: 100,
  },
  { name: 'older again', known: five, batch: [3, 0, 9], verdict: 'old-duplicate' },
  { name: 'a gap', known: five, batch: [3, 61, 70], verdict: 'out-of-order', expected: 60 },
  {
    name: 'a far gap',
    known: five,
    batch: [3, 2 ** 30, 2 ** 30],
    verdict: 'out-of-order',
    expected: 60,
  },
  { name: 'a part of one', known: five, batch: [3, 50, 54], verdict: 'out-of-order', expected: 60 },
  { name: 'two in one', known: five, batch: [3, 40, 59], verdict: 'out-of-order', expected: 60 },
  {
    name: 'old and kept in one',
    known: five,
    batch: [3, 0, 19],
    verdict: 'out-of-order',
    expected: 60,
  },
  { name: 'an older epoch', known: five, batch: [2, 60, 60], verdict: 'fenced' },
  { name: 'an older epoch, stored', known: five, batch: [2, 50, 59], verdict: 'fenced' },
  { name: 'a new epoch at 0', known: five, batch: [4, 0, 9], verdict: 'next' },
  {
    name: 'a new epoch elsewhere',
    known: five,
    batch: [4, 60, 69],
    verdict: 'out-of-order',
    expected: 0,
  },
  { name: 'behind a marker, at 0', known: knownOf([]), batch: [3, 0, 0], verdict: 'next' },
  {
    name: 'behind a marker',
    known: knownOf([]),
    batch: [3, 5, 5],
    verdict: 'out-of-order',
    expected: 0,
  },
  { name: 'over the end', known: knownOf([MAX - 9]), batch: [3, 0, 3], verdict: 'next' },
  {
    name: 'over the end in one',
    known: knownOf([MAX - 19]),
    batch: [3, MAX - 9, 0],
    verdict: 'next',
  },
  { name: 'behind the end', known: wrapped, batch: [3, 5, 9], verdict: 'next' },
  {
    name: 'over the end again',
    known: wrapped,
    batch: [3, MAX - 4, 4],
    verdict: 'duplicate',
    baseOffset: 110,
  },
  {
    name: 'over the end, older',
    known: wrapped,
    batch: [3, MAX - 24, MAX - 15],
    verdict: 'old-duplicate',
  },
  {
    name: 'older over the end',
    known: knownOf([6, 16]),
    batch: [3, MAX - 3, 5],
    verdict: 'old-duplicate',
  },
];

for (const { name, known, batch, verdict, expected, baseOffset } of rows) {
  test(`sequence: ${name}: ${verdict}`, () => {
    const [producerEpoch, baseSequence, lastSequence] = batch;
    const judged = judgeSequence(known, { producerEpoch, baseSequence, lastSequence });
    assert.equal(judged.kind, verdict);
    if (judged.kind === 'out-of-order') assert.equal(judged.expected, expected);
    if (judged.kind === 'duplicate') assert.equal(judged.stored.baseOffset, baseOffset);
    if (judged.kind === 'old-duplicate') assert.equal(judged.endOffset, 100);
  });
}

test('sequence: of all small cases, exactly one batch is next, and it is the one behind', () => {
  for (const start of [0, 7, MAX - 12]) {
    const bases = [start, sequenceAfter(start, 10)];
    const next = sequenceAfter(start, 20);
    for (let shift = -30; shift <= 30; shift += 1) {
      const baseSequence = sequenceAfter(next, shift);
      const lastSequence = sequenceAfter(baseSequence, 9);
      const { kind } = judgeSequence(knownOf(bases), {
        producerEpoch: 3,
        baseSequence,
        lastSequence,
      });
      const isStored = shift === -10 || shift === -20;
      const wanted = shift === 0 ? 'next' : isStored ? 'duplicate' : 'out-of-order';
      assert.equal(kind, shift === -30 ? 'old-duplicate' : wanted, `${start} ${shift}`);
    }
  }
});

test('sequence: numbers go round', () => {
  assert.equal(sequenceAfter(MAX, 1), 0);
  assert.equal(sequenceAfter(MAX, 5), 4);
  assert.equal(sequenceAfter(4, -5), MAX);
  assert.equal(sequenceAfter(0, 0), 0);
});
