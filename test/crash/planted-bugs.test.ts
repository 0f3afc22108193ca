/**
 * The bugs that `npm run crash -- --planted all` plants: each must still fit the build.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { misfits } from '../support/planted-copy.js';
import { plantedBugs } from './planted-bugs.js';

test('planted bugs: each fits the build exactly once, and has a name of its own', () => {
  assert.deepEqual(plantedBugs.flatMap(misfits), []);
  assert.equal(new Set(plantedBugs.map(({ name }) => name)).size, plantedBugs.length);
  assert(plantedBugs.length >= 15);
});
