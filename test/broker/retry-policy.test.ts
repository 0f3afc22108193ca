// When something is tried again: the delays of each policy, their cap, and the jitter.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../src/base/prng.js';
import {
  type RetryOptions,
  resolveRetryOptions,
  retryDelayMs,
} from '../../src/broker/process/retry-policy.js';
import { thrown } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';

function delays(given: RetryOptions, failures: number): (number | undefined)[] {
  const config = resolveRetryOptions(given, 'test');
  const prng = new Prng(1);
  return Array.from({ length: failures }, (_, index) => retryDelayMs(config, index + 1, prng));
}

test('retry: a fixed delay stays the same', () => {
  const given = { backoff: 'fixed', delayMs: 70, jitter: 'none' } as const;
  assert.deepEqual(delays(given, 4), [70, 70, 70, 70]);
});

test('retry: a linear delay grows by itself, up to the longest', () => {
  const given = { backoff: 'linear', delayMs: 100, delayMsMax: 250, jitter: 'none' } as const;
  assert.deepEqual(delays(given, 4), [100, 200, 250, 250]);
});

test('retry: an exponential delay grows by its factor, up to the longest', () => {
  const given = { delayMs: 10, delayMsMax: 500, factor: 3, jitter: 'none', attempts: 9 } as const;
  assert.deepEqual(delays(given, 6), [10, 30, 90, 270, 500, 500]);
});

test('retry: the delay stays finite however often something failed', () => {
  const given = { attempts: 1_000_000, jitter: 'none' } as const;
  const config = resolveRetryOptions(given, 'test');
  assert.equal(retryDelayMs(config, 999_999, new Prng(1)), 300_000);
  const none = resolveRetryOptions({ ...given, delayMs: 0 }, 'test');
  assert.equal(retryDelayMs(none, 999_999, new Prng(1)), 0);
});

test('retry: behind the last attempt there is none', () => {
  assert.deepEqual(delays({ attempts: 1 }, 2), [undefined, undefined]);
  const given = { attempts: 3, backoff: 'fixed', delayMs: 1, jitter: 'none' } as const;
  assert.deepEqual(delays(given, 4), [1, 1, undefined, undefined]);
});

test('retry: full jitter draws evenly from 0 up to what the policy says', () =>
  withSeed((prng) => {
    const config = resolveRetryOptions({ delayMs: 9, delayMsMax: 9, attempts: 9 }, 'test');
    const counts = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 10_000; draw += 1) {
      const delayMs = retryDelayMs(config, 1 + (draw % 8), prng);
      assert.ok(delayMs !== undefined && delayMs >= 0 && delayMs <= 9);
      counts[delayMs] = (counts[delayMs] ?? 0) + 1;
    }
    for (const count of counts) assert.ok(count > 800 && count < 1_200, counts.join());
  }));

test('retry: a first delay above the longest, and what is out of bounds, is refused', () => {
  const { facts } = thrown(
    () => resolveRetryOptions({ delayMs: 2_000, delayMsMax: 1_000 }, 'test'),
    'OPTION_INVALID',
  );
  assert.equal(facts['option'], 'delayMs');
  thrown(() => resolveRetryOptions({ attempts: 0 }, 'test'), 'OPTION_INVALID');
  thrown(() => resolveRetryOptions({ factor: 0.5 }, 'test'), 'OPTION_INVALID');
});
