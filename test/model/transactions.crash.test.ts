/**
 * A crash at the calls of the file system that transactions make; `npm run model -- --crashes`
 * tries every one, `MILLRACE_CRASHES=all` here too.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSeed } from '../support/seed.js';
import { exploreCrashes } from './model-crashes.js';

const isWhole = process.env['MILLRACE_CRASHES'] === 'all';
const SHARE = 0.08;

test('transactions: a crash at any call, also within the recovery, breaks no rule', async () => {
  await withSeed(async (prng, seed) => {
    const isTried = (): boolean => isWhole || prng.boolean(SHARE);
    const counts = await exploreCrashes({ cutsPerCall: 3, nestedPerCall: 3, seed, isTried });
    assert(counts.calls > 50, `${counts.calls} calls`);
    assert(counts.crashes > 10, `${counts.crashes} crashes`);
    assert(counts.nested > 5, `${counts.nested} nested crashes`);
    assert(counts.committed > 0, 'transactions were committed');
    assert(counts.aborted > 0, 'transactions were aborted');
  });
});
