/**
 * Flipped bits, sampled: `npm run crash -- --flips` tries every one.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Flipper, runFlips } from './flips.js';
import { SEALED_LOG } from './flips-log.js';

const BITS_PER_FILE = 60;

test('a flipped bit in any file of a log is detected or harmless', async () => {
  const { files, wrong, missing, details } = await runFlips({ sample: BITS_PER_FILE });
  assert.deepEqual(details, []);
  assert.deepEqual({ wrong, missing }, { wrong: 0, missing: 0 });
  const sealed = files[SEALED_LOG];
  assert.deepEqual(sealed, { bits: BITS_PER_FILE, detected: BITS_PER_FILE, harmless: 0 });
  assert.equal(files['00000000000000000000.index']?.harmless, BITS_PER_FILE);
});

test('a batch length that reaches beyond the segment is detected, not read for ever', async () => {
  // Bit 5 of the second byte of the length: two megabytes more.
  const bits = [(8 + 1) * 8 + 5];
  const task = { pass: 'reading', state: 'clean', file: SEALED_LOG, bits } as const;
  const { files, details } = await new Flipper().run(task);
  assert.deepEqual(details, []);
  assert.deepEqual(files[SEALED_LOG], { bits: 1, detected: 1, harmless: 0 });
});
