/**
 * Sequences of the model, one after the other: each follows from one number.
 */

import fc from 'fast-check';
import { modelCommands } from './model-commands.js';
import type { Coverage } from './model-coverage.js';
import { ModelWorld } from './model-world.js';

export interface SequenceFailure {
  readonly seed: number;
  readonly message: string;
}

/** Runs one; undefined when nothing is wrong with it. `isWhole`: what fails is not shrunk. */
export async function runSequence(
  seed: number,
  coverage: Coverage,
  isWhole = false,
): Promise<SequenceFailure | undefined> {
  const property = fc.asyncProperty(fc.scheduler(), modelCommands, async (scheduler, commands) => {
    const world = new ModelWorld(scheduler, coverage);
    try {
      await world.begin();
      await fc.asyncModelRun(async () => ({ model: {}, real: world }), commands);
      await world.calmDown();
    } finally {
      world.end();
    }
  });
  const details = await fc.check(property, { seed, numRuns: 1, endOnFailure: isWhole });
  if (!details.failed) return undefined;
  const { counterexample, errorInstance } = details;
  const [, commands] = counterexample ?? [];
  const error = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return { seed, message: `${error}\n  after ${String(commands)}` };
}
