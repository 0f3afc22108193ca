/**
 * Writing the file of a log's reserve: space that is really taken, not only a size.
 *
 * The bytes are random, so that no file system compresses them away or leaves holes. The file gets
 * its name when it is whole and synced: whoever finds it with its size need not look into it.
 */

import { join } from 'node:path';
import type { BlockingFileSystem } from '../base/file-system.js';
import { Prng, randomSeed } from '../base/prng.js';
import type { CleanerControl, ReserveTask } from './cleaner-task.js';
import { writeFully } from './compaction-files.js';
import { sideFiles, TEMPORARY_SUFFIX } from './segment-files.js';

const BLOCK_BYTES = 256 * 1024;

/**
 * Makes the file. On any error, and when it is cancelled, it removes what it wrote. Throws errno
 * errors of the file system, DISK_FULL, and what `control` throws.
 */
export function runReserve(
  fileSystem: BlockingFileSystem,
  { directory, bytes }: ReserveTask,
  control: CleanerControl,
): void {
  const path = join(directory, sideFiles.reserve);
  const temporary = path + TEMPORARY_SUFFIX;
  const block = new Prng(randomSeed()).bytes(Math.min(BLOCK_BYTES, bytes));
  const file = fileSystem.open(temporary, 'create');
  try {
    try {
      fileSystem.truncate(file, 0);
      for (let position = 0; position < bytes; position += block.length) {
        const count = Math.min(block.length, bytes - position);
        writeFully(fileSystem, file, block, count, position, temporary);
        control.progress(count);
      }
      fileSystem.datasync(file);
    } finally {
      fileSystem.close(file);
    }
    fileSystem.rename(temporary, path);
  } catch (error) {
    remove(fileSystem, temporary);
    throw error;
  }
  fileSystem.syncDirectory(directory);
}

function remove(fileSystem: BlockingFileSystem, path: string): void {
  try {
    fileSystem.unlink(path);
  } catch {
    // The next attempt, or the next open, removes it.
  }
}
