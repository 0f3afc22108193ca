/**
 * What is stored of a delivery state: parts, which a state log keeps and which are added up.
 *
 *     [1, start offset, acknowledged, archived, attempts]
 *     acknowledged, archived   of each run: offsets since the end of the run before, and its length
 *     attempts                 of each message: offsets since the message before, deliveries,
 *                              failures, and the wall time in milliseconds before which it is not
 *                              given out again, or 0
 *
 * The first distance of each list counts from the start offset. Parts may be applied in any order
 * and more than once: what one of them says is finished stays so, and the larger count holds.
 * Leases are in no part: after a restart nobody has a message.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { StateValue } from '../state/state-log.js';
import { FAILURES_MAX } from './share-deliveries.js';
import type { OffsetRange } from './share-ranges.js';
import { DELIVERIES_MAX } from './share-receipt.js';

export interface StoredAttempts {
  readonly offset: number;
  readonly deliveries: number;
  readonly failures: number;
  /** 0: at any time. */
  readonly notBeforeMs: number;
}

export interface DeliveryPart {
  /** Everything below is finished; nothing in the part lies below. */
  readonly startOffset: number;
  /** Rising and apart. */
  readonly acknowledged: readonly OffsetRange[];
  readonly archived: readonly OffsetRange[];
  /** Rising. */
  readonly attempts: readonly StoredAttempts[];
}

/** Runs and messages that a part holds at most. */
export const PART_ENTRIES_MAX = 4_096;

const VERSION = 1;

export function encodePart({
  startOffset,
  acknowledged,
  archived,
  attempts,
}: DeliveryPart): StateValue {
  const counts: number[] = [];
  let from = startOffset;
  for (const { offset, deliveries, failures, notBeforeMs } of attempts) {
    counts.push(offset - from, deliveries, failures, notBeforeMs);
    from = offset;
  }
  return [
    VERSION,
    startOffset,
    encodeRanges(startOffset, acknowledged),
    encodeRanges(startOffset, archived),
    counts,
  ];
}

/** FORMAT_UNSUPPORTED when a newer version wrote it, LOG_CORRUPT when nobody did. */
export function readPart(value: StateValue): DeliveryPart {
  const [version, startOffset, acknowledged, archived, attempts] = value;
  if (version !== VERSION) {
    if (!isWhole(version, 2, Number.MAX_SAFE_INTEGER)) throw corrupt();
    throw createError('FORMAT_UNSUPPORTED', { version, expected: VERSION });
  }
  if (!isWhole(startOffset, 0, limits.offsetMax + 1)) throw corrupt();
  return {
    startOffset,
    acknowledged: readRanges(startOffset, acknowledged),
    archived: readRanges(startOffset, archived),
    attempts: readAttempts(startOffset, attempts),
  };
}

/** Runs of single offsets, which rise. */
export function rangesOf(offsets: Iterable<number>): OffsetRange[] {
  const ranges: { first: number; end: number }[] = [];
  let last: { first: number; end: number } | undefined;
  for (const offset of offsets) {
    if (last?.end === offset) {
      last.end += 1;
      continue;
    }
    last = { first: offset, end: offset + 1 };
    ranges.push(last);
  }
  return ranges;
}

function encodeRanges(startOffset: number, ranges: readonly OffsetRange[]): number[] {
  const numbers: number[] = [];
  let from = startOffset;
  for (const { first, end } of ranges) {
    numbers.push(first - from, end - first);
    from = end;
  }
  return numbers;
}

function readRanges(startOffset: number, value: unknown): OffsetRange[] {
  const numbers = readNumbers(value, 2);
  const ranges: OffsetRange[] = [];
  let from = startOffset;
  for (let at = 0; at < numbers.length; at += 2) {
    const first = from + (numbers[at] ?? 0);
    const end = first + (numbers[at + 1] ?? 0);
    if (end <= first || end > limits.offsetMax + 1) throw corrupt();
    ranges.push({ first, end });
    from = end;
  }
  return ranges;
}

function readAttempts(startOffset: number, value: unknown): StoredAttempts[] {
  const numbers = readNumbers(value, 4);
  const attempts: StoredAttempts[] = [];
  let from = startOffset;
  for (let at = 0; at < numbers.length; at += 4) {
    const [distance, deliveries, failures, notBeforeMs] = numbers.slice(at, at + 4);
    const offset = from + (distance ?? 0);
    if (offset > limits.offsetMax || (at > 0 && distance === 0)) throw corrupt();
    if (!isWhole(deliveries, 1, DELIVERIES_MAX)) throw corrupt();
    if (!isWhole(failures, 0, Math.min(deliveries, FAILURES_MAX))) throw corrupt();
    attempts.push({ offset, deliveries, failures, notBeforeMs: notBeforeMs ?? 0 });
    from = offset;
  }
  return attempts;
}

/** Whole numbers from 0 on, a few for each entry. */
function readNumbers(value: unknown, perEntry: number): number[] {
  if (!Array.isArray(value) || value.length % perEntry !== 0) throw corrupt();
  if (value.length > PART_ENTRIES_MAX * perEntry) throw corrupt();
  return value.map((number: unknown) => {
    if (!isWhole(number, 0, Number.MAX_SAFE_INTEGER)) throw corrupt();
    return number;
  });
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max;
}

function corrupt() {
  return createError('LOG_CORRUPT', { expected: 'a part of a delivery state' });
}
