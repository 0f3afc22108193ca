/**
 * Errors of transactions, each with the name that Kafka has for it in the fact `kafka`.
 */

import { createError, type ErrorFacts, type MillraceError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';

/** Why a transaction takes nothing any more. */
export function transactionOver(state: string): MillraceError {
  const expected = 'a transaction whose work goes on';
  return createError('TRANSACTION_STATE_INVALID', { expected, state, kafka: 'INVALID_TXN_STATE' });
}

/** A producer with a transactional id has one transaction at a time. */
export function transactionRunning(transactionalId: string): MillraceError {
  return createError('TRANSACTION_STATE_INVALID', {
    transactionalId,
    expected: 'one transaction at a time',
    kafka: 'CONCURRENT_TRANSACTIONS',
  });
}

export function transactionTimedOut(timeoutMs: number): MillraceError {
  return createError('TRANSACTION_TIMED_OUT', { timeoutMs, kafka: 'INVALID_TXN_STATE' });
}

/** The work was done, but not all that it wants to commit could be made durable. */
export function transactionAborted(facts: ErrorFacts, cause: unknown): MillraceError {
  return createError('TRANSACTION_ABORTED', { ...facts, kafka: 'TRANSACTION_ABORTABLE' }, cause);
}

export function transactionTooLarge(what: string, max: number): MillraceError {
  return createError('TRANSACTION_TOO_LARGE', { expected: `at most ${max} ${what}` });
}

export function transactionsFull(): MillraceError {
  const expected = `at most ${limits.transactionsMax} open transactions`;
  return createError('TRANSACTIONS_FULL', { expected });
}

/** Another producer has taken the transactional id. */
export function transactionFenced(transactionalId: string): MillraceError {
  return createError('PRODUCER_FENCED', { transactionalId, kafka: 'INVALID_PRODUCER_EPOCH' });
}
