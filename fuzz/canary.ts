/**
 * A target that always fails, at an event that follows from the seed: it proves that the runner
 * notices failures, reports them and can repeat them.
 */

import { type FuzzCoverage, type FuzzOptions, runEvents } from './event.js';

export function run(options: FuzzOptions): Promise<FuzzCoverage> {
  return runEvents(options, ({ prng, number, met, input }) => {
    const bytes = prng.bytes(8);
    input(bytes, 'eight bytes');
    met('event');
    const isLast = number === options.events + (options.firstEvent ?? 0) - 1;
    if ((bytes[0] ?? 0) < 16 || isLast) throw new Error('the canary always fails');
  });
}
