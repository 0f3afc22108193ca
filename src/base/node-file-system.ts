/**
 * The file system of the machine: the only file that imports `node:fs`.
 *
 * {@link nodeFileSystem} is the reading half, on libuv's pool; {@link createNodeBlockingFileSystem}
 * the writing half, synchronous, for the thread that owns the descriptors. Both use plain numeric
 * descriptors: nothing is closed behind the owner's back by the garbage collector. A descriptor is
 * closed only when no operation on it is in flight, since its number may be given to another file
 * at once. The last section serves the one-writer lock: small synchronous calls at open and close.
 *
 * Paths given by the user may lead through symbolic links; a file of ours never is one, so the last
 * component is opened with O_NOFOLLOW. Everything made here belongs to its owner alone: 0600, 0700.
 *
 * What it does not do: retry, loop over short writes, or decide what an errno means. On Windows
 * there is no O_NOFOLLOW and a directory cannot be synced; both are left out there.
 */

import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { assert } from './assert.js';
import { errnoOf } from './errors.js';
import type {
  BlockingFileSystem,
  FileDescriptor,
  FileFacts,
  FileSystem,
  OpenMode,
  ReadableFile,
} from './file-system.js';

/** Constants that a platform lacks are left out by Node, whatever its types say. */
const flagsNoFollow = fs.constants.O_NOFOLLOW ?? 0;
const flagsRead = fs.constants.O_RDONLY | flagsNoFollow | (fs.constants.O_NONBLOCK ?? 0);
const flagsDirectory = fs.constants.O_RDONLY | (fs.constants.O_DIRECTORY ?? 0);
const flagsWrite = fs.constants.O_RDWR | flagsNoFollow | (fs.constants.O_NONBLOCK ?? 0);
const flagsMake = flagsWrite | fs.constants.O_CREAT | fs.constants.O_EXCL;
const fileMode = 0o600;
const directoryMode = 0o700;
/** Node takes a negative position for "where the last call ended", and a negative size for 0. */
const positionMessage = 'a position in a file is 0 or more';
/** Times that `create` looks again when a file comes and goes under its hands. */
const createAttemptsMax = 16;

// ---------------------------------------------------------------------------------------------
// Reading, for the main thread.

export const nodeFileSystem: FileSystem = {
  list: (directory) => fs.promises.readdir(directory),

  async facts(path) {
    try {
      const facts = factsFrom(await fs.promises.lstat(path));
      if (facts.kind !== 'other') return facts;
      // A link to a directory is as good as the directory; a link to a file is not a file.
      const target = factsFrom(await fs.promises.stat(path).catch(() => fs.promises.lstat(path)));
      return target.kind === 'directory' ? target : facts;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return undefined;
      throw error;
    }
  },

  async open(path) {
    const descriptor = await openDescriptor(path, flagsRead);
    try {
      requireRegularFile(await statDescriptor(descriptor), path);
    } catch (error) {
      await closeDescriptor(descriptor);
      throw error;
    }
    return new NodeReadableFile(descriptor, path);
  },

  async freeBytes(path) {
    const facts = await fs.promises.statfs(path);
    return facts.bavail * facts.bsize;
  },
};

/** One open file of the reading half; owns its descriptor. */
class NodeReadableFile implements ReadableFile {
  readonly #descriptor: number;
  readonly #path: string;
  #inFlightCount = 0;
  #closing: Promise<void> | undefined;
  #onIdle: (() => void) | undefined;

  constructor(descriptor: number, path: string) {
    this.#descriptor = descriptor;
    this.#path = path;
  }

  async read(target: Uint8Array, start: number, count: number, position: number): Promise<number> {
    assert(position >= 0, positionMessage);
    this.#begin('read');
    try {
      // A read may stop early before the end of the file; only zero bytes say that it is the end.
      let done = 0;
      while (done < count) {
        const got = await readOnce(
          this.#descriptor,
          target,
          start + done,
          count - done,
          position + done,
        );
        if (got === 0) break;
        done += got;
      }
      return done;
    } finally {
      this.#end();
    }
  }

  async size(): Promise<number> {
    this.#begin('fstat');
    try {
      return (await statDescriptor(this.#descriptor)).size;
    } finally {
      this.#end();
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#closeWhenIdle();
    return this.#closing;
  }

  async #closeWhenIdle(): Promise<void> {
    if (this.#inFlightCount > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await closeDescriptor(this.#descriptor);
  }

  #begin(call: string): void {
    if (this.#closing !== undefined) throw errnoError('EBADF', call, this.#path);
    this.#inFlightCount += 1;
  }

  #end(): void {
    assert(this.#inFlightCount > 0, 'an operation that ends was in flight');
    this.#inFlightCount -= 1;
    if (this.#inFlightCount === 0) this.#onIdle?.();
  }
}

function readOnce(
  descriptor: number,
  target: Uint8Array,
  start: number,
  count: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(descriptor, target, start, count, position, (error, got) => {
      if (error === null) resolve(got);
      else reject(error);
    });
  });
}

function openDescriptor(path: string, flags: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, flags, (error, descriptor) => {
      if (error === null) resolve(descriptor);
      else reject(error);
    });
  });
}

