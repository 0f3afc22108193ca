/**
 * The one way in which a log changes its folder.
 *
 * A writer carries out what it is given strictly in order: slab writes and commits (the hot path,
 * answered through callbacks, no allocation), and steps (everything else, answered by a promise).
 * In production the work is done by a worker thread with synchronous calls; in the simulation it
 * is done inline over the simulated disk. Both run the same `WriterCore`.
 *
 * A file whose write or sync failed is refused from then on, and so is one that was opened by steps
 * of which a later one failed: writes to it answer `ABORTED`, so that nothing lands behind a gap,
 * until a `cut` step has cut it back and synced it.
 */

/** Names an open file towards the writer; chosen by the caller before the file is opened. */
export type WriterFile = number;

/** Memory that both sides see. The caller may not touch it between a write and its answer. */
export interface Slab {
  readonly id: number;
  readonly bytes: Uint8Array;
  /** Rises each time the slab is handed out: who remembers an old one must not read it. */
  generation: number;
}

export type WriterStep =
  | {
      readonly kind: 'open';
      readonly file: WriterFile;
      readonly path: string;
      readonly mode: 'create' | 'exclusive' | 'existing';
    }
  | { readonly kind: 'close'; readonly file: WriterFile }
  /** Cuts the file to `bytes` and syncs it; a refused file is usable again afterwards. */
  | { readonly kind: 'cut'; readonly file: WriterFile; readonly bytes: number }
  | {
      readonly kind: 'write';
      readonly file: WriterFile;
      readonly bytes: Uint8Array;
      readonly position: number;
    }
  | { readonly kind: 'sync'; readonly file: WriterFile }
  /** Reads up to `count` bytes, for the answer. */
  | {
      readonly kind: 'read';
      readonly file: WriterFile;
      readonly position: number;
      readonly count: number;
    }
  /** Reads and writes back a range in place and syncs it, so that what is read is on the disk. */
  | {
      readonly kind: 'rewrite';
      readonly file: WriterFile;
      readonly from: number;
      readonly to: number;
    }
  /** Copies a range into a new file and syncs it. */
  | {
      readonly kind: 'copy';
      readonly file: WriterFile;
      readonly from: number;
      readonly to: number;
      readonly path: string;
    }
  /** Gives `path` this content atomically: temporary file, sync, rename; not the directory. */
  | { readonly kind: 'replace'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  /** Removes a file; one that is absent is fine. */
  | { readonly kind: 'unlink'; readonly path: string }
  | { readonly kind: 'makeDirectory'; readonly path: string }
  /** Removes an empty directory; one that is absent is fine. */
  | { readonly kind: 'removeDirectory'; readonly path: string }
  | { readonly kind: 'syncDirectory'; readonly path: string };

/** 0 when it went well, else a negative number: see {@link errnoOfStatus}. */
export type WriterStatus = number;

export const STATUS_OK = 0;
/** The file is refused because of an earlier failure, or the writer itself is gone. */
export const STATUS_ABORTED = -1;

const errnoNames = [
  'EIO',
  'ENOSPC',
  'EDQUOT',
  'EFBIG',
  'EROFS',
  'EMFILE',
  'ENFILE',
  'EACCES',
  'EPERM',
  'EBADF',
  'EINVAL',
  'ENOENT',
  'EINTR',
  'EAGAIN',
  'ENOMEM',
] as const;

const STATUS_EIO = -2;
const errnoStatuses = new Map<string, WriterStatus>(
  errnoNames.map((name, index) => [name, STATUS_EIO - index]),
);

/** The status of an errno name; unknown names count as `EIO`. */
export function statusOfErrno(errno: string | undefined): WriterStatus {
  return errnoStatuses.get(errno ?? 'EIO') ?? STATUS_EIO;
}

export function errnoOfStatus(status: WriterStatus): string {
  if (status === STATUS_ABORTED) return 'ECANCELED';
  return errnoNames[STATUS_EIO - status] ?? 'EIO';
}

/** Errors that mean no room, after which the file can be cut back and used again. */
export function isNoSpace(errno: string | undefined): boolean {
  return errno === 'ENOSPC' || errno === 'EDQUOT' || errno === 'EFBIG';
}

/** Thrown by a step that failed; the steps after it were not carried out. */
export class WriterFailure extends Error {
  override readonly name = 'WriterFailure';
  /** errno name, so that callers treat it like an error of the file system. */
  readonly code: string;
  /** Which of the steps failed. */
  readonly stepIndex: number;

  constructor(code: string, stepIndex: number, message: string) {
    super(message);
    this.code = code;
    this.stepIndex = stepIndex;
  }
}

/** Answers of the hot path, in the order of the calls. They may call the writer again. */
export interface WriterClient {
  written(status: WriterStatus): void;
  committed(status: WriterStatus): void;
}

/** What a commit writes after its sync: a part of a slab into another file. */
export interface CommitMark {
  readonly file: WriterFile;
  readonly slab: Slab;
  readonly count: number;
}

export interface Writer {
  /** A fresh name for a file to be opened. */
  newFile(): WriterFile;
  /** Memory of at least `bytes`, or undefined when the writer's memory is used up. */
  acquireSlab(bytes: number): Slab | undefined;
  /** Gives a slab back; its content stays readable until the generation changes. */
  releaseSlab(slab: Slab): void;
  /**
   * Calls `reclaim` when the writer's memory is used up and somebody needs a slab: whoever holds
   * one with nothing in flight gives it back within the call. Ends with the returned function.
   */
  onPressure(reclaim: () => void): () => void;
  /** Calls `ready` once, when a slab has come back after `acquireSlab` had none. */
  onSlab(ready: () => void): void;
  /** Queues a write of slab bytes; answered by `client.written`. */
  write(
    client: WriterClient,
    file: WriterFile,
    slab: Slab,
    start: number,
    count: number,
    position: number,
  ): void;
  /**
   * Queues a sync of the file followed by the (unsynced) write of the mark at `markPosition`;
   * answered by `client.committed` once both returned.
   */
  commit(client: WriterClient, file: WriterFile, mark: CommitMark, markPosition: number): void;
  /** Makes queued writes and commits visible to the writer; call once after a group of them. */
  submit(): void;
  /** Carries out steps in order, up to the first that fails; resolves to what was read. */
  run(steps: readonly WriterStep[]): Promise<readonly Uint8Array[]>;
  /** Ends one use of the writer; the last one ends its thread. */
  release(): Promise<void>;
}
