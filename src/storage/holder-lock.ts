/**
 * One writer per folder: taking, holding and giving back the lock.
 *
 * The holder is whoever listens on `.socket` in the folder; `.lock` beside it says who that is. The
 * kernel ends the listening when the process is gone, so nothing has to time out, and a folder left
 * by a killed process is taken over at once. `holder-candidate.ts` shows why only one can win.
 *
 * The caller makes the folder first and writes nothing before `acquire` resolves; it closes the log
 * before it calls `release`. The lock does not keep the process alive. Reading needs no lock.
 *
 * On Windows, where a folder holds no sockets, the holder listens on a named pipe made from the
 * folder's identity, with the system's default access rights: best effort.
 */

import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { type Clock, systemClock } from '../base/clock.js';
import { createError, type MillraceError } from '../base/errors.js';
import { hostFacts } from '../base/host.js';
import { type FileIdentity, nodeLockFileSystem as files } from '../base/node-file-system.js';
import { Prng, randomNonce, randomSeed } from '../base/prng.js';
import { Candidate, type Stand } from './holder-candidate.js';
import { folderError } from './holder-errors.js';
import { formatLockFile, formatNonce, readLockFile, writerState } from './holder-lock-file.js';
import { holdMutex } from './holder-mutex.js';
import { type HolderHandler, HolderServer } from './holder-server.js';
import { isWindows, kernelNameOf, listenAt } from './holder-socket.js';

export interface HolderLock {
  /** 64 random bits, signed, that name this hold; they go into `.lock` and into the watermark. */
  readonly nonce: bigint;
  /** Carries out the requests of other processes from now on; called once. */
  serve(handler: HolderHandler): void;
  /** Gives the folder back once the running handlers have ended; idempotent. */
  release(): Promise<void>;
}

/** Where locks come from; tests on an imaginary disk put one in memory here. */
export interface LockManager {
  acquire(directory: string): Promise<HolderLock>;
}

export interface HolderLockOptions {
  readonly clock: Clock;
  /** How long others who open the same folder are waited for, before going on beside them. */
  readonly mutexMsMax: number;
  /** How long a peer may take for its next request, or for taking a reply. */
  readonly requestMsMax: number;
}

const defaults: HolderLockOptions = {
  clock: systemClock,
  mutexMsMax: 5_000,
  requestMsMax: 30_000,
};

const LOCK_NAME = '.lock';
const temporaryPattern = /^\.lock\.[0-9a-f]{16}$/;
/** Attempts that other candidates may spoil, and the longest pause after one. */
const ATTEMPTS_MAX = 64;
const PAUSE_MS_MAX = 20;

export const fileLockManager: LockManager = { acquire: acquireHolderLock };

/** Takes the lock of an existing folder, or fails with `LOG_LOCKED` and the holder's facts. */
export async function acquireHolderLock(
  directory: string,
  options: Partial<HolderLockOptions> = {},
): Promise<HolderLock> {
  const settings = { ...defaults, ...options };
  const path = resolve(directory);
  try {
    const folder = files.identityOfTarget(path);
    if (folder === undefined) throw createError('LOG_NOT_FOUND', { path });
    if (folder.kind !== 'directory') throw createError('NOT_A_DIRECTORY', { path });
    if (isWindows) return await acquirePipe(path, folder, settings);
    return await acquireSocket(path, folder, settings);
  } catch (error) {
    throw folderError(error, path);
  }
}

async function acquireSocket(
  path: string,
  folder: FileIdentity,
  settings: HolderLockOptions,
): Promise<HolderLock> {
  const { clock, mutexMsMax } = settings;
  const release = await holdMutex(kernelNameOf(folder), clock, mutexMsMax);
  try {
    const pauses = new Prng(randomSeed());
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts += 1) {
      const outcome = await attempt(path, folder, settings, () =>
        pause(clock, pauses.integer(PAUSE_MS_MAX)),
      );
      if (outcome === 'held') throw lockedError(path, folder);
      if (outcome !== 'forbidden') return outcome;
    }
    throw lockedError(path, folder);
  } finally {
    release();
  }
}

