/**
 * Random lives of a broker with producers, groups and transactions; the campaign is
 * `npm run model`.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { misfits } from '../support/planted-copy.js';
import { testRuns, testSeed } from '../support/seed.js';
import { Coverage } from './model-coverage.js';
import { runSequence } from './model-sequence.js';
import { plantedBugs } from './planted-bugs.js';

test('streams: random sequences of commands break no rule', async () => {
  const seed = testSeed();
  const runs = testRuns(500);
  const coverage = new Coverage();
  for (let run = 0; run < runs; run += 1) {
    const failure = await runSequence(seed + run, coverage);
    if (failure === undefined) continue;
    const again = `npm run model -- --sequences 1 --seed ${failure.seed}`;
    assert.fail(`${failure.message}\n  again: ${again}`);
  }
  if (runs < 500) return;
  // What the sequences are about did happen.
  for (const [area, what] of [
    ['crashes', 'kill'],
    ['crashes', 'power cut'],
    ['groups', 'generations'],
    ['members', 'commits'],
    ['members', 'batches in transactions committed'],
    ['transactions', 'committed'],
    ['transactions', 'aborted'],
    ['client batches', 'duplicate'],
  ] as const) {
    assert(coverage.of(area, what) > 0, `${area}: ${what}`);
  }
});

test('streams: every planted bug fits the build', () => {
  assert.deepEqual(plantedBugs.flatMap(misfits), []);
});
