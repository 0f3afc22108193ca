/**
 * Sequences of the model of queues, one after the other: each follows from one number.
 */

import fc from 'fast-check';
import type { Coverage } from './model-coverage.js';
import type { SequenceFailure } from './model-sequence.js';
import { queueCommands } from './queue-commands.js';
import { queuePlans } from './queue-plan.js';
import { type BrokerOf, QueueWorld } from './queue-world.js';

/** Runs one; undefined when nothing is wrong with it. `isWhole`: what fails is not shrunk. */
export async function runQueueSequence(
  seed: number,
  coverage: Coverage,
  isWhole = false,
  brokerOf?: () => BrokerOf,
): Promise<SequenceFailure | undefined> {
  const property = fc.asyncProperty(
    fc.scheduler(),
    queuePlans,
    queueCommands,
    async (scheduler, drawn, commands) => {
      // Plain queues have no topics.
      const plan = brokerOf === undefined ? drawn : { ...drawn, hasTopic: false };
      const world = new QueueWorld(scheduler, coverage, plan, brokerOf?.());
      await world.begin();
      await fc.asyncModelRun(async () => ({ model: {}, real: world }), commands);
      await world.calmDown();
    },
  );
  const details = await fc.check(property, { seed, numRuns: 1, endOnFailure: isWhole });
  if (!details.failed) return undefined;
  const { counterexample, errorInstance } = details;
  const [, plan, commands] = counterexample ?? [];
  const error = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  const where = `in ${JSON.stringify(plan)}`;
  return { seed, message: `${error}\n  ${where}\n  after ${String(commands)}` };
}
