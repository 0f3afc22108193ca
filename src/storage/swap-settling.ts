/**
 * Ending the swaps that a folder holds: finished when they are committed, undone when not.
 *
 * For whoever holds the lock and before anything is believed: opening for writing, repair, and a
 * log whose own swap failed. The steps run in the writer, a directory sync behind each phase; a
 * crash in between leaves what this starts from.
 */

import { join } from 'node:path';
import { createError, errnoOf } from '../base/errors.js';
import type { FileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { fromSystem, type LogFolder, readFolder, readSmallFile } from './log-folder.js';
import { decodeLogJson } from './log-json.js';
import { parseFileName, sideFiles } from './segment-files.js';
import {
  committedSwaps,
  planSwapRecovery,
  type SwapOperation,
  type SwapRecoveryPhase,
} from './swap-recovery.js';
import { hasSwapWork, readSwapEnds } from './swap-state.js';
import type { Writer, WriterStep } from './writer.js';

export interface SettlingParts {
  readonly fileSystem: FileSystem;
  readonly writer: Pick<Writer, 'run'>;
}

/**
 * Ends every swap in the folder, and removes what it leaves. Resolves to the folder as it is then.
 *
 * What another engine left in a folder that is not ours yet is not touched: FORMAT_UNSUPPORTED when
 * a swap of it is committed. Throws LOG_CORRUPT when a committed segment does not verify; nothing
 * was changed then. After any other error the folder may be in between, and doing it again goes on.
 */
export async function settleSwaps(parts: SettlingParts, folder: LogFolder): Promise<LogFolder> {
  if (folder.kind !== 'log' || !hasSwapWork(folder.names)) return folder;
  const { directory } = folder;
  if (!folder.hasOptions) {
    if (committedSwaps(folder.names).length === 0) return folder;
    throw createError('FORMAT_UNSUPPORTED', {
      path: directory,
      message: 'another engine is replacing segments in this log; it has to finish that first',
    });
  }
  const logId = await readLogId(parts.fileSystem, directory);
  const ends = await readSwapEnds(parts.fileSystem, folder, logId);
  await runPhases(parts, directory, planSwapRecovery(folder.names, ends));
  return await readFolder(parts.fileSystem, directory);
}

/**
 * The same for a log that is open, whose readers may be in files that were replaced before: those
 * that are called `.deleted` stay.
 */
export async function settleLiveSwaps(
  parts: SettlingParts,
  directory: string,
  logId: string,
): Promise<void> {
  const folder = await readFolder(parts.fileSystem, directory);
  const names = folder.names.filter((name) => parseFileName(name).kind !== 'deleted');
  const ends = await readSwapEnds(parts.fileSystem, { ...folder, names }, logId);
  await runPhases(parts, directory, planSwapRecovery(names, ends));
}

async function readLogId(fileSystem: FileSystem, directory: string): Promise<string | undefined> {
  const path = join(directory, sideFiles.options);
  const bytes = await readSmallFile(fileSystem, path, limits.slabBytesSmall);
  return bytes === undefined ? undefined : decodeLogJson(bytes, path).logId;
}

async function runPhases(
  parts: SettlingParts,
  directory: string,
  phases: readonly SwapRecoveryPhase[],
): Promise<void> {
  const step = (operation: SwapOperation): WriterStep =>
    operation.kind === 'unlink'
      ? { kind: 'unlink', path: join(directory, operation.name) }
      : {
          kind: 'rename',
          from: join(directory, operation.from),
          to: join(directory, operation.to),
        };
  try {
    for (const { operations } of phases) {
      await parts.writer.run([...operations.map(step), { kind: 'syncDirectory', path: directory }]);
    }
  } catch (error) {
    throw errnoOf(error) === undefined ? error : fromSystem(error, directory);
  }
}
