import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runHistories } from '../crash/histories.js';
import { exploreSwaps } from '../crash/swaps.js';
import { withSeed } from '../support/seed.js';

const HISTORIES = 1000;
const BUDGET_MS = 5000;

test('a compacted log keeps its promises through random histories of crashes', async () => {
  await withSeed(async (_prng, seed) => {
    const counts = await runHistories({ seed, histories: HISTORIES, budgetMs: BUDGET_MS });
    assert(counts.swaps > 0);
    assert(counts.fullMaps > 0);
    assert(counts.powerCuts > 0);
    assert(counts.superseded > 0);
  });
});

/** Disks for each call, by how deep they lie: all of the first group, fewer of larger ones. */
const plans = [
  { segments: 1, statesPerCall: [64, 2] },
  { segments: 2, statesPerCall: [32] },
  { segments: 3, statesPerCall: [32] },
];

for (const plan of plans) {
  test(`compacting ${plan.segments} into one ends whole wherever it is cut short`, async () => {
    const counts = await exploreSwaps(plan);
    for (const count of Object.values(counts.held)) assert(count > 0);
    assert.equal(counts.ends.length, plan.statesPerCall.length);
  });
}
