/**
 * The options of `receive`: how many messages, how long to wait, and for how long to have them.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { type GivenOptions, optionTable, resolveOptions } from '../../base/options.js';
import { queueOptionTable } from './queue-options.js';

const DAY_MS = 24 * 60 * 60 * 1_000;

export const receiveOptionTable = optionTable({
  max: {
    unit: 'messages',
    default: 1,
    min: 1,
    max: limits.queueBatchMax,
    doc: 'How many messages to take at most.',
  },
  waitMs: {
    unit: 'ms',
    default: 0,
    min: 0,
    max: DAY_MS,
    doc: 'How long to wait for the first message.',
  },
  visibilityTimeoutMs: {
    unit: 'ms',
    isAutomatic: true,
    default: 'auto',
    min: queueOptionTable.visibilityTimeoutMs.min,
    max: queueOptionTable.visibilityTimeoutMs.max,
    doc: 'For how long others do not get these messages; automatic is what the queue says.',
  },
});

/** What is asked for, resolved. */
export interface ReceiveRequest {
  readonly max: number;
  readonly maxBytes?: number | undefined;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly leaseMs?: number | undefined;
}

export interface ReceiveOptions extends GivenOptions<typeof receiveOptionTable> {
  /** Ends the wait with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID, and the reason of a signal that has aborted. */
export function resolveReceiveOptions(
  { signal, ...given }: ReceiveOptions = {},
  queue: string,
): ReceiveRequest {
  const { max, waitMs, visibilityTimeoutMs } = resolveOptions(receiveOptionTable, given, queue);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
  }
  signal?.throwIfAborted();
  const leaseMs = visibilityTimeoutMs === 'auto' ? undefined : visibilityTimeoutMs;
  return { max, waitMs, signal, leaseMs };
}
