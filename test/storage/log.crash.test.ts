import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExplorer } from '../crash/explorer.js';
import { sweepFaults } from '../crash/explorer-faults.js';
import { recoveringWorkload, sweepWorkloads, tornStart } from '../crash/explorer-faults-plan.js';
import { recoverAndCheck } from '../crash/explorer-recovery.js';
import { exploreRolls } from '../crash/explorer-rolls.js';
import { LOG_DIRECTORY } from '../support/log-workload-session.js';
import { withSeed } from '../support/seed.js';

const BUDGET_MS = 12_000;

test('a log survives a power cut or a kill at every call, also during recovery', async () => {
  await withSeed(async (_prng, seed) => {
    const counts = await runExplorer({
      seed,
      workloads: 8,
      budgetMs: BUDGET_MS,
      statesPerCall: [6, 2, 2],
      callsNested: 2,
    });
    assert(counts.crashes > 0);
    assert(counts.nested > 0);
    assert(counts.torn > 0);
  });
});

test('a failed call of the file system loses nothing and never hangs', async () => {
  await withSeed(async (_prng, seed) => {
    for (const workload of sweepWorkloads) {
      const { healthy, poisoned, unopened } = await sweepFaults(workload, { seed, share: 0.03 });
      assert(healthy > 0);
      assert(poisoned + unopened > 0);
    }
  });
});

test('a failed call of a recovery loses nothing, and the next recovery ends it', async () => {
  await withSeed(async (_prng, seed) => {
    const start = await tornStart();
    const session = await recoverAndCheck(
      start.disk.clone(),
      start.oracle.clone(),
      recoveringWorkload,
    );
    const broken = session.disk.list(LOG_DIRECTORY).filter((path) => path.endsWith('.broken'));
    assert.equal(broken.length, 1);
    await session.close();
    const { healthy } = await sweepFaults(recoveringWorkload, { seed, share: 0.2 }, start);
    assert(healthy > 0);
  });
});

test('an old seal never speaks for a segment that grew, whatever a roll leaves', async () => {
  assert((await exploreRolls()) > 100);
});
