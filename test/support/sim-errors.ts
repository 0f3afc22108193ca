/**
 * The two ways in which a call on the simulated disk fails: as the operating system would, with an
 * errno `code`, or because the process "died" just before it.
 */

export type SimErrno =
  | 'EBADF'
  | 'EBUSY'
  | 'EDQUOT'
  | 'EEXIST'
  | 'EFBIG'
  | 'EINTR'
  | 'EINVAL'
  | 'EIO'
  | 'EISDIR'
  | 'EMFILE'
  | 'ENOENT'
  | 'ENOSPC'
  | 'ENOTDIR'
  | 'ENOTEMPTY'
  | 'EROFS';

/** Makes an error like those of `node:fs`. */
export function createSimErrno(code: SimErrno, call: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${call} '${path}'`), { code, syscall: call, path });
}

/** Thrown by every call from the one on at which the explorer let the process die. */
export class SimStopped extends Error {
  override readonly name = 'SimStopped';

  constructor(call: string, path: string) {
    super(`the simulated process died before ${call} '${path}'`);
  }
}
