/**
 * A short SIGKILL loop: `npm run crash -- --kill N` runs long ones.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSeed } from '../support/seed.js';
import { runKillLoop } from './kill.js';

test('a killed writer loses nothing acknowledged, leaves no hole and invents nothing', async () => {
  await withSeed(async (_prng, seed) => {
    const { cycles, lost, holes, phantom, details } = await runKillLoop({ cycles: 16, seed });
    assert.deepEqual(details, []);
    assert.deepEqual(
      { cycles, lost, holes, phantom },
      { cycles: 16, lost: 0, holes: 0, phantom: 0 },
    );
  });
});
