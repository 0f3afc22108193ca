/**
 * What becomes of a message when its handler has ended: pure but for the draw of a delay.
 *
 *     the handler ended the message itself     nothing more
 *     success                                  it is acknowledged
 *     told to end, and failed                  it goes back at once, and has not failed
 *     failure                                  it comes again after a delay, or is given up
 *     a value that the codec cannot read       it is given up
 */

import type { Prng } from '../../base/prng.js';
import type { AttemptEnd } from '../process/attempt.js';
import { type RetryConfig, retryDelayMs } from '../process/retry-policy.js';

export type CallVerdict =
  | { readonly act: 'nothing' }
  | { readonly act: 'acknowledge' }
  | { readonly act: 'give back' }
  | { readonly act: 'retry'; readonly delayMs: number; readonly error: unknown }
  | { readonly act: 'reject'; readonly error: unknown };

export interface CallFacts {
  readonly end: AttemptEnd;
  /** Whether what happens to the message is still open. */
  readonly isOpen: boolean;
  readonly isToldToEnd: boolean;
  /** How often it has failed, with this time. */
  readonly failures: number;
}

export interface FailurePolicy {
  readonly retry: RetryConfig;
  readonly retryIf: (error: unknown, attempt: number) => boolean;
  readonly prng: Prng;
}

const NOTHING = Object.freeze({ act: 'nothing' });
const ACKNOWLEDGE = Object.freeze({ act: 'acknowledge' });
const GIVE_BACK = Object.freeze({ act: 'give back' });

export function verdictOf(
  { end, isOpen, isToldToEnd, failures }: CallFacts,
  policy: () => FailurePolicy,
): CallVerdict {
  if (!isOpen) return NOTHING;
  if (end.kind === 'success') return ACKNOWLEDGE;
  if (isToldToEnd) return GIVE_BACK;
  const { error } = end;
  if (end.kind === 'unreadable') return { act: 'reject', error };
  const { retry, retryIf, prng } = policy();
  const isWorthIt = isWorthRetry(retryIf, error, failures);
  const delayMs = isWorthIt ? retryDelayMs(retry, failures, prng) : undefined;
  return delayMs === undefined ? { act: 'reject', error } : { act: 'retry', delayMs, error };
}

/** What the user's function throws is no reason to give a message up. */
function isWorthRetry(
  retryIf: FailurePolicy['retryIf'],
  error: unknown,
  failures: number,
): boolean {
  try {
    return retryIf(error, failures);
  } catch {
    return true;
  }
}
