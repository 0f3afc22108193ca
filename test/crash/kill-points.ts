/**
 * Death at a named point: a blocking file system that kills its own process at one exact call.
 *
 * A signal from outside strikes at random; what lies between two calls of the writer it may never
 * meet. Used in the child process of the SIGKILL loop, with the writer that works in the calling
 * thread, over the real disk.
 */

import type { BlockingFileSystem, FileDescriptor } from '../../src/base/file-system.js';

export const killCalls = [
  'open',
  'write',
  'datasync',
  'truncate',
  'close',
  'rename',
  'unlink',
  'syncDirectory',
] as const;

export interface KillPoint {
  readonly call: (typeof killCalls)[number];
  /** How the path ends; of a rename, the new path. Empty for any. */
  readonly suffix: string;
  /** Matching calls that are let through first. */
  readonly skip: number;
  /** `half`: after half of the bytes of a write. */
  readonly when: 'before' | 'half' | 'after';
}

/** Every kind of call that the writer makes; `skip` and `when` are drawn for each process. */
export const killPlaces: readonly Pick<KillPoint, 'call' | 'suffix'>[] = [
  { call: 'write', suffix: '.log' },
  { call: 'datasync', suffix: '.log' },
  { call: 'write', suffix: 'watermark' },
  { call: 'datasync', suffix: 'watermark' },
  { call: 'open', suffix: '.log' },
  { call: 'close', suffix: '.log' },
  { call: 'truncate', suffix: '.log' },
  { call: 'write', suffix: '.broken' },
  { call: 'datasync', suffix: '.broken' },
  { call: 'rename', suffix: '.index' },
  { call: 'rename', suffix: '.timeindex' },
  { call: 'rename', suffix: '.seal' },
  { call: 'rename', suffix: 'leader-epoch-checkpoint' },
  { call: 'rename', suffix: 'log.json' },
  { call: 'write', suffix: '.tmp' },
  { call: 'unlink', suffix: '' },
  { call: 'syncDirectory', suffix: '' },
];

export function killingFileSystem(inner: BlockingFileSystem, point: KillPoint): BlockingFileSystem {
  const paths = new Map<FileDescriptor, string>();
  let left = point.skip;

  const around = <T>(call: KillPoint['call'], path: string, act: () => T): T => {
    const isHere = call === point.call && path.endsWith(point.suffix) && left-- === 0;
    if (isHere && point.when === 'before') die();
    const result = act();
    if (isHere) die();
    return result;
  };
  const pathOf = (file: FileDescriptor): string => paths.get(file) ?? '';

  return {
    open: (path, mode) =>
      around('open', path, () => {
        const file = inner.open(path, mode);
        paths.set(file, path);
        return file;
      }),
    write: (file, source, start, count, position) =>
      around('write', pathOf(file), () => {
        const isHere = point.call === 'write' && left === -1 && point.when === 'half';
        const bytes = isHere ? count >>> 1 : count;
        return bytes === 0 ? 0 : inner.write(file, source, start, bytes, position);
      }),
    read: (file, target, start, count, position) =>
      inner.read(file, target, start, count, position),
    size: (file) => inner.size(file),
    datasync: (file) => around('datasync', pathOf(file), () => inner.datasync(file)),
    truncate: (file, bytes) => around('truncate', pathOf(file), () => inner.truncate(file, bytes)),
    close: (file) => around('close', pathOf(file), () => inner.close(file)),
    rename: (from, to) => around('rename', to, () => inner.rename(from, to)),
    unlink: (path) => around('unlink', path, () => inner.unlink(path)),
    makeDirectory: (path) => inner.makeDirectory(path),
    removeDirectory: (path) => inner.removeDirectory(path),
    syncDirectory: (path) => around('syncDirectory', path, () => inner.syncDirectory(path)),
  };
}

function die(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal ends this thread before the next statement; nothing may run in between.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}
