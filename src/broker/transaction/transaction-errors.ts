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

/** A request that the state of a client's transaction does not allow. */
export function clientStateInvalid(transactionalId: string, state: string): MillraceError {
  const expected = 'a state in which this may be asked';
  const facts = { transactionalId, expected, state, kafka: 'INVALID_TXN_STATE' };
  return createError('TRANSACTION_STATE_INVALID', facts);
}

/** Nobody has this transactional id with this producer id. */
export function clientUnknown(transactionalId: string): MillraceError {
  const expected = 'a transactional id with its producer id';
  const facts = { transactionalId, expected, kafka: 'INVALID_PRODUCER_ID_MAPPING' };
  return createError('TRANSACTION_STATE_INVALID', facts);
}

/**
 * The client's transaction was undone without its doing. By this name of Kafka's its clients abort,
 * ask for the next epoch by themselves, and stay usable.
 */
export function clientUndone(transactionalId: string, cause?: unknown): MillraceError {
  const reason = 'it was undone by a restart, or could not be made durable';
  const facts = { transactionalId, reason, kafka: 'UNKNOWN_PRODUCER_ID' };
  return createError('TRANSACTION_ABORTED', facts, cause);
}

/** Another client has the transactional id, or the time was over. */
export function clientFenced(transactionalId: string): MillraceError {
  return createError('PRODUCER_FENCED', { transactionalId, kafka: 'PRODUCER_FENCED' });
}

/** The next open tells how the transaction ended: until then the client asks again. */
export function clientOutcomeUnknown(transactionalId: string, cause?: unknown): MillraceError {
  const facts = { transactionalId, kafka: 'COORDINATOR_NOT_AVAILABLE' };
  return createError('OUTCOME_UNKNOWN', facts, cause);
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
