/**
 * How old a segment is, for retention and for the lags of compaction: the time of its newest
 * record, as far as that can be believed.
 *
 * Timestamps come from producers. One that lies in the future would keep its segment for ever, so
 * it is not believed: everything in a segment was appended before the next one began, and that
 * moment counts instead. The same bound stands in for a time that is not known. It is never too
 * early, so nothing goes before its time.
 */

/** What is known about the times of a segment; all are wall clock, milliseconds since 1970. */
export interface SegmentTimes {
  /** Largest timestamp, -1 when it holds none or that is not known. */
  readonly maxTimestamp: number;
  /** 0 when it is not known. */
  readonly firstAppendMs: number;
  /** -1 when it is not known what the segment holds. */
  readonly records: number;
}

/** A bound of the time of the newest record of `segments[index]`, or undefined without one. */
export function segmentTime(
  segments: readonly SegmentTimes[],
  index: number,
  nowMs: number,
): number | undefined {
  const segment = segments[index];
  if (segment === undefined) return undefined;
  const { maxTimestamp, firstAppendMs, records } = segment;
  if (maxTimestamp >= 0 && maxTimestamp <= nowMs) return maxTimestamp;
  const hasNoTimes = maxTimestamp < 0 && records >= 0;
  if (hasNoTimes && firstAppendMs > 0 && firstAppendMs <= nowMs) return firstAppendMs;
  for (let next = index + 1; next < segments.length; next += 1) {
    const beganMs = segments[next]?.firstAppendMs ?? 0;
    if (beganMs > 0 && beganMs <= nowMs) return beganMs;
  }
  return undefined;
}
