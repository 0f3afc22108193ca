/**
 * The one door to the operating system's files.
 *
 * Two halves with different rules. {@link FileSystem} reads, for the main thread: it never blocks
 * the event loop. {@link BlockingFileSystem} changes things, for the writer alone: its calls are
 * synchronous and carried out in order, in production in the writer worker. Descriptors of one half
 * never reach the other, and those of the writer never leave its thread.
 *
 * Implementations throw errors with an errno `code` (`ENOENT`, `ENOSPC`, ...), as Node's do. The
 * simulation in the tests implements both halves over one imaginary disk that forgets, tears and
 * fails; a contract suite runs on both implementations.
 */

export interface FileFacts {
  readonly kind: 'file' | 'directory' | 'other';
  readonly bytes: number;
  /** Permission bits, e.g. 0o700. */
  readonly mode: number;
  /** Last change of the content, milliseconds since 1970; 0 where it is not known. */
  readonly modifiedMs: number;
}

export interface ReadableFile {
  /**
   * Reads up to `count` bytes at `position` into `target` from `start` on; resolves to the number
   * of bytes read, fewer only at the end of the file.
   */
  read(target: Uint8Array, start: number, count: number, position: number): Promise<number>;
  /** The size of the file now, in bytes. */
  size(): Promise<number>;
  /** Closes the descriptor; reads in flight end first. */
  close(): Promise<void>;
}

export interface FileSystem {
  /** Names in a directory, in no order, without `.` and `..`. */
  list(directory: string): Promise<readonly string[]>;
  /** Facts about a path, or undefined. A link to a directory is one; any other link is `other`. */
  facts(path: string): Promise<FileFacts | undefined>;
  /** Opens an existing regular file for reading; a symbolic link is refused (`ELOOP`). */
  open(path: string): Promise<ReadableFile>;
  /** The bytes still free for this user on the file system of `path`. */
  freeBytes(path: string): Promise<number>;
}

/** A descriptor of the blocking half; meaningless elsewhere. */
export type FileDescriptor = number;

/**
 * `create` makes a file when it is absent, `exclusive` fails with `EEXIST` when it is there,
 * `existing` fails with `ENOENT` when it is not: these three read and write. `reading` is like
 * `existing`, and the descriptor refuses to change the file.
 */
export type OpenMode = 'create' | 'exclusive' | 'existing' | 'reading';

export interface BlockingFileSystem {
  /** Opens a regular file; a symbolic link is refused (`ELOOP`). New files get mode 0600. */
  open(path: string, mode: OpenMode): FileDescriptor;
  /** Writes at `position`; returns how many bytes were taken, which may be fewer than `count`. */
  write(
    file: FileDescriptor,
    source: Uint8Array,
    start: number,
    count: number,
    position: number,
  ): number;
  /** Reads at `position`; returns how many bytes came. */
  read(
    file: FileDescriptor,
    target: Uint8Array,
    start: number,
    count: number,
    position: number,
  ): number;
  /** The size of the file now, in bytes. */
  size(file: FileDescriptor): number;
  /** Makes data and size durable (fdatasync). A failure means the content is unknown. */
  datasync(file: FileDescriptor): void;
  truncate(file: FileDescriptor, bytes: number): void;
  close(file: FileDescriptor): void;
  /** Atomic; durable only after {@link syncDirectory}. Replaces the target. */
  rename(from: string, to: string): void;
  /** Removes a file; durable only after {@link syncDirectory}. */
  unlink(path: string): void;
  /** Makes a directory (mode 0700) and its missing parents; no error when it is there. */
  makeDirectory(path: string): void;
  /** Removes an empty directory (`ENOTEMPTY` otherwise); durable once its parent is synced. */
  removeDirectory(path: string): void;
  /** Makes the entries of a directory durable. */
  syncDirectory(path: string): void;
}
