/**
 * Seeds of random tests: a new one in each run, `MILLRACE_SEED=<number>` to repeat a run.
 *
 * Whatever fails says its seed. fast-check prints the seed by itself when it gets one:
 * `fc.assert(property, { seed: testSeed() })`; other random tests run inside {@link withSeed}.
 */

import { Prng, randomSeed } from '../../src/base/prng.js';

/** The seed to use now; with MILLRACE_SEED set always the same. */
export function testSeed(): number {
  const given = process.env['MILLRACE_SEED'];
  // fast-check takes signed 32-bit seeds, so both kinds of test can share one number.
  if (given === undefined) return randomSeed() >>> 1;
  const seed = Number(given);
  if (!Number.isSafeInteger(seed) || seed < 0 || given === '') {
    throw new RangeError(`MILLRACE_SEED is not a whole number: ${given}`);
  }
  return seed;
}

/** How many runs a random test makes: what it takes as a rule, or `MILLRACE_RUNS=<number>`. */
export function testRuns(usual: number): number {
  const given = process.env['MILLRACE_RUNS'];
  if (given === undefined) return usual;
  const runs = Number(given);
  if (!Number.isSafeInteger(runs) || runs < 1) {
    throw new RangeError(`MILLRACE_RUNS is not a positive whole number: ${given}`);
  }
  return runs;
}

/** Runs a random test; its failure becomes the cause of an error that names the seed. */
export async function withSeed(run: (prng: Prng, seed: number) => void | Promise<void>) {
  const seed = testSeed();
  try {
    await run(new Prng(seed), seed);
  } catch (error) {
    throw new Error(`failed with seed ${seed}; to repeat: MILLRACE_SEED=${seed}`, {
      cause: error,
    });
  }
}
