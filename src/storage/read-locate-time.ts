/**
 * Finding the offset from which on a scan meets the first record at or after a time.
 *
 * Running maxima rise from segment to segment, so the segment is found by a search over the seals,
 * which hold the running maximum with and without their own segment: the right one proves itself.
 * Times mostly rise evenly with offsets, so the first places to look are interpolated between what
 * is known; where that leads astray, halving goes on.
 */

import type { SegmentIndexer } from '../index/segment-indexer.js';
import { indexOf } from './read-locate.js';
import type { ReadSource } from './read-source.js';
import type { Segment } from './segment.js';

/** Looks that are interpolated before the search only halves. */
const GUESSES_MAX = 3;

/** Up to `offset`, no record is newer than `timestamp`. */
interface TimePoint {
  readonly offset: number;
  readonly timestamp: number;
}

/**
 * A segment and an offset in it from which on a scan meets the first record at or after
 * `timestamp`; undefined when no record is that new.
 */
export async function locateTimestamp(
  source: ReadSource,
  timestamp: number,
): Promise<number | undefined> {
  const { segments, offsets } = source.core;
  let segment: Segment | undefined = await firstCandidate(source, timestamp);
  while (segment !== undefined) {
    const indexer = await pinnedIndex(source, segment);
    if (indexer === 'replaced') {
      segment = await firstCandidate(source, timestamp);
      continue;
    }
    // Behind damage there may be what is asked for: the reader stops there and says so.
    if (indexer.maxTimestamp >= timestamp || segment.isDamaged) {
      // No record up to the last one of that batch is so new: what is asked for comes behind it.
      const slot = indexer.times.before(timestamp);
      const lost = lostBefore(source, segment);
      if (lost !== undefined) return Math.max(offsets.start, lost);
      const base = segment.baseOffset;
      return Math.max(offsets.start, slot < 0 ? base : base + indexer.times.relative(slot) + 1);
    }
    segment = segments.after(segment);
  }
  return undefined;
}

/** The segment's index, unless another segment stands in its place by now. */
async function pinnedIndex(
  source: ReadSource,
  segment: Segment,
): Promise<SegmentIndexer | 'replaced'> {
  if (segment.isReplaced) return 'replaced';
  segment.pin();
  try {
    const indexer = await indexOf(source, segment);
    return segment.isReplaced ? 'replaced' : indexer;
  } finally {
    segment.unpin();
  }
}

/**
 * Where the segment before ends, when that is not where this one begins: a segment is missing that
 * may hold what is asked for, and a reader that starts there says so. Unless the seal of this one
 * says that nothing before it is so new, the search has read the seal of the one before.
 */
function lostBefore(source: ReadSource, segment: Segment): number | undefined {
  const { segments, offsets } = source.core;
  const before = segments.before(segment);
  if (before === undefined) return segment.baseOffset > offsets.start ? offsets.start : undefined;
  if (before.hasGaps) return undefined;
  const end = before.seal?.nextOffset ?? before.totals?.nextOffset;
  return end !== undefined && end < segment.baseOffset ? end : undefined;
}

/** The first segment whose running maximum reaches the timestamp, or one before it. */
async function firstCandidate(source: ReadSource, timestamp: number): Promise<Segment> {
  const { segments, runningMaxBefore } = source.core;
  if (timestamp > runningMaxBefore) return segments.active;
  const all = segments.all().slice();
  let low = 0;
  let high = all.length - 1;
  let [lowPoint, highPoint] = pointsOf(segments.active.indexer);
  for (let looks = 0; low < high; looks += 1) {
    let middle = (low + high) >>> 1;
    if (looks < GUESSES_MAX && lowPoint !== undefined && highPoint !== undefined) {
      const guess = all.indexOf(segments.floor(interpolate(lowPoint, highPoint, timestamp)));
      middle = Math.min(Math.max(guess, low), high - 1);
    }
    const segment = all[middle];
    if (segment === undefined) return segments.first;
    const seal = await source.indexes.seal(source.segmentContext, segment);
    // Without a seal nothing is known: then every segment is looked at in turn.
    if (typeof seal === 'string') return segments.first;
    if (seal.runningMaxTimestamp < timestamp) {
      low = middle + 1;
      lowPoint = { offset: seal.nextOffset, timestamp: seal.runningMaxTimestamp };
    } else if (middle === low || seal.runningMaxBefore < timestamp) {
      return segment;
    } else {
      high = middle - 1;
      highPoint = { offset: seal.baseOffset, timestamp: seal.runningMaxBefore };
    }
  }
  return all[low] ?? segments.active;
}

/** The first and the last time of an index in memory. */
function pointsOf(
  indexer: SegmentIndexer | undefined,
): [TimePoint | undefined, TimePoint | undefined] {
  if (indexer === undefined || indexer.times.count < 2) return [undefined, undefined];
  const { times, baseOffset } = indexer;
  const pointAt = (slot: number): TimePoint => ({
    offset: baseOffset + times.relative(slot) + 1,
    timestamp: times.timestamp(slot),
  });
  return [pointAt(0), pointAt(times.count - 1)];
}

/** The offset on the line through two points at `timestamp`; it may lie outside of them. */
function interpolate(one: TimePoint, two: TimePoint, timestamp: number): number {
  if (two.timestamp === one.timestamp) return one.offset;
  const slope = (two.offset - one.offset) / (two.timestamp - one.timestamp);
  return Math.max(0, one.offset + Math.round((timestamp - one.timestamp) * slope));
}
