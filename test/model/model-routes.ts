/**
 * The campaign of routes: random exchanges, bindings, keys and headers, each message held against
 * the straightforward reference; see test/support/exchange-world.ts.
 */

import { Prng } from '../../src/base/prng.js';
import { noRoutes, type RouteCoverage, runRoutes } from '../support/exchange-world.js';

export interface RouteFailure {
  readonly seed: number;
  readonly message: string;
}

/** Asks about so many messages at least, each run from one number: `seed`, `seed` + 1, ... */
export function exploreRoutes(
  messages: number,
  seed: number,
): { readonly covered: RouteCoverage; readonly failure: RouteFailure | undefined } {
  const covered = noRoutes();
  for (let run = seed; covered.messages < messages; run += 1) {
    try {
      runRoutes(new Prng(run), covered);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { covered, failure: { seed: run, message } };
    }
  }
  return { covered, failure: undefined };
}
