/**
 * Finding where to start: the position for an offset, and where a read should end.
 *
 * Index floors only; the caller reads the batches and proves that the index led to the right one.
 */

import type { SegmentIndexer } from '../index/segment-indexer.js';
import type { ReadSource } from './read-source.js';
import type { Segment } from './segment.js';

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
