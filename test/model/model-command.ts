/**
 * What a command of the model is, and what all of them draw.
 */

import fc from 'fast-check';
import type { AssignorName } from '../../src/broker/group/assignors.js';
import type { Death } from './model-life.js';
import type { MemberPlan } from './model-participant.js';
import type { ModelWorld } from './model-world.js';

export type ModelCommand = fc.AsyncCommand<object, ModelWorld>;

const SENDERS = 4;

/** The life is over before and after none of them: whoever ends one lets the next begin. */
export function command(
  kind: string,
  detail: string,
  run: (world: ModelWorld) => void | Promise<void>,
): ModelCommand {
  return {
    check: () => true,
    run: async (_model, world) => {
      world.coverage.count('commands', kind);
      await run(world);
      await world.steps(0);
    },
    toString: () => `${kind}(${detail})`,
  };
}

export function pickOf<T>(values: readonly T[], which: number): T | undefined {
  return values[which % Math.max(1, values.length)];
}

export const which = fc.nat(SENDERS - 1);
export const seeds = fc.nat(2 ** 31 - 1);
export const deaths = fc.constantFrom<Death>('kill', 'power cut', 'power cut');

/** What members are like. */
export const plans: fc.Arbitrary<MemberPlan> = fc.record({
  topics: fc.constantFrom(['a'], ['b'], ['a', 'b'], ['a', 'b', 'c']),
  assignor: fc.constantFrom<AssignorName>(
    'range',
    'roundrobin',
    'sticky',
    'cooperative-sticky',
    'cooperative-sticky',
  ),
  instanceId: fc.constantFrom(undefined, undefined, undefined, 'one', 'two'),
  durability: fc.constantFrom<'durable' | 'written'>('durable', 'written', 'written'),
});
