/**
 * A commit: what one sync makes durable, and what is told about it.
 */

import { logDiagnostics } from '../base/diagnostics.js';
import type { LogPosition } from './log-core.js';

export interface Commit {
  /** Exclusive end of what it covers, and where that lies in the files. */
  readonly offset: number;
  readonly at: LogPosition;
  /** Monotonic time of its submission, milliseconds. */
  readonly startedMs: number;
  readonly bytes: number;
  readonly batches: number;
}

/** A commit that takes this long is worth an event of its own. */
const SLOW_FLUSH_MS = 1000;

/** Publishes the events of an answered commit; costs two comparisons when nobody listens. */
export function publishFlush(path: string, commit: Commit, nowMs: () => number): void {
  if (!logDiagnostics.flush.isObserved && !logDiagnostics.slowFlush.isObserved) return;
  const { offset: durableEnd, bytes, batches: batchCount, startedMs } = commit;
  const durationMs = nowMs() - startedMs;
  logDiagnostics.flush.publish({ path, durableEnd, batchCount, bytes, durationMs });
  if (durationMs < SLOW_FLUSH_MS) return;
  logDiagnostics.slowFlush.publish({ path, bytes, durationMs, thresholdMs: SLOW_FLUSH_MS });
}
