/**
 * Which messages are worth a copy elsewhere, so that the log before the others can be deleted.
 *
 *     u u f f f f f f f u f f f f f f f f f u u u u
 *     ^ first unfinished                    ^ the log begins here once three are parked
 *
 * A few unfinished messages keep everything behind them on the disk. To copy them is worth it when
 * the finished ones between take as much as `PINNED_BYTES_MAX`, or half of the log, and the copies
 * take no more than half of what comes back. Sizes are the average of the log's messages.
 */

/** What is finished and pinned is let be up to this. */
const PINNED_BYTES_MAX = 64 * 1024 * 1024;
/** Messages that one look parks. */
export const PARKED_AT_ONCE = 1_000;

export interface ParkingFacts {
  readonly logBytes: number;
  /** Offsets in the log. */
  readonly logOffsets: number;
  /** Less than this does not come back: files are deleted whole. */
  readonly segmentBytes: number;
  /** Unfinished and not parked, rising, from the first one on. */
  readonly unfinished: Iterable<number>;
  /** Everything from here on is unfinished. */
  readonly end: number;
  /** How many may be parked. */
  readonly room: number;
}

/** The first so many of the unfinished, or none. */
export function offsetsToPark(facts: ParkingFacts): readonly number[] {
  const { logBytes, logOffsets, segmentBytes, end, room } = facts;
  if (logBytes === 0 || logOffsets === 0) return [];
  const averageBytes = logBytes / logOffsets;
  const wantedBytes = Math.max(segmentBytes, Math.min(PINNED_BYTES_MAX, logBytes / 2));
  const passed: number[] = [];
  let worth = 0;
  let freed = 0;
  const look = (offset: number): void => {
    const finished = offset - (passed[0] ?? offset) - passed.length;
    const isEnough = finished * averageBytes >= wantedBytes;
    if (!isEnough || finished <= freed || 2 * passed.length > finished) return;
    worth = passed.length;
    freed = finished;
  };
  let isWhole = true;
  for (const offset of facts.unfinished) {
    look(offset);
    if (passed.length >= Math.min(room, PARKED_AT_ONCE)) {
      isWhole = false;
      break;
    }
    passed.push(offset);
  }
  if (isWhole) look(end);
  return passed.slice(0, worth);
}
