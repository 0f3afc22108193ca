/**
 * The cleaner as one log has it, and what it tells about the pool behind it.
 */

import type { Cleaner, cleanerTaskKinds } from './cleaner-task.js';

/** A cleaner that one log uses; others may share the threads behind it. */
export interface LogCleaner extends Cleaner {
  stats(): CleanerPoolStats;
  /** Memory for the keys of a pass, of `bytes` or more within `bytesMax`, with any content. */
  takeMemory(bytes: number, bytesMax: number): SharedArrayBuffer;
  /** Gives it back once all tasks that had it have answered; memory of others is just forgotten. */
  giveMemory(memory: SharedArrayBuffer): void;
  /**
   * Ends what this log still runs, and resolves when no thread works for it any more; with the last
   * log that uses them the threads end too. Called once; nothing is run after it.
   */
  release(): Promise<void>;
}

export interface RunningCleanerTask {
  readonly kind: (typeof cleanerTaskKinds)[number];
  readonly directory: string;
  /** Read and written so far. */
  readonly bytes: number;
  /** When it was given to a thread: wall clock, milliseconds since 1970. */
  readonly sinceMs: number;
}

/** Counts are of the whole pool, since its first task. */
export interface CleanerPoolStats {
  /** Threads that live now, also one that is just starting or ending; and how many there may be. */
  readonly threads: number;
  readonly threadsMax: number;
  /** Tasks that wait for a thread. */
  readonly queued: number;
  readonly running: readonly RunningCleanerTask[];
  readonly completed: number;
  readonly failed: number;
  readonly cancelled: number;
  /** Threads that died under a task, or were ended because it hung. */
  readonly restarts: number;
}
