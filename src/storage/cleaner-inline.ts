/**
 * A cleaner that works in the calling thread, over any blocking file system.
 *
 * The simulation uses it: a task runs as a whole in a later microtask, so a run is deterministic,
 * and a crash of the imaginary disk stops it between two calls like everything else. There is no
 * thread that could die, and no time passes within a task, so there is no rate to keep.
 */

import { assert } from '../base/assert.js';
import type { BlockingFileSystem } from '../base/file-system.js';
import { runCleanerTask } from './cleaner-run.js';
import { SpareMemory } from './cleaner-spare.js';
import {
  CleanerCancelled,
  type CleanerRunOptions,
  type CleanerTask,
  isResultOf,
  type ResultOf,
} from './cleaner-task.js';
import type { CleanerPoolStats, LogCleaner } from './log-cleaner.js';

export class InlineCleaner implements LogCleaner {
  readonly #fileSystem: BlockingFileSystem;
  readonly #spare = new SpareMemory();
  #completed = 0;
  #failed = 0;
  #cancelled = 0;

  constructor(fileSystem: BlockingFileSystem) {
    this.#fileSystem = fileSystem;
  }

  async run<Task extends CleanerTask>(
    task: Task,
    { signal }: CleanerRunOptions,
  ): Promise<ResultOf<Task>> {
    await Promise.resolve();
    try {
      if (signal?.aborted === true) throw new CleanerCancelled();
      const result = runCleanerTask(this.#fileSystem, task, {
        progress: () => {
          if (signal?.aborted === true) throw new CleanerCancelled();
        },
      });
      this.#completed += 1;
      assert(isResultOf(task, result), 'a task is answered in its kind');
      return result;
    } catch (error) {
      if (!(error instanceof CleanerCancelled)) {
        this.#failed += 1;
        throw error;
      }
      this.#cancelled += 1;
      throw signal?.reason;
    }
  }

  stats(): CleanerPoolStats {
    const counts = { completed: this.#completed, failed: this.#failed, cancelled: this.#cancelled };
    return { threads: 0, threadsMax: 0, queued: 0, running: [], restarts: 0, ...counts };
  }

  takeMemory(bytes: number, bytesMax: number): SharedArrayBuffer {
    return this.#spare.take(bytes, bytesMax);
  }

  giveMemory(memory: SharedArrayBuffer): void {
    this.#spare.give(memory);
  }

  async release(): Promise<void> {
    // There is no thread to end: a task that runs has ended when anybody can call this.
  }
}
