/**
 * The files of a cleaner: those it reads, as their seals describe them, and small ones whole.
 *
 * A seal is believed when it is whole, belongs to this log and this segment, and gives the size
 * that the segment has. A file that is not as long as its seal says has lost something, or has got
 * something that was never sealed: it is not cleaned, since gaps would hide that for ever. Without
 * a seal a segment is still cleaned: its batches prove themselves.
 */

import { createError, errnoOf } from '../base/errors.js';
import type { BlockingFileSystem, FileDescriptor } from '../base/file-system.js';
import type { CleanerLog, CleanerSegment } from './cleaner-task.js';
import type { SourceFile } from './compaction-source.js';
import { decodeSeal, SEAL_BYTES_MAX, type Seal } from './seal.js';
import { segmentPath } from './segment-files.js';

/** What the source needs to know of the segments of a task. Throws LOG_CORRUPT. */
export function sourceFiles(
  fileSystem: BlockingFileSystem,
  task: CleanerLog & { readonly segments: readonly CleanerSegment[] },
): readonly SourceFile[] {
  const { directory, logId } = task;
  return task.segments.map(({ baseOffset, endOffset, logBytes }) => {
    const path = segmentPath(directory, baseOffset, 'log');
    const seal = readSeal(fileSystem, directory, logId, baseOffset);
    if (seal !== undefined && seal.logBytes !== logBytes) {
      throw createError('LOG_CORRUPT', {
        file: path,
        position: Math.min(logBytes, seal.logBytes),
        reason: 'the file does not have its sealed size',
        expected: seal.logBytes,
        actual: logBytes,
      });
    }
    return { path, baseOffset, endOffset, logBytes, seal };
  });
}

export function readBelievedSeal(
  fileSystem: BlockingFileSystem,
  directory: string,
  logId: string,
  baseOffset: number,
  logBytes: number,
): Seal | undefined {
  const seal = readSeal(fileSystem, directory, logId, baseOffset);
  return seal?.logBytes === logBytes ? seal : undefined;
}

/** A seal that is whole and belongs to this log and this segment. */
function readSeal(
  fileSystem: BlockingFileSystem,
  directory: string,
  logId: string,
  baseOffset: number,
): Seal | undefined {
  const path = segmentPath(directory, baseOffset, 'seal');
  const bytes = readWhole(fileSystem, path, SEAL_BYTES_MAX);
  const seal = bytes === undefined ? 'invalid' : decodeSeal(bytes);
  if (seal === 'invalid' || seal.logId !== logId) return undefined;
  return seal.baseOffset === baseOffset ? seal : undefined;
}

/** The content of a file of at most `bytesMax` bytes; undefined when it is absent or larger. */
export function readWhole(
  fileSystem: BlockingFileSystem,
  path: string,
  bytesMax: number,
): Uint8Array | undefined {
  return withFile(fileSystem, path, (file) => {
    const bytes = fileSystem.size(file);
    if (bytes > bytesMax) return undefined;
    const content = new Uint8Array(bytes);
    let done = 0;
    while (done < bytes) {
      const got = fileSystem.read(file, content, done, bytes - done, done);
      if (got === 0) return undefined;
      done += got;
    }
    return content;
  });
}

/** Looks at a file through a descriptor for reading; undefined when it is absent. */
export function withFile<Result>(
  fileSystem: BlockingFileSystem,
  path: string,
  look: (file: FileDescriptor) => Result,
): Result | undefined {
  let file: FileDescriptor;
  try {
    file = fileSystem.open(path, 'reading');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    return look(file);
  } finally {
    fileSystem.close(file);
  }
}

/** Writes all of the range, over short writes. */
export function writeFully(
  fileSystem: BlockingFileSystem,
  file: FileDescriptor,
  bytes: Uint8Array,
  count: number,
  position: number,
  path: string,
): void {
  let done = 0;
  while (done < count) {
    const taken = fileSystem.write(file, bytes, done, count - done, position + done);
    if (taken === 0) throw createError('DISK_FULL', { file: path, position: position + done });
    done += taken;
  }
}
