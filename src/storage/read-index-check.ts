/**
 * Holding a batch of a cleaned segment against the segment's index.
 *
 * Where offsets may skip, a base offset that is damaged upwards continues the log as well as the
 * right one, and Kafka's checksum does not cover it. The index of a cleaned segment has an entry
 * for every batch, and the seal a checksum over it: each batch must be where the index says, end at
 * the offset that it says, and be followed by the next one.
 */

import type { SegmentIndexer } from '../index/segment-indexer.js';
import { batchBytes, batchLastOffset } from './batch-header.js';
import type { BatchFault } from './batch-scan.js';
import type { Segment } from './segment.js';

/** Why the batch at `start`, at `position` of the file, is not the one in a full index. */
export function indexFault(
  indexer: SegmentIndexer | undefined,
  segment: Segment,
  bytes: Uint8Array,
  start: number,
  position: number,
): BatchFault | undefined {
  if (indexer === undefined) return undefined;
  const { offsets, baseOffset } = indexer;
  const slot = offsets.floorByPosition(position);
  if (slot < 0 || offsets.position(slot) !== position) {
    return { reason: 'the index has no batch here', actual: position };
  }
  const expected = baseOffset + offsets.relative(slot);
  const actual = batchLastOffset(bytes, start);
  if (actual !== expected) {
    return { reason: 'the batch ends at another offset than the index says', expected, actual };
  }
  const end =
    slot + 1 < offsets.count ? offsets.position(slot + 1) : (segment.seal?.logBytes ?? -1);
  const actualEnd = position + batchBytes(bytes, start);
  if (actualEnd === end) return undefined;
  const reason = 'the batch ends at another position than the index says';
  return { reason, expected: end, actual: actualEnd };
}

/** The index to hold batches of the segment against; undefined where it does not hold every one. */
export function fullIndexOf({ isFullyIndexed, indexer }: Segment): SegmentIndexer | undefined {
  return isFullyIndexed ? indexer : undefined;
}
