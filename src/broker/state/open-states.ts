/**
 * The logs of a broker's own state that are open: each is opened once, and closed with the broker.
 */

import { assert } from '../../base/assert.js';
import { createError, hasCode } from '../../base/errors.js';
import type { Log, LogOptions, LogsFolder } from '../../storage/main.js';
import { embedPartitionLog, type PartitionLog } from '../topic/partition-log.js';
import { PartitionStateLog, stateLogOptions } from './partition-state-log.js';
import type { StateLog } from './state-log.js';

export class OpenStates {
  readonly #folder: LogsFolder;
  readonly #logs = new Map<string, Promise<Log>>();
  #isClosed = false;

  constructor(folder: LogsFolder) {
    this.#folder = folder;
  }

  /** The state in this folder, made when it is absent, altered when it has other options. */
  async open(name: string, options: LogOptions = stateLogOptions): Promise<StateLog> {
    return new PartitionStateLog(await this.openLog(name, options), name);
  }

  /** The same as a log, for state that has a form of its own. */
  async openLog(name: string, options: LogOptions): Promise<PartitionLog> {
    if (this.#isClosed) throw createError('BROKER_CLOSED', { path: this.#folder.directory });
    const known = this.#logs.get(name);
    const opening = known ?? this.#openLog(name, options);
    if (known === undefined) {
      this.#logs.set(name, opening);
      opening.catch(() => this.#logs.delete(name));
    }
    return embedPartitionLog(await opening);
  }

  /** The id of a state that is open: 32 hexadecimal digits, the same as long as its folder is. */
  async idOf(name: string): Promise<string> {
    const log = await this.#logs.get(name);
    assert(log !== undefined, 'the state is open');
    return log.describe().logId;
  }

  async #openLog(name: string, options: LogOptions): Promise<Log> {
    try {
      return await this.#folder.openLog(name, options);
    } catch (error) {
      if (!hasCode(error, 'OPTION_CONFLICT')) throw error;
    }
    const log = await this.#folder.openLog(name, {});
    try {
      await log.alter(options);
      return log;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const closing = [...this.#logs.values()].map(async (opening) => {
      const log = await opening.catch(() => undefined);
      await log?.close();
    });
    const results = await Promise.allSettled(closing);
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }
}
