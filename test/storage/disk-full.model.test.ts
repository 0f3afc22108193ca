// A disk that is filled and freed over and over: nothing is lost, and nothing stays as it was.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSeed } from '../support/seed.js';
import { FullDiskRun, fullDiskPolicies } from './disk-full-run.js';

/** Of each policy. */
const CYCLES = 40;

for (const [name, options] of Object.entries(fullDiskPolicies)) {
  test(`full disk: ${CYCLES} times, cleanup ${name}: nothing lost, nothing wedged`, async (t) => {
    await withSeed(async (prng) => {
      const run = new FullDiskRun(prng, options);
      await run.run(CYCLES);
      const { counts } = run;
      t.diagnostic(JSON.stringify(counts));
      assert.ok(counts.acknowledged > CYCLES);
      assert.ok(counts.refused > CYCLES);
      assert.ok(counts.reopened > 0);
      if (name !== 'delete') assert.ok(counts.cleaningsWhenFull > CYCLES / 20);
    });
  });
}
