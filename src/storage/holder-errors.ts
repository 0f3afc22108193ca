/**
 * What the operating system's errors mean to whoever opens a folder or talks to its holder.
 */

import { createError, type ErrorCode, errnoOf, MillraceError } from '../base/errors.js';

const codesByErrno: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'PERMISSION_DENIED',
  EPERM: 'PERMISSION_DENIED',
  EROFS: 'PERMISSION_DENIED',
  ENOENT: 'LOG_NOT_FOUND',
  ENOTDIR: 'NOT_A_DIRECTORY',
  ENOSPC: 'DISK_FULL',
  EDQUOT: 'DISK_FULL',
  EMFILE: 'TOO_MANY_OPEN_FILES',
  ENFILE: 'TOO_MANY_OPEN_FILES',
};

/** The error to report for `path`; Millrace's own and those of no system call stay as they are. */
export function folderError(error: unknown, path: string): unknown {
  const errno = errnoOf(error);
  if (errno === undefined || error instanceof MillraceError) return error;
  return createError(codesByErrno[errno] ?? 'IO_FAILED', { path, errno }, error);
}