function statDescriptor(descriptor: number): Promise<fs.Stats> {
  return new Promise((resolve, reject) => {
    fs.fstat(descriptor, (error, stats) => {
      if (error === null) resolve(stats);
      else reject(error);
    });
  });
}

function closeDescriptor(descriptor: number): Promise<void> {
  return new Promise((resolve, reject) => {
    fs.close(descriptor, (error) => {
      // Node's types promise null or undefined here, depending on the version.
      if (error === null || error === undefined) resolve();
      else reject(error);
    });
  });
}

function factsFrom(stats: fs.Stats): FileFacts {
  return {
    kind: stats.isFile() ? 'file' : stats.isDirectory() ? 'directory' : 'other',
    bytes: stats.size,
    mode: stats.mode & 0o7777,
    modifiedMs: Math.floor(stats.mtimeMs),
  };
}

/** A directory opens like a file for reading, and a pipe or a device would make reads wait. */
function requireRegularFile(stats: fs.Stats, path: string): void {
  if (stats.isFile()) return;
  throw errnoError(stats.isDirectory() ? 'EISDIR' : 'EINVAL', 'open', path);
}

function errnoError(code: string, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path });
}

// ---------------------------------------------------------------------------------------------
// Writing, for the thread of the writer. Its descriptors are closed by the runtime when the thread
// ends, so they must not leave it.

/** The writing half; holds no state, so a thread may make as many as it likes. */
export function createNodeBlockingFileSystem(): BlockingFileSystem {
  return {
    open: openBlocking,
    write(file, source, start, count, position) {
      assert(position >= 0, positionMessage);
      return fs.writeSync(file, source, start, count, position);
    },
    read(file, target, start, count, position) {
      assert(position >= 0, positionMessage);
      return fs.readSync(file, target, start, count, position);
    },
    size: (file) => fs.fstatSync(file).size,
    datasync: (file) => fs.fdatasyncSync(file),
    truncate(file, bytes) {
      assert(Number.isSafeInteger(bytes) && bytes >= 0, 'a file has a whole size of 0 or more');
      fs.ftruncateSync(file, bytes);
    },
    close: (file) => fs.closeSync(file),
    rename: (from, to) => fs.renameSync(from, to),
    unlink: (path) => fs.unlinkSync(path),
    makeDirectory,
    removeDirectory: (path) => fs.rmdirSync(path),
    syncDirectory,
  };
}

