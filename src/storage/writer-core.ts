/**
 * What a writer does, over the blocking half of the file-system seam.
 *
 * Runs in the writer worker, and inline in the simulation. It owns the descriptors: they are
 * opened, used, synced and closed here and never leave. Writes loop over short writes at positions
 * that the caller owns; a file is synced through the descriptor that was open before its bytes
 * were dirty.
 */

import { assert, unreachable } from '../base/assert.js';
import { errnoOf } from '../base/errors.js';
import type { BlockingFileSystem, FileDescriptor } from '../base/file-system.js';
import { TEMPORARY_SUFFIX } from './segment-files.js';
import {
  STATUS_ABORTED,
  STATUS_OK,
  statusOfErrno,
  type WriterFile,
  type WriterStatus,
  type WriterStep,
} from './writer.js';

const COPY_BYTES = 1024 * 1024;
/** A write that takes nothing this often in a row is treated as a failure. */
const EMPTY_WRITES_MAX = 8;

interface OpenFile {
  readonly descriptor: FileDescriptor;
  isRefused: boolean;
}

export class WriterCore {
  readonly #fileSystem: BlockingFileSystem;
  readonly #files = new Map<WriterFile, OpenFile>();

  constructor(fileSystem: BlockingFileSystem) {
    this.#fileSystem = fileSystem;
  }

  /** How many files are open, for the check at the end. */
  get openFiles(): number {
    return this.#files.size;
  }

  write(
    file: WriterFile,
    source: Uint8Array,
    start: number,
    count: number,
    position: number,
  ): WriterStatus {
    const open = this.#files.get(file);
    if (open === undefined || open.isRefused) return STATUS_ABORTED;
    try {
      this.#writeAll(open.descriptor, source, start, count, position);
      return STATUS_OK;
    } catch (error) {
      open.isRefused = true;
      return statusOfErrno(errnoOf(error));
    }
  }

  commit(
    file: WriterFile,
    markFile: WriterFile,
    mark: Uint8Array,
    markCount: number,
    markPosition: number,
  ): WriterStatus {
    const open = this.#files.get(file);
    const markOpen = this.#files.get(markFile);
    if (open === undefined || open.isRefused) return STATUS_ABORTED;
    if (markOpen === undefined || markOpen.isRefused) return STATUS_ABORTED;
    try {
      this.#fileSystem.datasync(open.descriptor);
    } catch (error) {
      open.isRefused = true;
      return statusOfErrno(errnoOf(error));
    }
    try {
      this.#writeAll(markOpen.descriptor, mark, 0, markCount, markPosition);
      return STATUS_OK;
    } catch (error) {
      // The mark lies in blocks that exist since the log was opened: this is never a full disk.
      markOpen.isRefused = true;
      open.isRefused = true;
      return statusOfErrno(errnoOf(error) === 'ENOSPC' ? 'EIO' : errnoOf(error));
    }
  }

