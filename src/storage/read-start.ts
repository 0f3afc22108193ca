/**
 * Where a read begins: the `from` of the options, checked and turned into an offset.
 */

import { createError } from '../base/errors.js';
import { damageError } from './log-damage.js';
import type { ReadStart } from './log-reader.js';
import { locateTimestamp } from './read-locate-time.js';
import type { Durability, ReadSource } from './read-source.js';

/** The first record, the end, an offset, or the first record at or after a time (ms since 1970). */
export type ReadFrom = 'earliest' | 'latest' | number | { readonly timestamp: number };

/** Throws OPTION_INVALID unless `from` is one of the forms. */
export function checkFrom(from: unknown): asserts from is ReadFrom {
  if (from === 'earliest' || from === 'latest') return;
  const value =
    typeof from === 'object' && from !== null && 'timestamp' in from ? from.timestamp : from;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return;
  throw createError('OPTION_INVALID', {
    option: 'from',
    expected: "'earliest', 'latest', an offset, or { timestamp: milliseconds }",
    actual: String(value).slice(0, 64),
  });
}

export async function findStart(
  source: ReadSource,
  from: ReadFrom,
  durability: Durability,
): Promise<ReadStart> {
  await source.refresh();
  const startOffset = source.core.offsets.start;
  const endOffset = source.endOffset(durability);
  if (from === 'earliest') return { offset: startOffset, timestamp: undefined };
  if (from === 'latest') return { offset: endOffset, timestamp: undefined };
  if (typeof from !== 'number') {
    const { timestamp } = from;
    const candidate = await locateTimestamp(source, timestamp);
    if (candidate === undefined || candidate >= source.endOffset(durability)) {
      return { offset: source.endOffset(durability), timestamp: undefined };
    }
    return { offset: candidate, timestamp };
  }
  if (from >= startOffset && from <= endOffset) return { offset: from, timestamp: undefined };
  const { damage } = source;
  if (damage !== undefined && from > endOffset && from <= (damage.promisedEnd ?? 0)) {
    throw damageError(damage);
  }
  throw createError('OFFSET_OUT_OF_RANGE', { offset: from, startOffset, endOffset });
}
