/**
 * The logs of a broker's own state that are open: each is opened once, and closed with the broker.
 */

import { createError } from '../base/errors.js';
import type { Log, LogsFolder } from '../storage/main.js';
import { embedPartitionLog } from './partition-log.js';
import { PartitionStateLog, stateLogOptions } from './partition-state-log.js';
import type { StateLog } from './state-log.js';

export class OpenStates {
  readonly #folder: LogsFolder;
  readonly #logs = new Map<string, Promise<Log>>();
  #isClosed = false;

  constructor(folder: LogsFolder) {
    this.#folder = folder;
  }

  /** The state in this folder, which is made when it is absent. */
  async open(name: string): Promise<StateLog> {
    if (this.#isClosed) throw createError('BROKER_CLOSED', { path: this.#folder.directory });
    const known = this.#logs.get(name);
    const opening = known ?? this.#folder.openLog(name, stateLogOptions);
    if (known === undefined) {
      this.#logs.set(name, opening);
      opening.catch(() => this.#logs.delete(name));
    }
    return new PartitionStateLog(embedPartitionLog(await opening), name);
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
