/**
 * Putting a cleaned segment in the place of the segments that it was made from.
 *
 * The protocol is the table below. After each of its phases the directory is synced; within one,
 * a power loss may keep any of the renames and lose the others. What holds between two phases is
 * what recovery (`swap-recovery.ts`) goes by:
 *
 *   - `X.log.swap` is there: the swap is committed, and it will be finished;
 *   - it is there, and so is `X.log`: no file of the new segment has its name yet, so every side
 *     file with a final name in the range is an old one;
 *   - it is there, and `X.log` is not: no old side file of X is left, so one with a final name is
 *     new;
 *   - it is not there: nothing was replaced, or everything was.
 *
 * It runs in the cleaner, with synchronous calls; the log's owner keeps readers away from opening
 * these files meanwhile, and edits its list afterwards.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { createError, errnoOf, MillraceError } from '../base/errors.js';
import type { BlockingFileSystem } from '../base/file-system.js';
import type { SwapTask } from './cleaner-task.js';
import {
  cleanedName,
  deletedName,
  type SegmentSuffix,
  segmentFileName,
  sideSuffixes,
  swapName,
} from './segment-files.js';

/** One rename; a name that is absent is fine where a segment need not have such a file. */
export interface SwapRename {
  readonly from: string;
  readonly to: string;
  readonly isOptional: boolean;
}

export interface SwapPhase {
  readonly name: 'commit' | 'retire side files' | 'retire logs' | 'place side files' | 'place log';
  /** What is true once the directory was synced behind this phase. */
  readonly holds: string;
  readonly renames: (task: SwapTask) => readonly SwapRename[];
}

/** Side files that a cleaned segment may be without. */
const isOptionalSide = (suffix: SegmentSuffix): boolean =>
  suffix === 'txnIndex' || suffix === 'snapshot';

/** The protocol; the directory is synced behind each phase. */
export const swapProtocol: readonly SwapPhase[] = [
  {
    name: 'commit',
    holds: 'the new segment has all its files as .swap: from now on the swap is finished',
    renames: ({ baseOffset }) => [
      ...sideSuffixes.map((suffix) => ({
        from: cleanedName(baseOffset, suffix),
        to: swapName(baseOffset, suffix),
        isOptional: isOptionalSide(suffix),
      })),
      { from: cleanedName(baseOffset, 'log'), to: swapName(baseOffset, 'log'), isOptional: false },
    ],
  },
  {
    name: 'retire side files',
    holds: 'no side file with a final name is left in the range',
    renames: ({ replaced, number }) =>
      replaced.flatMap((base) =>
        sideSuffixes.map((suffix) => ({
          from: segmentFileName(base, suffix),
          to: deletedName(base, suffix, number),
          isOptional: true,
        })),
      ),
  },
  {
    name: 'retire logs',
    holds: 'no file with a final name is left in the range',
    renames: ({ replaced, number }) =>
      replaced.map((base) => ({
        from: segmentFileName(base, 'log'),
        to: deletedName(base, 'log', number),
        isOptional: false,
      })),
  },
  {
    name: 'place side files',
    holds: 'the side files of the new segment have their names',
    renames: ({ baseOffset }) =>
      sideSuffixes.map((suffix) => ({
        from: swapName(baseOffset, suffix),
        to: segmentFileName(baseOffset, suffix),
        isOptional: isOptionalSide(suffix),
      })),
  },
  {
    name: 'place log',
    holds: 'the new segment is in its place',
    renames: ({ baseOffset }) => [
      {
        from: swapName(baseOffset, 'log'),
        to: segmentFileName(baseOffset, 'log'),
        isOptional: false,
      },
    ],
  },
];

/**
 * Carries out the protocol on `.cleaned` files that are complete and synced. Throws errors of the
 * file system; what was done by then is for recovery to finish or undo. A sync that fails is an
 * IO_FAILED that `isSyncFailure` knows.
 */
export function runSwap(fileSystem: BlockingFileSystem, task: SwapTask): void {
  const { directory, baseOffset, replaced } = task;
  assert(replaced[0] === baseOffset, 'the new segment begins where the first old one does');
  for (const { renames } of swapProtocol) {
    for (const rename of renames(task)) renameFile(fileSystem, directory, rename);
    syncNames(fileSystem, directory);
  }
}

/**
 * Whether the names in the folder are not known to be durable, and never will be while this process
 * runs: a sync that failed may succeed the next time without having written anything.
 */
export function isSyncFailure(error: unknown): boolean {
  return error instanceof MillraceError && error.facts['call'] === SYNC_CALL;
}

const SYNC_CALL = 'sync of the folder';

/** Makes the names durable; throws an error that {@link isSyncFailure} knows. */
export function syncNames(fileSystem: BlockingFileSystem, directory: string): void {
  try {
    fileSystem.syncDirectory(directory);
  } catch (error) {
    const facts = { path: directory, errno: errnoOf(error), call: SYNC_CALL };
    throw createError('IO_FAILED', facts, error);
  }
}

function renameFile(fileSystem: BlockingFileSystem, directory: string, rename: SwapRename): void {
  try {
    fileSystem.rename(join(directory, rename.from), join(directory, rename.to));
  } catch (error) {
    if (rename.isOptional && errnoOf(error) === 'ENOENT') return;
    throw error;
  }
}
