/**
 * A short run on a disk that is full again and again: `npm run crash -- --full N` runs long ones.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withSeed } from '../support/seed.js';
import { fullDiskObstacle, runFullDisk } from './full.js';

const obstacle = fullDiskObstacle();

test('a disk that fills loses nothing and needs no restart', { skip: obstacle }, async () => {
  await withSeed(async (_prng, seed) => {
    const { details, lost, wedged, restarts, refused } = await runFullDisk({ cycles: 5, seed });
    assert.deepEqual(details, []);
    assert.deepEqual({ lost, wedged, restarts }, { lost: 0, wedged: 0, restarts: 0 });
    assert.ok(refused > 0, 'the disk was full');
  });
});
