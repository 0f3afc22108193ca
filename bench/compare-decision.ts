/**
 * Whether two checkouts differ, from rounds in which both were measured one after the other.
 *
 * Only the ratio of a round is believed. The interval of their geometric mean comes from the
 * bootstrap: rounds are drawn with replacement, as many as there are, thousands of times, and 95 %
 * of the means lie in it. With fewer than six rounds it is their range, and decides nothing.
 */

import { Prng } from '../src/base/prng.js';
import type { Row } from './row.js';
import { quantile } from './statistics.js';

export interface PairedRound {
  readonly here: number;
  readonly there: number;
}

export interface Difference {
  /** Here divided by there. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
}

export type DifferenceVerdict =
  | 'faster'
  | 'slower'
  | 'no difference seen'
  | 'too few rounds to say';

const DRAWS = 10_000;
const ROUNDS_MIN = 6;
const SEED = 1;

export function differenceOf(rounds: readonly PairedRound[]): Difference {
  if (rounds.length === 0) throw new Error('there is a round');
  const logs = rounds.map(({ here, there }) => Math.log(here / there));
  const ratio = Math.exp(mean(logs));
  const { length } = rounds;
  if (length < ROUNDS_MIN) {
    const [low, high] = [Math.exp(Math.min(...logs)), Math.exp(Math.max(...logs))];
    return { ratio, low, high, rounds: length };
  }
  const random = new Prng(SEED);
  const means = Array.from({ length: DRAWS }, () => {
    let sum = 0;
    for (let draw = 0; draw < length; draw += 1) sum += logs[random.integer(length)] ?? 0;
    return sum / length;
  });
  const low = Math.exp(quantile(means, 0.025));
  const high = Math.exp(quantile(means, 0.975));
  return { ratio, low, high, rounds: length };
}

/** What both checkouts measured in one round, by what tells a row from others. */
export function pairsOf(
  here: readonly Row[],
  there: readonly Row[],
): ReadonlyMap<string, PairedRound & { readonly row: Row }> {
  const others = new Map(there.map((row) => [nameOf(row), row]));
  const pairs = new Map<string, PairedRound & { readonly row: Row }>();
  for (const row of here) {
    const other = others.get(nameOf(row));
    if (other === undefined || row.ours <= 0 || other.ours <= 0) continue;
    pairs.set(nameOf(row), { here: row.ours, there: other.ours, row });
  }
  return pairs;
}

function nameOf({ case: name, valueBytes, batch, callers, acks, against = '' }: Row): string {
  return `${name} ${valueBytes} ${batch} ${callers} ${acks} ${against}`.trim();
}

/** Of rates more is better, of times, bytes and counts less. */
export function isBetterLow({ unit }: Row): boolean {
  return !unit.endsWith('/s');
}

/** An interval that holds 1 says nothing. */
export function verdictOf(
  { low, high, rounds }: Difference,
  isLowBetter: boolean,
): DifferenceVerdict {
  if (low <= 1 && high >= 1) return 'no difference seen';
  if (rounds < ROUNDS_MIN) return 'too few rounds to say';
  return low > 1 === isLowBetter ? 'slower' : 'faster';
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
