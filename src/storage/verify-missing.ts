/**
 * Which offsets a log should hold and no segment holds: a pure decision over what was inspected.
 *
 * Segments without gaps join exactly; the first one reaches back to the log start, the last one on
 * to the durable end. What is missing belongs to the tail of the segment before it, as far as that
 * segment's seal does not say otherwise, or was a segment of its own.
 */

import type { LogFacts } from './verify-facts.js';
import type { SegmentInspection } from './verify-segment.js';

export interface MissingOffsets {
  /** Exclusive end; equal to `from` when a segment is missing that held nothing. */
  readonly from: number;
  readonly to: number;
  /** The segment at whose end they are missing; undefined when a whole segment is. */
  readonly segment: SegmentInspection | undefined;
}

export function missingOffsets(
  facts: LogFacts,
  segments: readonly SegmentInspection[],
): readonly MissingOffsets[] {
  const missing: MissingOffsets[] = [];
  const { mark } = facts;
  const first = segments[0];
  const startOffset = mark?.startOffset ?? first?.baseOffset ?? 0;
  if (first === undefined) {
    const to = Math.max(startOffset, mark?.durableOffset ?? 0);
    return [{ from: startOffset, to, segment: undefined }];
  }
  if (first.baseOffset > startOffset) {
    missing.push({ from: startOffset, to: first.baseOffset, segment: undefined });
  }
  for (const [index, segment] of segments.entries()) {
    const nextBase = segments[index + 1]?.baseOffset;
    if (nextBase === undefined) missing.push(...missingAtEnd(facts, segment));
    else missing.push(...missingBetween(segment, nextBase));
  }
  return missing;
}

/** Whether the segment ends in bytes behind which nothing valid follows. */
function endsInDamage(segment: SegmentInspection): boolean {
  const last = segment.survey.pieces.at(-1);
  return last?.kind === 'damage' && last.resumeOffset === undefined && last.heal === undefined;
}

function missingBetween(segment: SegmentInspection, nextBase: number): MissingOffsets[] {
  const end = segment.survey.nextOffset;
  const sealedEnd = Math.min(nextBase, segment.seal?.nextOffset ?? nextBase);
  const mayStop = segment.hasGaps && (segment.seal === undefined ? !endsInDamage(segment) : true);
  const to = mayStop && segment.seal === undefined ? end : mayStop ? sealedEnd : nextBase;
  return split(segment, end, sealedEnd, to);
}

function missingAtEnd(facts: LogFacts, segment: SegmentInspection): MissingOffsets[] {
  const { mark } = facts;
  const end = segment.survey.nextOffset;
  const sealedEnd = Math.max(end, segment.seal?.nextOffset ?? end);
  if (mark === undefined || mark.segmentBase <= segment.baseOffset) {
    const to = Math.max(sealedEnd, mark?.durableOffset ?? 0);
    return split(segment, end, to, to);
  }
  const tail = missingBetween(segment, mark.segmentBase);
  return [...tail, { from: mark.segmentBase, to: mark.durableOffset, segment: undefined }];
}

/** [from, to) in two: what the segment itself lost, and a segment that followed it. */
function split(
  segment: SegmentInspection,
  from: number,
  ownEnd: number,
  to: number,
): MissingOffsets[] {
  const middle = Math.min(Math.max(from, ownEnd), Math.max(from, to));
  const parts: MissingOffsets[] = [
    { from, to: middle, segment },
    { from: middle, to, segment: undefined },
  ];
  return parts.filter((part) => part.to > part.from);
}
