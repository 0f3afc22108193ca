/**
 * When something that failed is tried again, and how often.
 *
 *     fixed         delayMs                          each time the same
 *     linear        delayMs * failures               1 s, 2 s, 3 s, ...
 *     exponential   delayMs * factor ^ (failures-1)  1 s, 2 s, 4 s, ...
 *
 * No delay is longer than `delayMsMax`. With full jitter the delay is drawn evenly from 0 up to
 * that: so what failed together does not come back together.
 */

import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import {
  type GivenOptions,
  optionTable,
  type ResolvedOptions,
  resolveOptions,
} from '../../base/options.js';
import type { Prng } from '../../base/prng.js';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** As good as no limit of attempts. */
export const RETRY_ATTEMPTS_MAX = 1_000_000;

export const retryOptionTable = optionTable({
  attempts: {
    unit: 'attempts',
    default: 5,
    min: 1,
    max: RETRY_ATTEMPTS_MAX,
    doc: 'How often it is tried in all; 1 is: never again.',
  },
  backoff: {
    values: ['exponential', 'linear', 'fixed'],
    default: 'exponential',
    doc: 'How the delay grows with the failures.',
  },
  delayMs: {
    unit: 'milliseconds',
    default: 1_000,
    min: 0,
    max: DAY_MS,
    doc: 'The delay behind the first failure.',
  },
  delayMsMax: {
    unit: 'milliseconds',
    default: 5 * MINUTE_MS,
    min: 0,
    max: DAY_MS,
    doc: 'The longest delay.',
  },
  factor: {
    unit: 'times',
    isFraction: true,
    default: 2,
    min: 1,
    max: 100,
    doc: 'By what an exponential delay grows with each failure.',
  },
  jitter: {
    values: ['full', 'none'],
    default: 'full',
    doc: 'Whether the delay is drawn from 0 up to what the policy says, or is that.',
  },
});

export type RetryOptions = GivenOptions<typeof retryOptionTable>;
export type RetryConfig = ResolvedOptions<typeof retryOptionTable>;

/** Throws OPTION_UNKNOWN and OPTION_INVALID, also for a first delay above the longest one. */
export function resolveRetryOptions(given: RetryOptions | undefined, where: string): RetryConfig {
  const config = resolveOptions(retryOptionTable, given, where);
  if (config.delayMs <= config.delayMsMax) return config;
  const expected = `at most delayMsMax, ${config.delayMsMax}`;
  throw createError('OPTION_INVALID', {
    option: 'delayMs',
    expected,
    actual: config.delayMs,
    where,
  });
}

/** How long to wait behind so many failures, in whole milliseconds; undefined: no further try. */
export function retryDelayMs(
  config: RetryConfig,
  failures: number,
  prng: Prng,
): number | undefined {
  assert(Number.isSafeInteger(failures), 'failures are counted');
  assert(failures >= 1, 'something has failed');
  if (failures >= config.attempts) return undefined;
  const ceilingMs = Math.floor(Math.min(config.delayMsMax, grownDelayMs(config, failures)));
  return config.jitter === 'full' ? prng.integer(ceilingMs + 1) : ceilingMs;
}

/** May be infinite: it is capped after it. */
function grownDelayMs({ backoff, delayMs, factor }: RetryConfig, failures: number): number {
  if (backoff === 'linear') return delayMs * failures;
  if (backoff !== 'exponential' || delayMs === 0) return delayMs;
  return delayMs * factor ** (failures - 1);
}