/** The pause after a spoilt attempt comes before its server ends, which keeps the process alive. */
async function attempt(
  path: string,
  folder: FileIdentity,
  settings: HolderLockOptions,
  pauseAfter: () => Promise<void>,
): Promise<HolderLock | Exclude<Stand, 'taken'>> {
  const nonce = randomNonce();
  const server = createServer();
  const candidate = new Candidate(path, nonce, server);
  const holder = new HolderServer(server, settings.clock, settings.requestMsMax);
  let stand: Stand | undefined;
  try {
    stand = await candidate.stand(() => isGuarded(path, folder));
    if (stand === 'taken') {
      writeLock(path, folder, nonce, settings.clock);
      return new FolderLock(path, nonce, holder, candidate);
    }
    if (stand === 'forbidden') await pauseAfter();
  } catch (error) {
    candidate.withdraw();
    throw error;
  }
  candidate.withdraw();
  return stand;
}

class FolderLock implements HolderLock {
  readonly nonce: bigint;
  readonly #path: string;
  readonly #holder: HolderServer;
  readonly #candidate: Pick<Candidate, 'ownsFolder' | 'withdraw'>;
  #released: Promise<void> | undefined;

  constructor(
    path: string,
    nonce: bigint,
    holder: HolderServer,
    candidate: Pick<Candidate, 'ownsFolder' | 'withdraw'>,
  ) {
    this.nonce = nonce;
    this.#path = path;
    this.#holder = holder;
    this.#candidate = candidate;
    holder.unref();
  }

  serve(handler: HolderHandler): void {
    this.#holder.serve(handler);
  }

  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  /** `.lock` goes first: one without a socket beside it means that the socket was taken away. */
  async #release(): Promise<void> {
    await this.#holder.stop();
    try {
      if (this.#candidate.ownsFolder()) files.unlink(join(this.#path, LOCK_NAME));
    } catch (error) {
      throw folderError(error, this.#path);
    } finally {
      this.#candidate.withdraw();
    }
  }
}

async function acquirePipe(
  path: string,
  folder: FileIdentity,
  settings: HolderLockOptions,
): Promise<HolderLock> {
  const nonce = randomNonce();
  const server = createServer();
  const holder = new HolderServer(server, settings.clock, settings.requestMsMax);
  const name = kernelNameOf(folder) ?? path;
  if ((await listenAt(server, name)) === 'taken') throw lockedError(path, folder);
  server.on('error', () => {});
  const candidate = { ownsFolder: () => true, withdraw: () => void server.close() };
  try {
    writeLock(path, folder, nonce, settings.clock);
  } catch (error) {
    server.close();
    throw error;
  }
  return new FolderLock(path, nonce, holder, candidate);
}

/** Only the holder calls this, so what it finds of other hands is left over from the dead. */
function writeLock(path: string, folder: FileIdentity, nonce: bigint, clock: Clock): void {
  for (const name of files.names(path)) {
    if (temporaryPattern.test(name)) files.unlink(join(path, name));
  }
  const temporary = join(path, `${LOCK_NAME}.${formatNonce(nonce)}`);
  const { device, inode } = folder;
  const sinceMs = clock.nowMs();
  const lock = { ...hostFacts(), pid: process.pid, nonce, sinceMs, device, inode };
  try {
    files.createExclusive(temporary, formatLockFile(lock));
    files.rename(temporary, join(path, LOCK_NAME));
  } catch (error) {
    files.unlink(temporary);
    throw error;
  }
}

/** Whether the folder is held although its socket is gone: somebody removed a live one. */
function isGuarded(path: string, folder: FileIdentity): boolean {
  const lock = readLockFile(join(path, LOCK_NAME));
  return lock !== undefined && writerState(lock, folder, hostFacts()) === 'alive';
}

function lockedError(path: string, folder: FileIdentity): MillraceError {
  const lock = readLockFile(join(path, LOCK_NAME));
  // A file of a dead process is the predecessor's: the holder has not written its own yet.
  if (lock === undefined || writerState(lock, folder, hostFacts()) === 'dead') {
    return createError('LOG_LOCKED', { path });
  }
  return createError('LOG_LOCKED', {
    path,
    pid: lock.pid,
    since: new Date(lock.sinceMs).toISOString(),
    host: lock.hostName,
    nonce: formatNonce(lock.nonce),
  });
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((wake) => void clock.schedule(delayMs, wake));
}
