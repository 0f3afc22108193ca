/**
 * Which files of a folder nobody needs: temporary files, and segments that lie below the log start.
 *
 * A pure decision over names; the log start is durable before it is asked.
 */

import type { LogFolder } from './log-folder.js';
import { type SegmentSuffix, segmentFileName, sideFiles } from './segment-files.js';

/** The order in which a segment's files go: the `.log` last, so that a rest is never a segment. */
const removalOrder: readonly SegmentSuffix[] = [
  'seal',
  'snapshot',
  'txnIndex',
  'timeIndex',
  'offsetIndex',
  'log',
];

/** All file names of a segment, in the order in which they are removed. */
export function segmentFileNames(baseOffset: number): readonly string[] {
  return removalOrder.map((suffix) => segmentFileName(baseOffset, suffix));
}

/** Segments that end at or before `startOffset`, given the base offsets in order. */
export function segmentsBelow(bases: readonly number[], startOffset: number): readonly number[] {
  return bases.filter((_, index) => (bases[index + 1] ?? Number.POSITIVE_INFINITY) <= startOffset);
}

export function segmentLeftovers(folder: LogFolder, startOffset: number): readonly string[] {
  const bases = folder.segments.map((names) => names.baseOffset);
  const names = [...folder.leftovers];
  if (folder.hasOptions && folder.names.includes(sideFiles.adoption))
    names.push(sideFiles.adoption);
  for (const baseOffset of segmentsBelow(bases, startOffset)) {
    const present = folder.segments.find((segment) => segment.baseOffset === baseOffset)?.suffixes;
    for (const suffix of removalOrder) {
      if (present?.has(suffix) === true) names.push(segmentFileName(baseOffset, suffix));
    }
  }
  return names;
}
