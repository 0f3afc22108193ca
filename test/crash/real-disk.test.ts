// Power cuts and failed calls of the real kernel, where the machine can make them: a few of what
// `npm run crash -- --cuts` and `--failed-calls` do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testSeed } from '../support/seed.js';
import { failureToolObstacle, runFailedCalls } from './failed-calls.js';
import { powerCutObstacle, runPowerCuts } from './power-cuts.js';

test('power cuts: what was acknowledged is there when it is mounted again', async (t) => {
  const obstacle = powerCutObstacle('ext4');
  if (obstacle !== undefined) return t.skip(obstacle);
  const seed = testSeed();
  const { lost, holes, phantom, failures, cycles, details } = await runPowerCuts({
    fileSystem: 'ext4',
    cycles: 2,
    seed,
  });
  const found = { lost, holes, phantom, failures, cycles };
  const again = `npm run crash -- --cuts 2 --seed ${seed}: ${details.join('; ')}`;
  assert.deepEqual(found, { lost: 0, holes: 0, phantom: 0, failures: 0, cycles: 2 }, again);
});

test('failed calls: nothing that was acknowledged goes with one, and it has a code', async (t) => {
  const obstacle = failureToolObstacle('preload');
  if (obstacle !== undefined) return t.skip(obstacle);
  const seed = testSeed();
  const { lost, holes, phantom, failures, cycles, details } = await runFailedCalls(
    'preload',
    3,
    seed,
  );
  const found = { lost, holes, phantom, failures, cycles };
  const again = `npm run crash -- --failed-calls 3 --seed ${seed}: ${details.join('; ')}`;
  assert.deepEqual(found, { lost: 0, holes: 0, phantom: 0, failures: 0, cycles: 3 }, again);
});
