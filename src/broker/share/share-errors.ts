/**
 * What a delivery state answers to a receipt, and the errors of the answers that are none.
 */

import { createError, type ErrorFacts, type MillraceError } from '../../base/errors.js';

export type ReceiptAnswer =
  | 'done'
  /** This very delivery ended like this before: harmless. */
  | 'already'
  /** The delivery is over: another consumer may have the message, or it is finished. */
  | 'stale'
  /** A transaction is to finish the message. */
  | 'frozen';

export type ReceiptRefusal = Exclude<ReceiptAnswer, 'done' | 'already'>;

/** The error of an answer, for whoever asked; `facts` say which message it was. */
export function receiptRefused(answer: ReceiptRefusal, facts: ErrorFacts): MillraceError {
  const code = answer === 'stale' ? 'RECEIPT_STALE' : 'LEASE_FROZEN';
  return createError(code, { ...facts, kafka: 'INVALID_RECORD_STATE' });
}
