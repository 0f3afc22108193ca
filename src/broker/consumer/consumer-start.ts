/**
 * Where a consumer goes on in a partition: pure.
 *
 *     committed offset    there is one: from it
 *     `from`              a group's first time in the partition, or a consumer without a group
 *     the first record    the partition is newer than the subscription: `latest` would miss what
 *                         came before it was noticed
 *
 * What is not in the log is decided by `onOutOfRange`.
 */

import type { ReadFrom } from '../../storage/main.js';

export type OutOfRange = 'nearest' | 'earliest' | 'latest' | 'fail';

export interface LogBounds {
  readonly startOffset: number;
  /** Exclusive end of what this consumer may see. */
  readonly endOffset: number;
}

/** The form of `from` that counts here. */
export function startingPoint(from: ReadFrom, isNew: boolean): ReadFrom {
  return isNew && from === 'latest' ? 'earliest' : from;
}

/** An offset that is in the log, or at its end; undefined when the policy is to fail. */
export function offsetWithin(
  wanted: number,
  { startOffset, endOffset }: LogBounds,
  policy: OutOfRange,
): number | undefined {
  if (wanted >= startOffset && wanted <= endOffset) return wanted;
  if (policy === 'fail') return undefined;
  if (policy === 'earliest') return startOffset;
  if (policy === 'latest') return endOffset;
  return wanted < startOffset ? startOffset : endOffset;
}
