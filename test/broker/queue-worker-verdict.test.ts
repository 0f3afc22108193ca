/** What follows from the end of a handler: every combination, and what the policy adds. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Prng } from '../../src/base/prng.js';
import type { AttemptEnd } from '../../src/broker/process/attempt.js';
import { resolveRetryOptions } from '../../src/broker/process/retry-policy.js';
import { verdictOf } from '../../src/broker/worker/queue-worker-verdict.js';

const error = new Error('planned');
const ENDS = [
  { kind: 'success' },
  { kind: 'failure', error },
  { kind: 'unreadable', error },
] as const satisfies readonly AttemptEnd[];

function policyOf(attempts: number, retryIf: (error: unknown, attempt: number) => boolean) {
  const options = { attempts, backoff: 'linear', jitter: 'none', delayMs: 100 } as const;
  return { retry: resolveRetryOptions(options, 'test'), retryIf, prng: new Prng(1) };
}

test('queue worker verdict: every end, of a message open or not, told to end or not', () => {
  const policy = () => policyOf(5, () => true);
  const found = ENDS.flatMap((end) =>
    [true, false].flatMap((isOpen) =>
      [false, true].map((isToldToEnd) => {
        const { act } = verdictOf({ end, isOpen, isToldToEnd, failures: 1 }, policy);
        return `${end.kind}${isOpen ? ' open' : ''}${isToldToEnd ? ' told' : ''}: ${act}`;
      }),
    ),
  );
  assert.deepEqual(found, [
    'success open: acknowledge',
    'success open told: acknowledge',
    'success: nothing',
    'success told: nothing',
    'failure open: retry',
    'failure open told: give back',
    'failure: nothing',
    'failure told: nothing',
    'unreadable open: reject',
    'unreadable open told: give back',
    'unreadable: nothing',
    'unreadable told: nothing',
  ]);
});

test('queue worker verdict: the policy says when, and whether at all', () => {
  const [, end] = ENDS;
  const verdict = (failures: number, retryIf: (error: unknown, attempt: number) => boolean) => {
    const facts = { end, isOpen: true, isToldToEnd: false, failures };
    return verdictOf(facts, () => policyOf(3, retryIf));
  };
  assert.deepEqual(
    verdict(2, () => true),
    { act: 'retry', delayMs: 200, error },
  );
  assert.deepEqual(
    verdict(3, () => true),
    { act: 'reject', error },
  );
  const asked: unknown[] = [];
  const refuse = (...given: unknown[]): boolean => {
    asked.push(given);
    return false;
  };
  assert.deepEqual(verdict(1, refuse), { act: 'reject', error });
  assert.deepEqual(asked, [[error, 1]]);
  // What the user's function throws is no reason to give a message up.
  const broken = (): boolean => {
    throw new Error('broken');
  };
  assert.equal(verdict(1, broken).act, 'retry');
});
