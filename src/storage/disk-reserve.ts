/**
 * The reserve of a log: space on the disk that is kept for giving space back.
 *
 * On a full disk a segment cannot be rolled and a group cannot be cleaned, though both would free
 * space. So a log that cleans keeps a file of bytes that it can do without, and gives it up when
 * its cleaning finds no space. Until the file is whole again appends are refused: they would eat
 * what the cleaning needs.
 *
 *     off         the log needs none
 *     absent      it is to be built; appends are taken, they fail by themselves
 *     building    a cleaner writes it
 *     whole
 *     lent        given up for a cleaning that runs       appends are refused
 *     owed        that has ended; to be built again       appends are refused
 *     rebuilding  a cleaner writes it again               appends are refused
 *
 * Decisions only; `log-reserve.ts` acts on them.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';
import { OFFSET_ENTRY_BYTES, TIME_ENTRY_BYTES } from '../index/index-format.js';
import { HEADER_BYTES } from './batch-format.js';
import { isCompacting, type LogConfig } from './log-config.js';
import { hasRetention } from './retention-decision.js';

export type ReserveState = 'off' | 'absent' | 'building' | 'whole' | 'lent' | 'owed' | 'rebuilding';

export type ReserveEvent =
  /** The timer of the next attempt to build it. */
  | 'due'
  | 'built'
  /** There was no space for it, or somebody needed that space first. */
  | 'unbuilt'
  /** It could not be built for another reason, which more space would not change. */
  | 'failed'
  /** A cleaning found no space. */
  | 'borrowed'
  /** No cleaning uses it any more. */
  | 'returned'
  /** The options ask for a size, or for another one; or for none. */
  | 'sized'
  | 'unsized'
  /** The opening had to give it up. */
  | 'spent';

/** From each state, the one that follows an event; `never`: the event does not happen then. */
export const reserveMoves: Readonly<
  Record<ReserveState, Readonly<Record<ReserveEvent, ReserveState | 'never'>>>
> = {
  off: {
    due: 'never',
    built: 'never',
    unbuilt: 'never',
    failed: 'never',
    borrowed: 'off',
    returned: 'never',
    sized: 'absent',
    unsized: 'off',
    spent: 'owed',
  },
  absent: {
    due: 'building',
    built: 'never',
    unbuilt: 'never',
    failed: 'never',
    borrowed: 'absent',
    returned: 'never',
    sized: 'absent',
    unsized: 'off',
    spent: 'never',
  },
  building: {
    due: 'never',
    built: 'whole',
    unbuilt: 'absent',
    failed: 'absent',
    borrowed: 'never',
    returned: 'never',
    sized: 'never',
    unsized: 'never',
    spent: 'never',
  },
  whole: {
    due: 'never',
    built: 'never',
    unbuilt: 'never',
    failed: 'never',
    borrowed: 'lent',
    returned: 'never',
    sized: 'absent',
    unsized: 'off',
    spent: 'never',
  },
  lent: {
    due: 'never',
    built: 'never',
    unbuilt: 'never',
    failed: 'never',
    borrowed: 'lent',
    returned: 'owed',
    sized: 'lent',
    unsized: 'off',
    spent: 'never',
  },
  owed: {
    due: 'rebuilding',
    built: 'never',
    unbuilt: 'never',
    failed: 'never',
    borrowed: 'lent',
    returned: 'never',
    sized: 'owed',
    unsized: 'off',
    spent: 'never',
  },
  rebuilding: {
    due: 'never',
    built: 'whole',
    unbuilt: 'owed',
    // What keeps it from being built may stay for good, and appends shall not wait for that.
    failed: 'absent',
    borrowed: 'never',
    returned: 'never',
    sized: 'never',
    unsized: 'never',
    spent: 'never',
  },
};

export function moveReserve(state: ReserveState, event: ReserveEvent): ReserveState {
  const next = reserveMoves[state][event];
  assert(next !== 'never', 'an event of the reserve fits its state');
  return next;
}

/** Whether appends are refused, so that they do not take what a cleaning is to have. */
export function refusesAppends(state: ReserveState): boolean {
  return state === 'lent' || state === 'owed' || state === 'rebuilding';
}

/** What small files, directories and the rounding to blocks may take. */
const SLACK_BYTES = 32 * 1024;
const INDEXES_ENTRY_BYTES = OFFSET_ENTRY_BYTES + TIME_ENTRY_BYTES;
const BATCH_BYTES_MIN = HEADER_BYTES + 8;
/** Both indexes at their largest. */
const INDEXES_BYTES_MAX = (limits.indexBytesMax / OFFSET_ENTRY_BYTES) * INDEXES_ENTRY_BYTES;

/** How many bytes the reserve of a log has: 0 for one that cleans nothing. */
export function reserveBytes(config: LogConfig): number {
  if (config.reserveBytes !== 'auto') return config.reserveBytes;
  const { segmentBytes, indexIntervalBytes } = config;
  const isCompacted = isCompacting(config);
  if (!isCompacted && !hasRetention(config)) return 0;
  const rollBytes = indexesBytes(segmentBytes, indexIntervalBytes) + SLACK_BYTES;
  // A cleaned segment is at most as large as what went in, and has an entry for every batch.
  const groupBytes = segmentBytes + indexesBytes(segmentBytes, 0) + SLACK_BYTES;
  return rollBytes + (isCompacted ? groupBytes : 0);
}

/** What the indexes of a segment take at most. */
function indexesBytes(segmentBytes: number, intervalBytes: number): number {
  const entries = Math.ceil(segmentBytes / Math.max(intervalBytes, BATCH_BYTES_MIN));
  return Math.min(INDEXES_BYTES_MAX, entries * INDEXES_ENTRY_BYTES);
}

/** Opening is not slowed down: the first attempt comes a while after it. */
export const RESERVE_FIRST_MS = 1_000;
const DELAY_MS_MIN = 250;
const DELAY_MS_MAX = 10_000;

/** How long to wait after so many attempts in a row that built nothing: 250 ms, ... up to 10 s. */
export function reserveDelayMs(attempts: number): number {
  assert(attempts >= 1, 'a delay follows an attempt');
  return Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** Math.min(attempts - 1, 30));
}
