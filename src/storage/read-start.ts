/**
 * Where a read begins: the `from` of the options, checked and turned into an offset.
 */

import { createError } from '../base/errors.js';
import { damageError } from './log-damage.js';
import { LogReader } from './log-reader.js';
import { locateTimestamp } from './read-locate.js';
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

export async function startOffsetOf(
  source: ReadSource,
  from: ReadFrom,
  durability: Durability,
): Promise<number> {
  await source.refresh();
  const startOffset = source.core.offsets.start;
  const endOffset = source.endOffset(durability);
  if (from === 'earliest') return startOffset;
  if (from === 'latest') return endOffset;
  if (typeof from !== 'number') return await offsetOfTime(source, from.timestamp, durability);
  if (from >= startOffset && from <= endOffset) return from;
  const { damage } = source;
  if (damage !== undefined && from > endOffset && from <= (damage.promisedEnd ?? 0)) {
    throw damageError(damage);
  }
  throw createError('OFFSET_OUT_OF_RANGE', { offset: from, startOffset, endOffset });
}

/** The first offset whose record is at or after the time; the end when none is. */
async function offsetOfTime(
  source: ReadSource,
  timestamp: number,
  durability: Durability,
): Promise<number> {
  const candidate = await locateTimestamp(source, timestamp);
  const endOffset = source.endOffset(durability);
  if (candidate === undefined || candidate >= endOffset) return endOffset;
  const reader = new LogReader(source, {
    from: async () => candidate,
    follow: false,
    durability,
    isolation: 'uncommitted',
    checkCrcs: true,
    control: false,
    signal: undefined,
  });
  for await (const batch of reader) {
    if (batch.maxTimestamp < timestamp) continue;
    for (const record of batch) if (record.timestamp >= timestamp) return record.offset;
  }
  return endOffset;
}
