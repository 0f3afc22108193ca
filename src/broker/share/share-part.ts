/**
 * What is stored of a delivery state: parts, which a state log keeps and which are added up.
 *
 *     [2, start offset, acknowledged, archived, attempts]
 *     acknowledged, archived   of each run: offsets since the end of the run before, and its length
 *     attempts                 of each run of messages with the same numbers: offsets since the end
 *                              of the run before, its length, deliveries, failures, and the wall
 *                              time in milliseconds before which they are not given out again, or 0
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
import { DELIVERIES_MAX, SLOTS_MAX } from './share-receipt.js';

/** Of messages in a row whose numbers are the same. */
export interface StoredAttempts {
  readonly offset: number;
  readonly count: number;
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
  /** Rising and apart. */
  readonly attempts: readonly StoredAttempts[];
}

/** Runs of each kind that a part holds at most. */
export const PART_ENTRIES_MAX = 4_096;

const VERSION = 2;
const ATTEMPTS_NUMBERS = 5;

export function encodePart({
  startOffset,
  acknowledged,
  archived,
  attempts,
}: DeliveryPart): StateValue {
  const counts: number[] = [];
  let from = startOffset;
  for (const { offset, count, deliveries, failures, notBeforeMs } of attempts) {
    counts.push(offset - from, count, deliveries, failures, notBeforeMs);
    from = offset + count;
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
    if (!isWhole(version, VERSION + 1, Number.MAX_SAFE_INTEGER)) throw corrupt();
    throw createError('FORMAT_UNSUPPORTED', { version, expected: VERSION });
  }
  if (!isWhole(startOffset, 0, limits.offsetMax + 1)) throw corrupt();
  return {
    startOffset,
    acknowledged: decodeRanges(startOffset, acknowledged),
    archived: decodeRanges(startOffset, archived),
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

export function encodeRanges(startOffset: number, ranges: readonly OffsetRange[]): number[] {
  const numbers: number[] = [];
  let from = startOffset;
  for (const { first, end } of ranges) {
    numbers.push(first - from, end - first);
    from = end;
  }
  return numbers;
}

/** Throws LOG_CORRUPT for what is none, also for more than `max` runs. */
export function decodeRanges(
  startOffset: number,
  value: unknown,
  max = PART_ENTRIES_MAX,
): OffsetRange[] {
  const numbers = readNumbers(value, 2, max);
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
  const numbers = readNumbers(value, ATTEMPTS_NUMBERS);
  const attempts: StoredAttempts[] = [];
  let from = startOffset;
  for (let at = 0; at < numbers.length; at += ATTEMPTS_NUMBERS) {
    const [distance = 0, count = 0, deliveries, failures, notBeforeMs = 0] = numbers.slice(
      at,
      at + ATTEMPTS_NUMBERS,
    );
    const offset = from + distance;
    if (count < 1 || count > SLOTS_MAX || offset + count > limits.offsetMax + 1) throw corrupt();
    if (!isWhole(deliveries, 1, DELIVERIES_MAX)) throw corrupt();
    if (!isWhole(failures, 0, Math.min(deliveries, FAILURES_MAX))) throw corrupt();
    attempts.push({ offset, count, deliveries, failures, notBeforeMs });
    from = offset + count;
  }
  return attempts;
}

/** Adds one message to runs that rise; joins it with the last one when that may be. */
export function addAttempts(runs: StoredAttempts[], next: StoredAttempts): void {
  const last = runs.at(-1);
  const isSame =
    last !== undefined &&
    last.offset + last.count === next.offset &&
    last.deliveries === next.deliveries &&
    last.failures === next.failures &&
    last.notBeforeMs === next.notBeforeMs;
  if (isSame) runs[runs.length - 1] = { ...last, count: last.count + next.count };
  else runs.push(next);
}

/** Whole numbers from 0 on, a few for each of at most `max` entries. */
function readNumbers(value: unknown, perEntry: number, max = PART_ENTRIES_MAX): number[] {
  if (!Array.isArray(value) || value.length % perEntry !== 0) throw corrupt();
  if (value.length > max * perEntry) throw corrupt();
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
