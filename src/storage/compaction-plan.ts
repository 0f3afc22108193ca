/**
 * Which adjacent segments are cleaned into one: a pure decision.
 *
 * Every segment that begins below `mappedEnd` is in one group, in order. Segments join as long as
 * the new one stays within every limit, counted as if nothing went; a segment that exceeds one
 * alone is a group alone.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';
import { ENTRY_VALUE_MAX, OFFSET_ENTRY_BYTES } from '../index/index-format.js';
import { HEADER_BYTES } from './batch-format.js';

export interface PlannedSegment {
  readonly baseOffset: number;
  /** The base offset of the segment behind it. */
  readonly endOffset: number;
  readonly logBytes: number;
  /** -1 when it is not known. */
  readonly batches: number;
}

/** The groups of a pass over `segments` (sealed, ascending, adjacent), ascending. */
export function planGroups<Planned extends PlannedSegment>(
  segments: readonly Planned[],
  mappedEnd: number,
  segmentBytes: number,
): readonly (readonly Planned[])[] {
  const groups: Planned[][] = [];
  let bytes = 0;
  let batches = 0;
  let end: number | undefined;
  for (const segment of segments) {
    assert(end === undefined || segment.baseOffset === end, 'the segments are adjacent');
    end = segment.endOffset;
    if (segment.baseOffset >= mappedEnd) break;
    bytes += segment.logBytes;
    batches += batchesOf(segment);
    const group = groups.at(-1);
    const baseOffset = group?.[0]?.baseOffset;
    const fits =
      group !== undefined &&
      baseOffset !== undefined &&
      group.length < limits.compactionGroupSegments &&
      bytes <= segmentBytes &&
      batches * OFFSET_ENTRY_BYTES <= limits.indexBytesMax &&
      segment.endOffset - 1 - baseOffset <= ENTRY_VALUE_MAX;
    if (fits) {
      group.push(segment);
    } else {
      groups.push([segment]);
      bytes = segment.logBytes;
      batches = batchesOf(segment);
    }
  }
  return groups;
}

/** A segment of which nothing more is known has at most a batch per header. */
function batchesOf({ batches, logBytes }: PlannedSegment): number {
  return batches >= 0 ? batches : Math.ceil(logBytes / HEADER_BYTES);
}
