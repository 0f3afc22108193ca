/**
 * Which files of a folder nobody needs: temporary files, snapshots that were superseded, and
 * segments that lie below the log start.
 *
 * A pure decision over names; the log start is durable before it is asked.
 */

import type { LogFolder } from './log-folder.js';
import {
  parseFileName,
  type SegmentSuffix,
  segmentFileName,
  segmentSuffixes,
  sideFiles,
} from './segment-files.js';

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

/** `endOffset` is where the log ends: a snapshot of the last close may stand there. */
export function segmentLeftovers(
  folder: LogFolder,
  startOffset: number,
  endOffset: number,
): readonly string[] {
  const bases = folder.segments.map((names) => names.baseOffset);
  const names = [...folder.leftovers, ...staleSnapshots(folder, endOffset)];
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

/** Snapshots of earlier closes, within a segment. */
function staleSnapshots(folder: LogFolder, endOffset: number): readonly string[] {
  const bases = new Set(folder.segments.map(({ baseOffset }) => baseOffset));
  return folder.names.filter((name) => {
    if (!name.endsWith(segmentSuffixes.snapshot)) return false;
    const parsed = parseFileName(name);
    if (parsed.kind !== 'segment' || parsed.suffix !== 'snapshot') return false;
    return parsed.baseOffset !== endOffset && !bases.has(parsed.baseOffset);
  });
}
