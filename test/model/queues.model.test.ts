/**
 * Random lives of a broker with queues, receivers, workers and transactions; the campaign is
 * `npm run model -- --queues`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { misfits } from '../support/planted-copy.js';
import { testRuns, testSeed } from '../support/seed.js';
import { Coverage } from './model-coverage.js';
import { plantedQueueBugs } from './queue-planted.js';
import { ReferenceBroker } from './queue-reference.js';
import { type Mistake, mistakes, ReferenceStore } from './queue-reference-store.js';
import { runQueueSequence } from './queue-sequence.js';

test('queues: random sequences of commands break no rule', async () => {
  const seed = testSeed();
  const runs = testRuns(500);
  const coverage = new Coverage();
  for (let run = 0; run < runs; run += 1) {
    const failure = await runQueueSequence(seed + run, coverage);
    if (failure === undefined) continue;
    const again = `npm run model -- --queues --sequences 1 --seed ${failure.seed}`;
    assert.fail(`${failure.message}\n  again: ${again}`);
  }
  if (runs < 500) return;
  // What the sequences are about did happen, and the rules had something to say.
  for (const [area, what] of [
    ['crashes', 'kill'],
    ['crashes', 'power cut'],
    ['deliveries', 'again'],
    ['ends', 'dead'],
    ['sends', 'duplicate'],
    ['transactions', 'committed'],
    ['transactions', 'aborted'],
    ['rules', 'isNextInLane'],
    ['rules', 'isUrgent'],
    ['rules', 'isFenced'],
    ['rules', 'isFrozen'],
    ['rules', 'isNotEarly'],
    ['rules', 'isNotBeforeRelease'],
    ['rules', 'isDeadForAReason'],
  ] as const) {
    assert(coverage.of(area, what) > 0, `${area}: ${what}`);
  }
});

test('queues: every planted bug fits the build', () => {
  assert.deepEqual(plantedQueueBugs.flatMap(misfits), []);
});

/** How many sequences a mistake of the plain queues may hide from. */
const MISTAKE_SEQUENCES = 600;
const SEED = 1;

function runReference(seed: number, mistakes: readonly Mistake[]) {
  return runQueueSequence(seed, new Coverage(), true, () => {
    const store = new ReferenceStore(mistakes);
    return (life) => new ReferenceBroker(store, life);
  });
}

test('queues: plain queues break no rule', async () => {
  for (let run = 0; run < 100; run += 1) {
    assert.equal((await runReference(SEED + run, []))?.message, undefined);
  }
});

test('queues: every mistake of plain queues is found', async (context) => {
  for (const mistake of mistakes) {
    await context.test(mistake, async () => {
      for (let run = 0; run < MISTAKE_SEQUENCES; run += 1) {
        if ((await runReference(SEED + run, [mistake])) !== undefined) return;
      }
      assert.fail(`not found in ${MISTAKE_SEQUENCES} sequences`);
    });
  }
});