function openBlocking(path: string, mode: OpenMode): FileDescriptor {
  if (mode === 'exclusive') return makeFile(path);
  if (mode === 'existing') return openExisting(path, flagsWrite);
  if (mode === 'reading') return openExisting(path, flagsRead);
  for (let attempt = 1; ; attempt += 1) {
    const isLast = attempt === createAttemptsMax;
    try {
      return openExisting(path, flagsWrite);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT' || isLast) throw error;
    }
    try {
      return makeFile(path);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

function openExisting(path: string, flags: number): FileDescriptor {
  const descriptor = fs.openSync(path, flags);
  return checkedOrClosed(descriptor, () => requireRegularFile(fs.fstatSync(descriptor), path));
}

function makeFile(path: string): FileDescriptor {
  const descriptor = fs.openSync(path, flagsMake, fileMode);
  return checkedOrClosed(descriptor, () => {
    // The umask can only take bits away; what it took from the owner is given back. (Where the
    // owner lacks nothing the mode stays, since file systems without modes refuse to set one.)
    if ((fs.fstatSync(descriptor).mode & fileMode) !== fileMode)
      fs.fchmodSync(descriptor, fileMode);
  });
}

function checkedOrClosed(descriptor: FileDescriptor, check: () => void): FileDescriptor {
  try {
    check();
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
  return descriptor;
}

function makeDirectory(path: string): void {
  try {
    makeOneDirectory(path);
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'EEXIST' && fs.statSync(path).isDirectory()) return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    makeDirectory(parent);
    makeDirectory(path);
  }
}

function makeOneDirectory(path: string): void {
  fs.mkdirSync(path, directoryMode);
  const isUsable = (fs.statSync(path).mode & directoryMode) === directoryMode;
  if (!isUsable) fs.chmodSync(path, directoryMode);
}

function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

// ---------------------------------------------------------------------------------------------
// For the lock: small facts and files, synchronous, at open and close only.

export interface FileIdentity {
  readonly kind: 'file' | 'directory' | 'link' | 'socket' | 'other';
  /** Device and inode name a file for as long as it exists, whatever its paths. */
  readonly device: bigint;
  readonly inode: bigint;
  /** Permission bits, e.g. 0o600. */
  readonly mode: number;
  readonly ownerId: number;
}

export interface LockFileSystem {
  /** The identity of what a path names, be it a symbolic link; undefined when it is not there. */
  identity(path: string): FileIdentity | undefined;
  /** The same, of what a symbolic link leads to. */
  identityOfTarget(path: string): FileIdentity | undefined;
  /**
   * The text of a small file, also of `/proc`, whose sizes say nothing. Undefined when it is not
   * there; `EFBIG` when it has more than `bytesMax` bytes.
   */
  readText(path: string, bytesMax: number): string | undefined;
  /** Where a symbolic link (also of `/proc/self/ns`) leads; undefined when it is not there. */
  readLink(path: string): string | undefined;
  /** Makes a file of mode 0600 with this text; `EEXIST` when something is there. */
  createExclusive(path: string, text: string): void;
  /** Gives an existing file a second name; `EEXIST` when something has it. */
  link(existing: string, path: string): void;
  symlink(target: string, path: string): void;
  /** Atomic; replaces the target. */
  rename(from: string, to: string): void;
  /** Removes a file; no error when it is not there. */
  unlink(path: string): void;
  setMode(path: string, mode: number): void;
  /** Whether this process may make files in a directory. */
  isWritable(path: string): boolean;
  /** A new directory of mode 0700 among the system's temporary files; its name is short. */
  makeTemporaryDirectory(prefix: string): string;
  removeEmptyDirectory(path: string): void;
  /** Makes one directory of mode 0700; `EEXIST` when something is there. */
  makePrivateDirectory(path: string): void;
  /** Names in a directory, without `.` and `..`. */
  names(path: string): readonly string[];
  /** A descriptor that names a directory, for paths below `/proc/self/fd`. */
  openDirectory(path: string): FileDescriptor;
  closeDirectory(directory: FileDescriptor): void;
}

export const nodeLockFileSystem: LockFileSystem = {
  identity: (path) => identityFrom(fs.lstatSync(path, { bigint: true, throwIfNoEntry: false })),
  identityOfTarget: (path) =>
    identityFrom(fs.statSync(path, { bigint: true, throwIfNoEntry: false })),
  readText: (path, bytesMax) => undefinedIfAbsent(() => readSmallText(path, bytesMax)),
  readLink: (path) => undefinedIfAbsent(() => fs.readlinkSync(path)),
  createExclusive,
  link: (existing, path) => fs.linkSync(existing, path),
  symlink: (target, path) => fs.symlinkSync(target, path),
  rename: (from, to) => fs.renameSync(from, to),
  unlink: (path) => undefinedIfAbsent(() => fs.unlinkSync(path)),
  setMode: (path, mode) => fs.chmodSync(path, mode),
  isWritable,
  makeTemporaryDirectory: (prefix) => fs.mkdtempSync(join(tmpdir(), prefix)),
  removeEmptyDirectory: (path) => fs.rmdirSync(path),
  makePrivateDirectory: (path) => fs.mkdirSync(path, { mode: directoryMode }),
  names: (path) => fs.readdirSync(path),
  openDirectory: (path) => fs.openSync(path, flagsDirectory),
  closeDirectory: (directory) => fs.closeSync(directory),
};

function identityFrom(stats: fs.BigIntStats | undefined): FileIdentity | undefined {
  if (stats === undefined) return undefined;
  return {
    kind: kindOf(stats),
    device: stats.dev,
    inode: stats.ino,
    mode: Number(stats.mode & 0o7777n),
    ownerId: Number(stats.uid),
  };
}

function kindOf(stats: fs.BigIntStats): FileIdentity['kind'] {
  if (stats.isFile()) return 'file';
  if (stats.isDirectory()) return 'directory';
  if (stats.isSymbolicLink()) return 'link';
  return stats.isSocket() ? 'socket' : 'other';
}

function undefinedIfAbsent<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function readSmallText(path: string, bytesMax: number): string {
  const descriptor = fs.openSync(path, flagsRead);
  try {
    // One byte more than allowed tells a file that is too long.
    const bytes = Buffer.alloc(bytesMax + 1);
    let count = 0;
    while (count < bytes.length) {
      const got = fs.readSync(descriptor, bytes, count, bytes.length - count, count);
      if (got === 0) break;
      count += got;
    }
    if (count > bytesMax) throw errnoError('EFBIG', 'read', path);
    return bytes.toString('utf8', 0, count);
  } finally {
    fs.closeSync(descriptor);
  }
}

function createExclusive(path: string, text: string): void {
  const bytes = Buffer.from(text, 'utf8');
  const descriptor = makeFile(path);
  try {
    let count = 0;
    while (count < bytes.length) {
      count += fs.writeSync(descriptor, bytes, count, bytes.length - count, count);
    }
  } finally {
    fs.closeSync(descriptor);
  }
}

function isWritable(path: string): boolean {
  try {
    fs.accessSync(path, fs.constants.W_OK | fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
