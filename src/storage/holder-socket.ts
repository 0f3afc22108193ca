/**
 * Unix sockets in a folder: where they are, how to listen on one, whether one is alive.
 *
 * A socket is alive as long as a process listens on it: the kernel accepts the connection even when
 * that process is stopped or busy, and refuses it once every thread of the process is gone and with
 * them every write in flight. So a refused connection means that nobody writes any more. The
 * kernel finds the listener by the inode of the file, across network and pid namespaces, but not
 * across machines: a folder on a network file system is not guarded against other machines.
 *
 * The address of a socket holds about 100 bytes of path, so a longer one goes through a short name
 * of the folder: `/proc/self/fd/<n>` on Linux, elsewhere a symbolic link in a temporary directory.
 */

import { connect, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.js';
import { type FileIdentity, nodeLockFileSystem } from '../base/node-file-system.js';

export const SOCKET_NAME = '.socket';
/** The address field has 104 bytes on macOS and 108 on Linux, a closing zero included. */
const ADDRESS_BYTES_MAX = 100;
/** What follows the folder in the longest path that is bound: `/.socket.<16 digits>/s`. */
const NAME_BYTES_MAX = 28;
/** The whole address field of Linux: Node versions differ in how they fill what is left of it. */
const KERNEL_NAME_BYTES = 108;

export const isWindows = process.platform === 'win32';

/** What a connection that fails says about its listener. */
const outcomesByErrno: Readonly<Record<string, 'reset' | 'busy' | 'dead' | 'absent'>> = {
  ENOENT: 'absent',
  ECONNREFUSED: 'dead',
  ENOTSOCK: 'dead',
  // It closed while the connection waited to be taken; who is there now shows the next attempt.
  ECONNRESET: 'reset',
  // Somebody listens, and more connections wait already than the kernel queues.
  EAGAIN: 'busy',
  EBUSY: 'busy',
};

/** A folder under a name short enough for socket addresses; the name ends with `close`. */
export interface SocketFolder {
  readonly path: string;
  close(): void;
}

export type ShortNameKind = 'descriptor' | 'link';

export function openSocketFolder(
  directory: string,
  kind: ShortNameKind = process.platform === 'linux' ? 'descriptor' : 'link',
): SocketFolder {
  if (Buffer.byteLength(directory) + NAME_BYTES_MAX <= ADDRESS_BYTES_MAX) {
    return { path: directory, close: () => {} };
  }
  return kind === 'descriptor' ? openByDescriptor(directory) : openByLink(directory);
}

function openByDescriptor(directory: string): SocketFolder {
  const descriptor = nodeLockFileSystem.openDirectory(directory);
  return {
    path: `/proc/self/fd/${descriptor}`,
    close: () => nodeLockFileSystem.closeDirectory(descriptor),
  };
}

function openByLink(directory: string): SocketFolder {
  const temporary = nodeLockFileSystem.makeTemporaryDirectory('millrace-');
  const path = join(temporary, 'f');
  nodeLockFileSystem.symlink(directory, path);
  return {
    path,
    close: () => {
      nodeLockFileSystem.unlink(path);
      nodeLockFileSystem.removeEmptyDirectory(temporary);
    },
  };
}

/**
 * A name for the folder in a space of the kernel that one process at a time can listen on and that
 * is free again when that process dies; undefined where there is none. On Linux an abstract socket,
 * seen within one network namespace and open to every user of it, so it may order but not decide.
 * On Windows, which has no sockets in folders, a named pipe; there it is the holder's socket
 * itself.
 */
export function kernelNameOf(folder: FileIdentity): string | undefined {
  const id = `millrace-${folder.device.toString(16)}-${folder.inode.toString(16)}`;
  if (process.platform === 'linux') return `\0${id}`.padEnd(KERNEL_NAME_BYTES, '.');
  return isWindows ? `\\\\.\\pipe\\${id}` : undefined;
}

/**
 * Listens at a path that must be free. Without `exclusive`, a worker of `node:cluster` would be
 * given a socket that its primary holds and shares with every other worker.
 */
export function listenAt(server: Server, path: string): Promise<'listening' | 'taken'> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      if (errnoOf(error) === 'EADDRINUSE') resolve('taken');
      else reject(error);
    });
    server.listen({ path, exclusive: true }, () => resolve('listening'));
  });
}

/** Times that a connection is tried again because its listener closed before taking it. */
const RESETS_MAX = 8;

export type Connected = Socket | 'busy' | 'dead' | 'absent';

/** Connects; `dead` when nobody listens on what is there, `absent` when nothing is there. */
export async function connectTo(path: string): Promise<Connected> {
  for (let resets = 0; resets < RESETS_MAX; resets += 1) {
    const outcome = await tryConnect(path);
    if (outcome !== 'reset') return outcome;
  }
  return 'busy';
}

function tryConnect(path: string): Promise<Connected | 'reset'> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('error', (error) => {
      const outcome = outcomesByErrno[errnoOf(error) ?? ''];
      if (outcome === undefined) reject(error);
      else resolve(outcome);
    });
    // A connection can still end with an error after this; then `close` follows, and that counts.
    socket.once('connect', () => resolve(socket.on('error', () => {})));
  });
}

/** Whether somebody listens at the path. */
export async function probe(path: string): Promise<'live' | 'dead' | 'absent'> {
  const outcome = await connectTo(path);
  if (outcome === 'dead' || outcome === 'absent') return outcome;
  if (outcome !== 'busy') outcome.destroy();
  return 'live';
}
