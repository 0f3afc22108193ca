/**
 * The file of users on the disk: read whole within a bound, and replaced whole.
 */

import { dirname } from 'node:path';
import { createError } from '../base/errors.js';
import { createNodeBlockingFileSystem, nodeLockFileSystem } from '../base/node-file-system.js';
import {
  encodeUsers,
  parseUsers,
  USERS_FILE_BYTES_MAX,
  type Users,
} from '../server/access/users-file.js';
import { followLinks } from './input-lines.js';

/** Throws USERS_FILE_INVALID, also when there is none. */
export function readUsers(path: string): Users {
  const users = findUsers(path);
  if (users === undefined) throw createError('USERS_FILE_INVALID', { path, expected: 'a file' });
  return users;
}

/** Undefined when there is no file. Throws USERS_FILE_INVALID. */
export function findUsers(path: string): Users | undefined {
  const text = nodeLockFileSystem.readText(followLinks(path), USERS_FILE_BYTES_MAX);
  return text === undefined ? undefined : parseUsers(text);
}

/** Replaces the file, which only its owner may read; it is durable when this returns. */
export function writeUsers(path: string, users: Users): void {
  const target = followLinks(path);
  const bytes = Buffer.from(encodeUsers(users));
  const fileSystem = createNodeBlockingFileSystem();
  const draft = `${target}.${process.pid}.new`;
  const file = fileSystem.open(draft, 'exclusive');
  try {
    for (let done = 0; done < bytes.length; ) {
      done += fileSystem.write(file, bytes, done, bytes.length - done, done);
    }
    fileSystem.datasync(file);
    fileSystem.rename(draft, target);
  } catch (error) {
    fileSystem.unlink(draft);
    throw error;
  } finally {
    fileSystem.close(file);
  }
  fileSystem.syncDirectory(dirname(target));
}
