/**
 * Finding where to start: the segment and position for an offset, and the offset for a timestamp.
 *
 * Index floors and segment searches only; the caller reads the batches and proves that the index
 * led to the right one.
 */

import type { SegmentIndexer } from '../index/segment-indexer.js';
import type { ReadSource } from './read-source.js';
import type { Segment } from './segment.js';
import { readSeal } from './segment-loader.js';

/** Where reading for an offset starts within a segment. */
export interface StartPlace {
  readonly position: number;
  /** The batch at the position ends at this offset; -1 when the index does not say. */
  readonly lastOffset: number;
  /** Where to start instead when the batch at the position lies behind the offset. */
  readonly fallback: number;
}

/** Batches larger than this are indexed one by one, so the next entry follows at once. */
const STEP_OVER_BYTES = 8 * 1024;

export function locateOffset(indexer: SegmentIndexer, offset: number): StartPlace {
  const { offsets, baseOffset } = indexer;
  const slot = offsets.floor(offset - baseOffset);
  const position = slot < 0 ? 0 : offsets.position(slot);
  const lastOffset = slot < 0 ? -1 : baseOffset + offsets.relative(slot);
  const plain = { position, lastOffset, fallback: position };
  if (lastOffset === offset || slot + 1 >= offsets.count) return plain;
  // The first batch has no entry: half of the offsets before the end of the next one are its own.
  if (slot < 0 && (offset - baseOffset) * 2 <= offsets.relative(0)) return plain;
  const next = offsets.position(slot + 1);
  if (next - position <= STEP_OVER_BYTES) return plain;
  // The batch of this entry is a large one that ends before the offset: the next is indexed too.
  return {
    position: next,
    lastOffset: baseOffset + offsets.relative(slot + 1),
    fallback: position,
  };
}

/**
 * Where a read from `position` should end, at most `bytesMax` further: at the start of an indexed
 * batch, so that no batch is read in part. Undefined when the index does not say.
 */
export function alignedEnd(
  indexer: SegmentIndexer,
  position: number,
  bytesMax: number,
): number | undefined {
  const { offsets } = indexer;
  const slot = offsets.floorByPosition(position + bytesMax);
  const floor = slot < 0 ? 0 : offsets.position(slot);
  if (floor > position) return floor;
  return slot + 1 < offsets.count ? offsets.position(slot + 1) : undefined;
}

/** Makes sure that the segment's index is in memory. */
export async function indexOf(source: ReadSource, segment: Segment): Promise<SegmentIndexer> {
  const mayHaveGaps = source.core.isEverCompacted;
  while (segment.indexer === undefined) {
    await source.indexes.load(source.segmentContext, segment, mayHaveGaps);
  }
  return segment.indexer;
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
    const indexer = await indexOf(source, segment);
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

/**
 * Where the segment before ends, when that is not where this one begins: a segment is missing that
 * may hold what is asked for, and a reader that starts there says so. The search has read the seal
 * of the one before, or walked it.
 */
function lostBefore(source: ReadSource, segment: Segment): number | undefined {
  const { segments, offsets } = source.core;
  const before = segments.before(segment);
  if (before === undefined) return segment.baseOffset > offsets.start ? offsets.start : undefined;
  if (before.hasGaps) return undefined;
  const end = before.seal?.nextOffset ?? before.totals?.nextOffset;
  return end !== undefined && end < segment.baseOffset ? end : undefined;
}

/**
 * The first segment whose running maximum reaches the timestamp: running maxima rise from segment
 * to segment, so this is a binary search that reads one small seal per step.
 */
async function firstCandidate(source: ReadSource, timestamp: number): Promise<Segment> {
  const { segments } = source.core;
  const all = segments.all().slice();
  let low = 0;
  let high = all.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const segment = all[middle];
    if (segment === undefined) return segments.first;
    const seal = segment.seal ?? (await readSeal(source.segmentContext, segment));
    // Without a seal nothing is known: then every segment is looked at in turn.
    if (typeof seal === 'string') return segments.first;
    segment.seal = seal;
    if (seal.runningMaxTimestamp < timestamp) low = middle + 1;
    else high = middle;
  }
  return all[low] ?? segments.active;
}