  /** Carries out one step; returns bytes that were read, or undefined. Throws errno errors. */
  step(step: WriterStep): Uint8Array | undefined {
    const fs = this.#fileSystem;
    switch (step.kind) {
      case 'open': {
        assert(!this.#files.has(step.file), 'file name towards the writer is fresh');
        const descriptor = fs.open(step.path, step.mode);
        this.#files.set(step.file, { descriptor, isRefused: false });
        return undefined;
      }
      case 'close': {
        const open = this.#files.get(step.file);
        this.#files.delete(step.file);
        if (open !== undefined) fs.close(open.descriptor);
        return undefined;
      }
      case 'cut': {
        const open = this.#open(step.file);
        open.isRefused = true;
        fs.truncate(open.descriptor, step.bytes);
        fs.datasync(open.descriptor);
        open.isRefused = false;
        return undefined;
      }
      case 'write':
        return this.#guard(this.#usable(step.file), (open) => {
          this.#writeAll(open.descriptor, step.bytes, 0, step.bytes.length, step.position);
        });
      case 'sync':
        return this.#guard(this.#usable(step.file), (open) => fs.datasync(open.descriptor));
      case 'read':
        return this.#read(this.#open(step.file).descriptor, step.position, step.count);
      case 'rewrite':
        return this.#guard(this.#usable(step.file), (open) => {
          this.#copyRange(open.descriptor, step.from, step.to, open.descriptor, step.from);
          fs.datasync(open.descriptor);
        });
      case 'copy':
        return this.#copyOut(this.#open(step.file).descriptor, step.from, step.to, step.path);
      case 'replace':
        return this.#replace(step.path, step.bytes);
      case 'rename':
        fs.rename(step.from, step.to);
        return undefined;
      case 'unlink':
        return absentIsFine(() => fs.unlink(step.path));
      case 'makeDirectory':
        fs.makeDirectory(step.path);
        return undefined;
      case 'removeDirectory':
        return absentIsFine(() => fs.removeDirectory(step.path));
      case 'syncDirectory':
        fs.syncDirectory(step.path);
        return undefined;
      default:
        return unreachable(step);
    }
  }

  /**
   * After a step failed: files that the steps before it opened are refused. A segment whose name
   * may not be durable must not take records.
   */
  refuseOpened(done: readonly WriterStep[]): void {
    for (const step of done) {
      const open = step.kind === 'open' ? this.#files.get(step.file) : undefined;
      if (open !== undefined) open.isRefused = true;
    }
  }

  /** Closes whatever is still open; the writer ends. */
  closeAll(): void {
    for (const [file, open] of this.#files) {
      this.#files.delete(file);
      try {
        this.#fileSystem.close(open.descriptor);
      } catch {
        // The descriptor is gone all the same, and what had to be durable was synced before.
      }
    }
  }

  #open(file: WriterFile): OpenFile {
    const open = this.#files.get(file);
    if (open === undefined) throw Object.assign(new Error('not open'), { code: 'EBADF' });
    return open;
  }

  #usable(file: WriterFile): OpenFile {
    const open = this.#open(file);
    if (open.isRefused) throw Object.assign(new Error('refused'), { code: 'ECANCELED' });
    return open;
  }

  /** After a failed write or sync the content is unknown, so the file is refused. */
  #guard(open: OpenFile, work: (open: OpenFile) => void): undefined {
    try {
      work(open);
    } catch (error) {
      open.isRefused = true;
      throw error;
    }
    return undefined;
  }

  #writeAll(
    descriptor: FileDescriptor,
    source: Uint8Array,
    start: number,
    count: number,
    position: number,
  ): void {
    let done = 0;
    let emptyWrites = 0;
    while (done < count) {
      const taken = this.#writeSome(
        descriptor,
        source,
        start + done,
        count - done,
        position + done,
      );
      assert(taken >= 0 && taken <= count - done, 'a write takes no more than it was given');
      done += taken;
      emptyWrites = taken === 0 ? emptyWrites + 1 : 0;
      if (emptyWrites === EMPTY_WRITES_MAX) {
        throw Object.assign(new Error('the file takes no bytes'), { code: 'EIO' });
      }
    }
  }

  /** A write interrupted before it took a byte is repeated (POSIX `EINTR`). */
  #writeSome(
    descriptor: FileDescriptor,
    source: Uint8Array,
    start: number,
    count: number,
    position: number,
  ): number {
    try {
      return this.#fileSystem.write(descriptor, source, start, count, position);
    } catch (error) {
      if (errnoOf(error) === 'EINTR') return 0;
      throw error;
    }
  }

  #read(descriptor: FileDescriptor, position: number, count: number): Uint8Array {
    const target = new Uint8Array(count);
    let done = 0;
    while (done < count) {
      const got = this.#fileSystem.read(descriptor, target, done, count - done, position + done);
      if (got === 0) break;
      done += got;
    }
    return target.subarray(0, done);
  }

  #copyRange(
    source: FileDescriptor,
    from: number,
    to: number,
    target: FileDescriptor,
    targetPosition: number,
  ): void {
    for (let at = from; at < to; at += COPY_BYTES) {
      const bytes = this.#read(source, at, Math.min(COPY_BYTES, to - at));
      this.#writeAll(target, bytes, 0, bytes.length, targetPosition + at - from);
    }
  }

  #copyOut(source: FileDescriptor, from: number, to: number, path: string): undefined {
    const target = this.#fileSystem.open(path, 'create');
    try {
      this.#fileSystem.truncate(target, 0);
      this.#copyRange(source, from, to, target, 0);
      this.#fileSystem.datasync(target);
    } finally {
      this.#fileSystem.close(target);
    }
    return undefined;
  }

  #replace(path: string, bytes: Uint8Array): undefined {
    const temporary = path + TEMPORARY_SUFFIX;
    const target = this.#fileSystem.open(temporary, 'create');
    try {
      this.#fileSystem.truncate(target, 0);
      this.#writeAll(target, bytes, 0, bytes.length, 0);
      this.#fileSystem.datasync(target);
    } finally {
      this.#fileSystem.close(target);
    }
    this.#fileSystem.rename(temporary, path);
    return undefined;
  }
}

/** Removes something; what is gone already need not be removed. */
function absentIsFine(remove: () => void): undefined {
  try {
    remove();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
  return undefined;
}
