/**
 * Carrying out what loading found: the changes that recovery makes on the disk, in order.
 *
 * 1 the directory is synced, because a process that died may have named files (a new segment,
 *   `log.json`) and not got to that; also when the log was closed before, since `alter` changes
 *   nothing else;
 * 2 a torn tail is copied to a `.broken` file and synced, then cut away and the cut synced;
 * 3 the valid bytes from the watermark to the end are written again in place and synced, because a
 *   sync that failed before the crash may have left pages marked clean that never got to the disk;
 * 4 both watermark slots are settled on the new end.
 *
 * A crash in between leaves what this function starts from, so doing it again ends in the same
 * state.
 */

import { join } from 'node:path';
import { limits } from '../base/limits.js';
import { segmentLeftovers } from './log-cleanup.js';
import type { LogFolder } from './log-folder.js';
import type { LoadedLog } from './log-loader.js';
import { brokenPath } from './segment-files.js';
import type { WriterFile, WriterStep } from './writer.js';

/** Steps that make the active segment's file hold exactly the valid bytes, durably. */
export function recoverySteps(
  folder: LogFolder,
  loaded: LoadedLog,
  file: WriterFile,
): readonly WriterStep[] {
  const active = loaded.segments.at(-1);
  if (active === undefined || loaded.damage !== undefined) return [];
  const steps: WriterStep[] = [{ kind: 'syncDirectory', path: folder.directory }];
  if (loaded.wasClean) return steps;
  const { tornTail } = loaded;
  if (tornTail !== undefined) {
    for (const name of surplusBroken(folder)) {
      steps.push({ kind: 'unlink', path: join(folder.directory, name) });
    }
    const number = nextBrokenNumber(folder, active.baseOffset);
    const path = brokenPath(folder.directory, active.baseOffset, number);
    steps.push({ kind: 'copy', file, from: tornTail.from, to: tornTail.to, path });
    steps.push({ kind: 'syncDirectory', path: folder.directory });
    steps.push({ kind: 'cut', file, bytes: tornTail.from });
  }
  const from = Math.min(loaded.rewriteFrom, loaded.activeBytes);
  steps.push({ kind: 'rewrite', file, from, to: loaded.activeBytes });
  return steps;
}

/** Steps that remove what a crash left and nobody needs; they may fail without harm. */
export function cleanupSteps(folder: LogFolder, loaded: LoadedLog): readonly WriterStep[] {
  if (loaded.damage !== undefined) return [];
  const names = segmentLeftovers(folder, loaded.startOffset, loaded.endOffset);
  if (names.length === 0) return [];
  return [
    ...names.map((name): WriterStep => ({ kind: 'unlink', path: join(folder.directory, name) })),
    { kind: 'syncDirectory', path: folder.directory },
  ];
}

/** `.broken` files are bounded: the oldest go first. */
function surplusBroken(folder: LogFolder): readonly string[] {
  const surplus = folder.brokenFiles.length - (limits.brokenFilesMax - 1);
  return surplus <= 0 ? [] : [...folder.brokenFiles].sort().slice(0, surplus);
}

function nextBrokenNumber(folder: LogFolder, baseOffset: number): number {
  const prefix = String(baseOffset).padStart(20, '0');
  const numbers = folder.brokenFiles
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.split('.')[1]));
  return Math.max(0, ...numbers) + 1;
}
