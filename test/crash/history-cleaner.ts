/**
 * The cleaner of a history: the one that works inline, answering late, with little memory for keys,
 * and telling what it was given. The product's options do not go down to such small memories, and
 * with the memory that they ask for no map of a short history would ever be full.
 */

import { assert } from '../../src/base/assert.js';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import {
  type CleanerResult,
  type CleanerRunOptions,
  type CleanerTask,
  type GroupTask,
  isResultOf,
  type ResultOf,
} from '../../src/storage/cleaner-task.js';
import type { CleanerPoolStats, LogCleaner } from '../../src/storage/log-cleaner.js';
import type { SimDisk } from '../support/sim-file-system.js';

export interface CleanerCounts {
  passes: number;
  fullMaps: number;
  groups: number;
  unchanged: number;
  swaps: number;
  swapsOfMany: number;
}

export interface HistoryCleanerPlan {
  readonly mapBytes: number;
  readonly lateness: number;
  readonly counts: CleanerCounts;
  /** Told before the cleaner begins with a group. */
  readonly onGroup: (task: GroupTask) => void;
}

export class HistoryCleaner implements LogCleaner {
  readonly #inner: InlineCleaner;
  readonly #plan: HistoryCleanerPlan;
  /** What stands in for the memory of the pass that was mapped last. */
  #given: SharedArrayBuffer | undefined;
  #small: SharedArrayBuffer | undefined;

  constructor(disk: SimDisk, plan: HistoryCleanerPlan) {
    this.#inner = new InlineCleaner(disk.blockingFileSystem);
    this.#plan = plan;
  }

  async run<Task extends CleanerTask>(
    task: Task,
    options: CleanerRunOptions,
  ): Promise<ResultOf<Task>> {
    const result = await this.#run(task, options);
    assert(isResultOf(task, result), 'a task is answered in its kind');
    return result;
  }

  async #run(task: CleanerTask, options: CleanerRunOptions): Promise<CleanerResult> {
    const { counts, lateness, onGroup } = this.#plan;
    for (let turn = 0; turn < lateness; turn += 1) await Promise.resolve();
    switch (task.kind) {
      case 'map': {
        this.#given = task.map;
        this.#small = new SharedArrayBuffer(this.#plan.mapBytes);
        const result = await this.#inner.run({ ...task, map: this.#small }, options);
        counts.passes += 1;
        if (result.mappedEnd < task.upperOffset) counts.fullMaps += 1;
        return result;
      }
      case 'group': {
        onGroup(task);
        const map = task.map === this.#given ? (this.#small ?? task.map) : task.map;
        const result = await this.#inner.run({ ...task, map }, options);
        counts.groups += 1;
        if (result.outcome === 'unchanged') counts.unchanged += 1;
        return result;
      }
      case 'swap': {
        const result = await this.#inner.run(task, options);
        counts.swaps += 1;
        if (task.replaced.length > 1) counts.swapsOfMany += 1;
        return result;
      }
      case 'facts':
        return await this.#inner.run(task, options);
      case 'reserve':
        return await this.#inner.run(task, options);
    }
  }

  stats(): CleanerPoolStats {
    return this.#inner.stats();
  }

  /** New for each pass: what stands in for it is told by it. */
  takeMemory(bytes: number): SharedArrayBuffer {
    return new SharedArrayBuffer(bytes);
  }

  giveMemory(): void {}

  release(): Promise<void> {
    return this.#inner.release();
  }
}
