/**
 * One attempt to become the holder of a folder: safe with any number of others, in any processes.
 *
 *     .socket.<nonce>/       1. stand:  a private directory (0700) that announces the candidate
 *     .socket.<nonce>/s                 its socket, bound, listening, mode 0600
 *                            2. forbid: every other candidate loses its socket and its directory
 *                            3. look:   is `.socket` alive? then somebody holds the folder
 *     .socket                4. take:   the own socket is renamed to this name
 *
 * Why two cannot win. Of two candidates, let A have stood first. When B forbids, A is still there,
 * and then its step 4 fails for want of a file; or A has already taken `.socket`, and then B finds
 * it alive in step 3; or A has given up. What a killed process leaves is removed in steps 2 and 4.
 * Two that forbid each other both fail and try again after a random pause.
 *
 * The private directory also keeps the socket out of reach until its mode is set: binding makes it
 * with whatever the umask of the host program allows.
 */

import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { errnoOf } from '../base/errors.js';
import { type FileIdentity, nodeLockFileSystem as files } from '../base/node-file-system.js';
import { formatNonce } from './holder-lock-file.js';
import { listenAt, openSocketFolder, probe, SOCKET_NAME } from './holder-socket.js';

export type Stand = 'taken' | 'held' | 'forbidden';

/** Times that a directory is emptied again because its owner is just filling it. */
const REMOVALS_MAX = 8;
const candidatePattern = /^\.socket\.[0-9a-f]{16}$/;
const INNER_NAME = 's';

export class Candidate {
  readonly #directory: string;
  readonly #ownName: string;
  readonly #server: Server;
  #identity: FileIdentity | undefined;

  /** `server` is not listening yet; it does from `stand` until `withdraw`. */
  constructor(directory: string, nonce: bigint, server: Server = createServer()) {
    this.#directory = directory;
    this.#ownName = `${SOCKET_NAME}.${formatNonce(nonce)}`;
    this.#server = server;
  }

  /**
   * Goes through the four steps. `isGuarded` is asked when there is no `.socket` at all, and may
   * know of a holder nevertheless. After `taken` the folder is ours until {@link withdraw}.
   */
  async stand(isGuarded: () => boolean): Promise<Stand> {
    const folder = openSocketFolder(this.#directory);
    try {
      if ((await this.#announce(folder.path)) === 'forbidden') return 'forbidden';
      this.#forbidOthers();
      const found = await probe(join(folder.path, SOCKET_NAME));
      if (found === 'live' || (found === 'absent' && isGuarded())) return 'held';
      return this.#take();
    } finally {
      folder.close();
    }
  }

  /** Whether the socket in the folder is the one that this candidate listens on. */
  ownsFolder(): boolean {
    const found = files.identity(join(this.#directory, SOCKET_NAME));
    const own = this.#identity;
    if (own === undefined || found === undefined) return false;
    return found.device === own.device && found.inode === own.inode;
  }

  /**
   * Gives up the folder, or the attempt. The name goes before the listener does, so whoever finds
   * no socket, or a new one, may write; nothing of another holder is touched.
   */
  withdraw(): void {
    try {
      if (this.ownsFolder()) files.unlink(join(this.#directory, SOCKET_NAME));
      removeCandidate(join(this.#directory, this.#ownName));
    } finally {
      this.#server.close();
    }
  }

  async #announce(folderPath: string): Promise<'announced' | 'forbidden'> {
    const own = join(this.#directory, this.#ownName);
    files.makePrivateDirectory(own);
    try {
      const outcome = await listenAt(this.#server, join(folderPath, this.#ownName, INNER_NAME));
      assert(outcome === 'listening', 'a new private directory is empty');
    } catch (error) {
      // libuv reports a missing directory as EACCES, so only a look tells why this failed.
      if (files.identity(own) === undefined) return 'forbidden';
      throw error;
    }
    // Nothing useful can be done about a connection that could not be accepted.
    this.#server.on('error', () => {});
    try {
      files.setMode(join(own, INNER_NAME), 0o600);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 'forbidden';
      throw error;
    }
    this.#identity = files.identity(join(own, INNER_NAME));
    return this.#identity === undefined ? 'forbidden' : 'announced';
  }

  #forbidOthers(): void {
    for (const name of files.names(this.#directory)) {
      if (name === this.#ownName || !candidatePattern.test(name)) continue;
      removeCandidate(join(this.#directory, name));
    }
  }

  #take(): 'taken' | 'forbidden' {
    const own = join(this.#directory, this.#ownName);
    try {
      files.rename(join(own, INNER_NAME), join(this.#directory, SOCKET_NAME));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return 'forbidden';
      throw error;
    }
    removeCandidate(own);
    return this.ownsFolder() ? 'taken' : 'forbidden';
  }
}

/** Removes a candidate's socket and directory: from then on it cannot take the folder. */
function removeCandidate(path: string): void {
  for (let removals = 1; ; removals += 1) {
    // A link or a file of that name is no candidate, and a path through it would lead elsewhere.
    if (files.identity(path)?.kind !== 'directory') return;
    try {
      files.unlink(join(path, INNER_NAME));
      files.removeEmptyDirectory(path);
      return;
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === 'ENOENT') return;
      if (errno !== 'ENOTEMPTY' || removals === REMOVALS_MAX) throw error;
    }
  }
}
