/**
 * The outside of a log: file system, writer, clock, lock and boot id, injected as one value.
 *
 * Production uses the system's; the simulation brings a disk that forgets and a clock that is
 * moved.
 */

import { type Clock, systemClock } from '../base/clock.js';
import type { FileSystem } from '../base/file-system.js';
import { hostFacts } from '../base/host.js';
import { nodeFileSystem } from '../base/node-file-system.js';
import { randomUuid } from '../base/prng.js';
import { acquireCleaner } from './cleaner-pool.js';
import { fileLockManager, type LockManager } from './holder-lock.js';
import type { LogCleaner } from './log-cleaner.js';
import { acquireWorkerWriter } from './worker-writer.js';
import type { Writer } from './writer.js';

export interface LogEnvironment {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly lockManager: LockManager;
  /** A writer for one log, which releases it once. */
  readonly acquireWriter: () => Writer;
  /** A cleaner for one log, which releases it once. */
  readonly acquireCleaner: () => LogCleaner;
  /** Names this boot of the machine, as 32 hexadecimal digits; zeros when it is not known. */
  readonly bootId: () => string;
  /** 16 random bytes as 32 hexadecimal digits. */
  readonly newLogId: () => string;
}

const NO_BOOT_ID = '0'.repeat(32);

export const systemEnvironment: LogEnvironment = Object.freeze({
  fileSystem: nodeFileSystem,
  clock: systemClock,
  lockManager: fileLockManager,
  acquireWriter: acquireWorkerWriter,
  acquireCleaner,
  bootId: () => hexOfUuid(hostFacts().bootId),
  newLogId: () => Buffer.from(randomUuid()).toString('hex'),
});

/** The digits of a UUID's text. */
export function hexOfUuid(text: string | undefined): string {
  const digits = text?.replaceAll('-', '').toLowerCase() ?? '';
  return /^[0-9a-f]{32}$/.test(digits) ? digits : NO_BOOT_ID;
}
