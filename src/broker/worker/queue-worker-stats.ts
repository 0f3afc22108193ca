/**
 * What a worker tells of itself: what it has now, and what has become of its messages so far.
 *
 * The counts are of this worker alone, since it began; a queue has statistics of its own.
 */

import type { BreakerState } from '../process/circuit-breaker.js';

export interface QueueWorkerStats {
  readonly state: 'running' | 'stopping' | 'over';
  readonly breakerState: BreakerState;
  /** Handlers that run, those that nobody waits for any more included. */
  readonly running: number;
  /** Messages that were taken, and wait for a handler. */
  readonly waiting: number;
  /** Messages whose end is not stored yet. */
  readonly storing: number;
  /** From here on: since the worker began. */
  readonly begun: number;
  readonly succeeded: number;
  /** Handlers that failed, of which some messages went to the dead letters. */
  readonly failed: number;
  readonly rejected: number;
  /** Handlers whose lease ended while they ran. */
  readonly lost: number;
  /** Messages that came over the rate: put off, and acknowledged without a handler. */
  readonly delayed: number;
  readonly dropped: number;
}

/** The counts, as they are kept. */
export type WorkerCounts = {
  -readonly [Name in
    | 'begun'
    | 'succeeded'
    | 'failed'
    | 'rejected'
    | 'lost'
    | 'delayed'
    | 'dropped']: QueueWorkerStats[Name];
};

export function noCounts(): WorkerCounts {
  return { begun: 0, succeeded: 0, failed: 0, rejected: 0, lost: 0, delayed: 0, dropped: 0 };
}
