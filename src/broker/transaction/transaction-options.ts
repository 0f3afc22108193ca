/**
 * The options of a transaction, and of a producer that has a transactional id.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { type GivenOptions, optionTable, resolveOptions } from '../../base/options.js';
import type { Partitioner } from '../producer/partitioner.js';

const MINUTE_MS = 60_000;

export const transactionOptionTable = optionTable({
  timeoutMs: {
    unit: 'milliseconds',
    default: MINUTE_MS,
    min: 1,
    max: 15 * MINUTE_MS,
    doc: 'How long the work may take; then the transaction is aborted.',
  },
});

export interface TransactionOptions extends GivenOptions<typeof transactionOptionTable> {
  /** Aborts the transaction with the signal's reason, as long as it is not being decided. */
  readonly signal?: AbortSignal | undefined;
}

export interface TransactionalProducerOptions {
  /** Whoever takes it next fences the one that has it; 1 to 249 bytes of UTF-8. */
  readonly transactionalId: string;
  /** Chooses the partition of records that name none; by key, and sticky, when absent. */
  readonly partitioner?: Partitioner | undefined;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID, and the reason of a signal that has aborted. */
export function resolveTransactionOptions(given: TransactionOptions): {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
} {
  const { signal, ...options } = given;
  const { timeoutMs } = resolveOptions(transactionOptionTable, options, 'transaction');
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
  }
  signal?.throwIfAborted();
  return { timeoutMs, signal };
}

/** Throws OPTION_INVALID, OPTION_UNKNOWN. */
export function checkTransactionalOptions(given: TransactionalProducerOptions): void {
  const { transactionalId, partitioner, ...others } = given;
  resolveOptions({}, others, 'transactional producer');
  const bytes = typeof transactionalId === 'string' ? Buffer.byteLength(transactionalId) : 0;
  if (bytes === 0 || bytes > limits.producerNameBytesMax) {
    const expected = `a string of 1 to ${limits.producerNameBytesMax} bytes`;
    throw createError('OPTION_INVALID', { option: 'transactionalId', expected });
  }
  if (partitioner === undefined || typeof partitioner === 'function') return;
  throw createError('OPTION_INVALID', { option: 'partitioner', expected: 'a function' });
}
