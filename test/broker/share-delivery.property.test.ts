/**
 * The delivery state against a model that is a plain list of messages.
 *
 * Consumers acquire, acknowledge late and twice, release, reject, extend, crash; transactions
 * freeze, commit and thaw; the limits change, the start is set, the process restarts from what was
 * stored. After each step every count, range and receipt is what the model says.
 */

import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import { testRuns, withSeed } from '../support/seed.js';
import { DeliveryWorld } from '../support/share-world.js';

const STEPS = 150;

function sequence(prng: Prng, isKeyed: boolean): void {
  const world = new DeliveryWorld(prng, isKeyed);
  for (let step = 0; step < STEPS; step += 1) world.step();
  world.drain();
}

for (const order of ['none', 'key']) {
  test(`share delivery: like a plain list of messages, order ${order}`, () =>
    withSeed((prng) => {
      const runs = testRuns(250);
      for (let run = 0; run < runs; run += 1) sequence(prng, order === 'key');
    }));
}
