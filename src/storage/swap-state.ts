/**
 * Swaps that are under way in a folder: where their segments end, and how the folder looks with
 * them in their place.
 *
 * It reads only. Where a committed segment ends is in its seal, and when that is not believed, in
 * its batches: every cleaned segment ends in a batch whose last offset is the last of what it
 * replaces. One that does not verify is damage, and then nothing is decided.
 */

import { createError } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import type { LogFolder, SegmentFileNames } from './log-folder.js';
import { Segment } from './segment.js';
import { isWorkName, parseFileName, type SegmentSuffix } from './segment-files.js';
import { readSeal, rebuildSegment, type SegmentContext } from './segment-loader.js';
import { committedNames, committedSwaps, isReplaced } from './swap-recovery.js';

/** Whether any name in the folder is work of a cleaning, finished or not. */
export function hasSwapWork(names: readonly string[]): boolean {
  return names.some((name) => {
    if (!isWorkName(name)) return false;
    const { kind } = parseFileName(name);
    return kind === 'cleaned' || kind === 'swap' || kind === 'deleted';
  });
}

/**
 * The exclusive end of each committed segment, by base offset. Throws LOG_CORRUPT when one does not
 * verify or does not fit between the others, and system errors. `logId` is undefined for a folder
 * of another engine.
 */
export async function readSwapEnds(
  fileSystem: FileSystem,
  folder: LogFolder,
  logId: string | undefined,
): Promise<ReadonlyMap<number, number>> {
  const present = new Set(folder.names);
  const context = { fileSystem, logId, indexIntervalBytes: 0, epochs: undefined };
  const ends = new Map<number, number>();
  for (const baseOffset of committedSwaps(folder.names)) {
    const names = committedNames(present, baseOffset);
    const segment = Segment.listed(folder.directory, { baseOffset, names });
    if (isReplaced(baseOffset, ends)) throw damaged(segment, 0, 'it lies within another one');
    const end = await readEnd(context, segment);
    const hasSuccessor = folder.segments.some((other) => other.baseOffset >= end);
    if (!hasSuccessor) throw damaged(segment, 0, 'it reaches over the last segment');
    ends.set(baseOffset, end);
  }
  return ends;
}

async function readEnd(context: SegmentContext, segment: Segment): Promise<number> {
  const facts = await context.fileSystem.facts(segment.logPath);
  const seal = await readSeal(context, segment);
  const isBelieved = typeof seal !== 'string' && seal.logBytes === facts?.bytes;
  if (isBelieved && seal.nextOffset > segment.baseOffset) return seal.nextOffset;
  const { segment: walked, invalid } = await rebuildSegment(context, segment, true);
  if (invalid !== undefined) throw damaged(segment, invalid.position, invalid.reason);
  const { nextOffset } = walked.active().totals;
  if (nextOffset > segment.baseOffset) return nextOffset;
  throw damaged(segment, 0, 'it holds no batch');
}

function damaged(segment: Segment, position: number, reason: string): Error {
  return createError('LOG_CORRUPT', {
    file: segment.logPath,
    position,
    offset: segment.baseOffset,
    reason: `a cleaned segment that is to replace others is damaged: ${reason}`,
  });
}

/** The folder as it looks once its swaps are finished; files lie where they are now. */
export function withSwaps(folder: LogFolder, ends: ReadonlyMap<number, number>): LogFolder {
  if (ends.size === 0) return folder;
  const present = new Set(folder.names);
  const kept = folder.segments.filter(({ baseOffset }) => !isReplaced(baseOffset, ends));
  const placed = [...ends.keys()].map((baseOffset): SegmentFileNames => {
    const names = committedNames(present, baseOffset);
    const suffixes = new Set<SegmentSuffix>();
    for (const [suffix, name] of names) if (present.has(name)) suffixes.add(suffix);
    return { baseOffset, names, suffixes };
  });
  const segments = [...kept, ...placed].sort((one, two) => one.baseOffset - two.baseOffset);
  return { ...folder, segments };
}
