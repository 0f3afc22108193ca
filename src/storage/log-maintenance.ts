/**
 * What an open log does for its disk: deletion, retention, compaction, and the cleaner and the
 * reserve that they use.
 *
 * One object, so that the log itself knows only when something happened and when to stop.
 */

import { createError } from '../base/errors.js';
import type { Mutex } from '../base/mutex.js';
import { CleaningLoop, type PassReport } from './cleaning-loop.js';
import type { LogCleaner } from './log-cleaner.js';
import { LogCompaction } from './log-compaction.js';
import { isCompacting } from './log-config.js';
import type { WritableLogCore } from './log-core.js';
import { LogDeletions } from './log-deletion.js';
import { withOurErrors } from './log-folder.js';
import { LogReserve } from './log-reserve.js';
import { LogRetention, type RetentionReport } from './log-retention.js';
import type { LogSource } from './log-source.js';
import { buildStats, type LogStats } from './log-stats.js';
import type { LogWriting } from './log-writing.js';
import type { MarkKeeper } from './mark-keeper.js';

export interface MaintenanceParts {
  readonly core: WritableLogCore;
  readonly source: LogSource;
  readonly writing: LogWriting;
  readonly marks: MarkKeeper;
  readonly cleaner: LogCleaner;
  /** Held by whoever edits the list of segments. */
  readonly mutex: Mutex;
}

export class LogMaintenance {
  readonly deletions: LogDeletions;
  readonly #parts: MaintenanceParts;
  readonly #retention: LogRetention;
  readonly #compaction: LogCompaction;
  readonly #reserve: LogReserve;
  /** Made when the log is first one that is compacted. */
  #loop: CleaningLoop | undefined;
  #isStopped = false;

  constructor(parts: MaintenanceParts) {
    const { core, source, writing, marks, cleaner, mutex } = parts;
    this.#parts = parts;
    this.deletions = new LogDeletions(source, { opened: { core }, marks, writing }, mutex);
    this.#reserve = new LogReserve(parts);
    this.#retention = new LogRetention({
      core,
      writing,
      deletions: this.deletions,
      reserve: this.#reserve,
      readFacts: (task, signal) => cleaner.run(task, { signal }),
    });
    this.#compaction = new LogCompaction({ ...parts, reserve: this.#reserve });
  }

  /** Begins to clean by itself, as the options say; recovery may have taken the reserve. */
  start(hasSpentReserve: boolean): void {
    this.#retention.start();
    this.#loopIfCompacting();
    this.#reserve.start(hasSpentReserve);
  }

  rolled(): void {
    this.#retention.wake('roll');
    this.#loop?.changed();
  }

  altered(): void {
    this.#retention.wake('alter');
    this.#loopIfCompacting()?.changed();
    void this.#reserve.altered();
  }

  diskFull(): void {
    this.#retention.wake('disk-full');
    this.#loop?.changed();
  }

  retain(): Promise<RetentionReport> {
    return this.#answer(this.#retention.ask());
  }

  report(group: string, offset: number | undefined): void {
    this.#retention.report(group, offset);
  }

  /** Rejects with OPTION_INVALID when the log is not one that is compacted. */
  async compact(): Promise<PassReport> {
    const loop = this.#loopIfCompacting();
    if (loop !== undefined) return await this.#answer(loop.ask());
    const { directory, config } = this.#parts.core;
    throw createError('OPTION_INVALID', {
      option: 'cleanup',
      expected: "'compact' or 'compact,delete'",
      actual: config.cleanup,
      where: directory,
    });
  }

  async stats(): Promise<LogStats> {
    const { core, cleaner } = this.#parts;
    const { facts } = await this.#answer(this.#compaction.look({ hold: 'keep-alive' }));
    return buildStats(core, {
      compaction: facts,
      retention: await this.#answer(this.#retention.explain()),
      cleaning: this.#loop?.stats(),
      pool: cleaner.stats(),
    });
  }

  /** Ends what runs, for good. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([this.#retention.stop(), this.#loop?.close(), this.#reserve.stop()]);
  }

  /** The last step: nothing runs any more. */
  async release(): Promise<void> {
    await this.#parts.cleaner.release();
  }

  /** A cleaner fails with the errors of its file system; callers are given ours. */
  #answer<Value>(running: Promise<Value>): Promise<Value> {
    return withOurErrors(running, this.#parts.core.directory);
  }

  #loopIfCompacting(): CleaningLoop | undefined {
    const { core } = this.#parts;
    if (this.#loop === undefined && !this.#isStopped && isCompacting(core.config)) {
      this.#loop = new CleaningLoop(core.directory, core.clock, this.#compaction.pass);
    }
    return isCompacting(core.config) ? this.#loop : undefined;
  }
}
