/**
 * A folder in memory with both halves of a file system over it, made for millions of short lives.
 *
 * It keeps whole files as byte arrays and copies one when it is first changed, so a copy of the
 * folder with one bit turned costs as much as one file. It never fails, forgets or tears anything:
 * that is the simulated disk's. It knows one directory, without folders in it.
 */

import type { BlockingFileSystem, FileSystem } from '../../src/base/file-system.js';

export const IMAGE_DIRECTORY = '/log';
const PREFIX = `${IMAGE_DIRECTORY}/`;

interface ImageFile {
  bytes: Uint8Array;
  /** The array is this image's own and may be changed. */
  isOwn: boolean;
}

export class FolderImage {
  readonly #files = new Map<string, ImageFile>();
  readonly #open = new Map<number, ImageFile>();
  #nextDescriptor = 1;

  /** The same files by name; their bytes are shared until one side changes them. */
  clone(): FolderImage {
    const copy = new FolderImage();
    for (const [name, file] of this.#files) {
      file.isOwn = false;
      copy.#files.set(name, { bytes: file.bytes, isOwn: false });
    }
    return copy;
  }

  /** A clone with one bit of one file turned; bit 0 is the lowest of the first byte. */
  flipped(name: string, bit: number): FolderImage {
    const copy = this.clone();
    const bytes = copy.bytesOf(name).slice();
    const position = bit >>> 3;
    bytes[position] = (bytes[position] ?? 0) ^ (1 << (bit & 7));
    copy.#files.set(name, { bytes, isOwn: true });
    return copy;
  }

  get names(): readonly string[] {
    return [...this.#files.keys()].sort();
  }

  /** What a file holds; not to be changed. */
  bytesOf(name: string): Uint8Array {
    return this.#file(PREFIX + name).bytes;
  }

  has(name: string): boolean {
    return this.#files.has(name);
  }

  readonly fileSystem: FileSystem = {
    list: async () => [...this.#files.keys()],
    facts: async (path) => {
      if (path === IMAGE_DIRECTORY || path === '/') {
        return { kind: 'directory', bytes: 0, mode: 0o700, modifiedMs: 0 };
      }
      const file = this.#files.get(path.slice(PREFIX.length));
      if (file === undefined) return undefined;
      return { kind: 'file', bytes: file.bytes.length, mode: 0o600, modifiedMs: 0 };
    },
    open: async (path) => {
      const file = this.#file(path);
      return {
        read: async (target, start, count, position) => {
          return copyOut(file.bytes, target, start, count, position);
        },
        size: async () => file.bytes.length,
        close: async () => undefined,
      };
    },
    freeBytes: async () => Number.MAX_SAFE_INTEGER,
  };

  readonly blockingFileSystem: BlockingFileSystem = {
    open: (path, mode) => {
      const name = path.slice(PREFIX.length);
      const known = this.#files.get(name);
      const mustExist = mode === 'existing' || mode === 'reading';
      if (known === undefined && mustExist) throw errno('ENOENT', path);
      if (known !== undefined && mode === 'exclusive') throw errno('EEXIST', path);
      const file = known ?? { bytes: new Uint8Array(0), isOwn: true };
      this.#files.set(name, file);
      const descriptor = this.#nextDescriptor++;
      this.#open.set(descriptor, file);
      return descriptor;
    },
    write: (descriptor, source, start, count, position) => {
      const file = this.#handle(descriptor);
      resize(file, Math.max(file.bytes.length, position + count));
      file.bytes.set(source.subarray(start, start + count), position);
      return count;
    },
    read: (descriptor, target, start, count, position) =>
      copyOut(this.#handle(descriptor).bytes, target, start, count, position),
    size: (descriptor) => this.#handle(descriptor).bytes.length,
    datasync: () => undefined,
    truncate: (descriptor, bytes) => resize(this.#handle(descriptor), bytes),
    close: (descriptor) => {
      this.#open.delete(descriptor);
    },
    rename: (from, to) => {
      this.#files.set(to.slice(PREFIX.length), this.#file(from));
      this.#files.delete(from.slice(PREFIX.length));
    },
    unlink: (path) => {
      if (!this.#files.delete(path.slice(PREFIX.length))) throw errno('ENOENT', path);
    },
    makeDirectory: () => undefined,
    removeDirectory: () => undefined,
    syncDirectory: () => undefined,
  };

  #file(path: string): ImageFile {
    const file = this.#files.get(path.slice(PREFIX.length));
    if (file === undefined) throw errno('ENOENT', path);
    return file;
  }

  #handle(descriptor: number): ImageFile {
    const file = this.#open.get(descriptor);
    if (file === undefined) throw errno('EBADF', String(descriptor));
    return file;
  }
}

function copyOut(
  bytes: Uint8Array,
  target: Uint8Array,
  start: number,
  count: number,
  position: number,
): number {
  const part = bytes.subarray(position, Math.min(bytes.length, position + count));
  target.set(part, start);
  return part.length;
}

/** Makes the file's array its own, of `bytes` bytes. */
function resize(file: ImageFile, bytes: number): void {
  if (file.isOwn && file.bytes.length === bytes) return;
  const grown = new Uint8Array(bytes);
  grown.set(file.bytes.subarray(0, bytes));
  file.bytes = grown;
  file.isOwn = true;
}

function errno(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}
