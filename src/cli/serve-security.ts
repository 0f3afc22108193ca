/**
 * Who may connect to a server, from files; SIGHUP reads them again. A file that is not right then
 * changes nothing, and is told.
 */

import { createError } from '../base/errors.js';
import { nodeLockFileSystem } from '../base/node-file-system.js';
import { AccessList } from '../server/access/access-list.js';
import type { KafkaSecurity } from '../server/kafka/kafka-server.js';
import { type TlsFiles, TlsIdentity } from '../server/tls-identity.js';
import type { Invocation } from './command.js';
import { followLinks } from './input-lines.js';
import { UsageError } from './usage-error.js';
import { readUsers } from './users-store.js';

const PEM_BYTES_MAX = 1024 * 1024;

export interface LoadedSecurity extends KafkaSecurity {
  /** Ends listening to SIGHUP. */
  close(): void;
}

/** Throws USERS_FILE_INVALID, OPTION_INVALID. */
export function loadSecurity({ texts, output }: Invocation): LoadedSecurity {
  const usersPath = texts.get('users');
  const tlsPaths = { certificate: texts.get('tls-cert'), key: texts.get('tls-key') };
  if ((tlsPaths.certificate === undefined) !== (tlsPaths.key === undefined)) {
    throw new UsageError('--tls-cert and --tls-key go together');
  }
  const readTls = (): TlsFiles | undefined =>
    tlsPaths.certificate === undefined || tlsPaths.key === undefined
      ? undefined
      : { certificate: readPem(tlsPaths.certificate), key: readPem(tlsPaths.key) };
  const files = readTls();
  const access = usersPath === undefined ? undefined : new AccessList(readUsers(usersPath));
  const tls = files === undefined ? undefined : new TlsIdentity(files);
  const reload = (): void => {
    try {
      const renewed = readTls();
      const users = usersPath === undefined ? undefined : readUsers(usersPath);
      if (renewed !== undefined) tls?.replace(renewed);
      if (users !== undefined) access?.replace(users);
      output.note('reloaded', { users: users?.size ?? 0 });
    } catch (error) {
      output.error(error);
    }
  };
  // Where there is nothing to read again it ends the process, as it always does.
  if (access !== undefined || tls !== undefined) process.on('SIGHUP', reload);
  return { access, tls, close: () => process.off('SIGHUP', reload) };
}

function readPem(path: string): string {
  const text = nodeLockFileSystem.readText(followLinks(path), PEM_BYTES_MAX);
  if (text !== undefined) return text;
  throw createError('OPTION_INVALID', { option: 'tls', expected: 'a file', actual: path });
}
