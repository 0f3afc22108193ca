/**
 * A folder that holds logs, each in a folder of its own: held by one process, and logs taken out.
 *
 * Whoever holds the folder decides which logs are in it; each log keeps a lock of its own beside.
 * A removal may be cut short at any call and is then simply carried out again.
 */

import { join } from 'node:path';
import { createError, errnoOf, MillraceError } from '../base/errors.js';
import type { HolderLock } from './holder-lock.js';
import type { HolderHandler } from './holder-server.js';
import { Log } from './log.js';
import type { LogOptions } from './log-config.js';
import type { LogEnvironment } from './log-environment.js';
import { fromSystem } from './log-folder.js';
import { parseFileName, sideFiles } from './segment-files.js';
import type { Writer } from './writer.js';

export class LogsFolder {
  readonly directory: string;
  readonly #environment: LogEnvironment;
  readonly #lock: HolderLock;

  private constructor(directory: string, environment: LogEnvironment, lock: HolderLock) {
    this.directory = directory;
    this.#environment = environment;
    this.#lock = lock;
  }

  /**
   * Takes the folder, making it when it is absent and `mayCreate` says so. Throws LOG_NOT_FOUND,
   * NOT_A_DIRECTORY, PERMISSION_DENIED and LOG_LOCKED, which names the holder. A folder that is
   * made here is durable once the first log in it is.
   */
  static async open(
    directory: string,
    mayCreate: boolean,
    environment: LogEnvironment,
  ): Promise<LogsFolder> {
    try {
      if (mayCreate && (await environment.fileSystem.facts(directory)) === undefined) {
        await makeDirectory(environment, directory);
      }
      const facts = await environment.fileSystem.facts(directory);
      if (facts === undefined) throw createError('LOG_NOT_FOUND', { path: directory });
      if (facts.kind !== 'directory') throw createError('NOT_A_DIRECTORY', { path: directory });
      const lock = await environment.lockManager.acquire(directory);
      return new LogsFolder(directory, environment, lock);
    } catch (error) {
      throw asOurs(error, directory);
    }
  }

  /** What lies in the folder, in no order, without the files of the lock. */
  async names(): Promise<readonly string[]> {
    try {
      const names = await this.#environment.fileSystem.list(this.directory);
      return names.filter((name) => !isLockName(name));
    } catch (error) {
      throw asOurs(error, this.directory);
    }
  }

  /** Carries out the requests of other processes from now on; called once. */
  serve(handler: HolderHandler): void {
    this.#lock.serve(handler);
  }

  /** `Log.open` of a log in this folder; one that is made gets `logId`, where that is given. */
  openLog(name: string, options: LogOptions, logId?: string): Promise<Log> {
    const environment =
      logId === undefined ? this.#environment : { ...this.#environment, newLogId: () => logId };
    return Log.open(join(this.directory, name), options, environment);
  }

  /**
   * Removes logs with all they hold; durable when it resolves, and no error when one is not there.
   * Files that are not a log's stay, with the folder around them. Throws LOG_LOCKED while one of
   * them is open.
   */
  async removeLogs(logs: readonly string[]): Promise<void> {
    const writer = this.#environment.acquireWriter();
    let path = this.directory;
    try {
      const there = new Set(await this.names());
      for (const name of logs) {
        path = join(this.directory, name);
        const isEmpty = there.has(name) && (await this.#empty(writer, path));
        if (isEmpty) await writer.run([{ kind: 'removeDirectory', path }]);
      }
      path = this.directory;
      await writer.run([{ kind: 'syncDirectory', path }]);
    } catch (error) {
      throw asOurs(error, path);
    } finally {
      await writer.release();
    }
  }

  /** Gives the folder back; its logs were closed before. */
  async close(): Promise<void> {
    await this.#lock.release();
  }

  /** Removes the files of the log at `path`; false when others are left. */
  async #empty(writer: Writer, path: string): Promise<boolean> {
    const { fileSystem, lockManager } = this.#environment;
    const lock = await lockManager.acquire(path);
    try {
      const names = (await fileSystem.list(path)).filter((name) => !isLockName(name));
      const ours = names.filter((name) => parseFileName(name).kind !== 'foreign');
      await writer.run(ours.map((name) => ({ kind: 'unlink', path: join(path, name) })));
      return ours.length === names.length;
    } finally {
      await lock.release();
    }
  }
}

/** Files of a lock, also of one that was being taken when its process died. */
function isLockName(name: string): boolean {
  return [sideFiles.lock, sideFiles.socket].some(
    (known) => name === known || name.startsWith(`${known}.`),
  );
}

async function makeDirectory(environment: LogEnvironment, path: string): Promise<void> {
  const writer = environment.acquireWriter();
  try {
    await writer.run([{ kind: 'makeDirectory', path }]);
  } finally {
    await writer.release();
  }
}

function asOurs(error: unknown, path: string): unknown {
  if (error instanceof MillraceError || errnoOf(error) === undefined) return error;
  return fromSystem(error, path);
}
