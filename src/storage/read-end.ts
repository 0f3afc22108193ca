/**
 * Where a read of a segment ends: at the start of a batch, if the index says where one is.
 */

import type { SegmentIndexer } from '../index/segment-indexer.js';
import { alignedEnd } from './read-locate.js';

/** What lies behind the last index entry is read at once when it is no more than this. */
const LAST_READ_BYTES = 128 * 1024;

export interface ReadWish {
  readonly position: number;
  /** Where the bytes that may be seen end. */
  readonly visible: number;
  readonly wanted: number;
  /** A batch of this size starts at the position: fewer are of no use. */
  readonly bytesMin: number;
}

export function readEnd(indexer: SegmentIndexer | undefined, wish: ReadWish): number {
  const { position, visible, bytesMin } = wish;
  const wanted = Math.max(wish.wanted, bytesMin);
  const aligned = indexer === undefined ? undefined : alignedEnd(indexer, position, wanted);
  if (aligned === undefined || aligned - position < bytesMin) {
    // Behind the last entry lie its batch, a few small ones, and one more: rarely a second read.
    const isLast = aligned === undefined && visible - position <= LAST_READ_BYTES;
    return isLast ? visible : Math.min(visible, position + wanted);
  }
  return Math.min(visible, aligned);
}
