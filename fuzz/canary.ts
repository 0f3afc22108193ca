/**
 * Targets that fail on purpose, each in its way: they prove that the runner notices failures, hangs
 * and memory without end, reports them and can repeat them.
 */

import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';

export function tryCanary({ prng, met, input, isLast }: FuzzEvent): void {
  const bytes = prng.bytes(8);
  input(bytes, 'eight bytes');
  met('event');
  if ((bytes[0] ?? 0) < 16 || isLast) throw new Error('the canary always fails');
}

/** Never returns, and answers to nothing meanwhile. */
export function tryToHang({ prng }: FuzzEvent): void {
  const bytes = prng.bytes(8);
  while (bytes.length > 0) bytes[0] = 1;
}

/** Takes memory until there is none. */
export function tryToExhaust({ prng }: FuzzEvent): void {
  const kept: number[][] = [];
  while (kept.length < 2 ** 30) kept.push(Array(1_000_000).fill(prng.integer(9) + 0.5));
}

export const fuzz = fuzzWith(tryCanary);
