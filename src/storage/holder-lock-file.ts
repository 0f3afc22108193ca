/**
 * The `.lock` file: who holds the folder, as JSON text.
 *
 * It informs: the holder's listening socket decides. It is written by the one holder after it won,
 * removed before it lets go, and never synced, so it may be absent, old or torn; whoever reads it
 * takes anything else than a whole, valid file for no file. In one case it decides: when the socket
 * was removed from the folder, a `.lock` that proves its writer alive still keeps others out.
 *
 * `device` and `inode` are those of the folder: a copy of a live folder is not locked.
 */

import { errnoOf } from '../base/errors.js';
import { type HostFacts, processState } from '../base/host.js';
import { type FileIdentity, nodeLockFileSystem } from '../base/node-file-system.js';
import { countOf, fieldOf, textOf } from './holder-fields.js';

export interface LockFile {
  readonly pid: number;
  readonly nonce: bigint;
  readonly bootId: string | undefined;
  readonly pidNamespace: string | undefined;
  readonly processStart: number | undefined;
  readonly hostName: string;
  /** When the lock was taken, by the wall clock of the holder. */
  readonly sinceMs: number;
  readonly device: bigint;
  readonly inode: bigint;
}

const LOCK_FILE_VERSION = 1;
const LOCK_FILE_BYTES_MAX = 4_096;
/** The last moment that a Date can hold, in milliseconds. */
const DATE_MS_MAX = 8.64e15;

export function formatLockFile(lock: LockFile): string {
  const fields = {
    version: LOCK_FILE_VERSION,
    pid: lock.pid,
    nonce: formatNonce(lock.nonce),
    bootId: lock.bootId,
    pidNamespace: lock.pidNamespace,
    processStart: lock.processStart,
    hostName: lock.hostName,
    sinceMs: lock.sinceMs,
    device: String(lock.device),
    inode: String(lock.inode),
  };
  return `${JSON.stringify(fields, undefined, 2)}\n`;
}

/** Sixteen hexadecimal digits, for a nonce as signed as it is in the watermark. */
export function formatNonce(nonce: bigint): string {
  return BigInt.asUintN(64, nonce).toString(16).padStart(16, '0');
}

export function readLockFile(path: string): LockFile | undefined {
  try {
    const text = nodeLockFileSystem.readText(path, LOCK_FILE_BYTES_MAX);
    return text === undefined ? undefined : parseLockFile(text);
  } catch (error) {
    // A system error (too long, a directory, not ours to read) leaves the holder unnamed.
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}

export function parseLockFile(text: string): LockFile | undefined {
  const fields = parseJson(text);
  const pid = countOf(fields, 'pid');
  const sinceMs = countOf(fields, 'sinceMs');
  const hostName = textOf(fields, 'hostName');
  const nonce = textOf(fields, 'nonce');
  const device = textOf(fields, 'device');
  const inode = textOf(fields, 'inode');
  if (fieldOf(fields, 'version') !== LOCK_FILE_VERSION) return undefined;
  if (pid === undefined || sinceMs === undefined || hostName === undefined) return undefined;
  if (sinceMs > DATE_MS_MAX) return undefined;
  if (nonce === undefined || !/^[0-9a-f]{16}$/.test(nonce)) return undefined;
  if (device === undefined || !/^\d{1,20}$/.test(device)) return undefined;
  if (inode === undefined || !/^\d{1,20}$/.test(inode)) return undefined;
  return {
    pid,
    nonce: BigInt.asIntN(64, BigInt(`0x${nonce}`)),
    bootId: textOf(fields, 'bootId'),
    pidNamespace: textOf(fields, 'pidNamespace'),
    processStart: countOf(fields, 'processStart'),
    hostName,
    sinceMs,
    device: BigInt(device),
    inode: BigInt(inode),
  };
}

/**
 * What `.lock` proves about its writer, seen from here. Another folder, boot or pid namespace, or a
 * fact that is missing on either side, proves nothing.
 */
export function writerState(
  lock: LockFile,
  folder: FileIdentity,
  host: HostFacts,
): 'alive' | 'dead' | 'unknown' {
  if (lock.device !== folder.device || lock.inode !== folder.inode) return 'unknown';
  if (lock.bootId === undefined || host.bootId === undefined) return 'unknown';
  if (lock.bootId !== host.bootId) return 'dead';
  if (lock.pidNamespace === undefined || lock.pidNamespace !== host.pidNamespace) return 'unknown';
  if (lock.processStart === undefined) return 'unknown';
  return processState(lock.pid, lock.processStart);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
