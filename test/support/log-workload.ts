/**
 * Workloads of a log: lists of operations, drawn from a seed, as plain values that can be printed,
 * shortened and run again. `log-workload-session.ts` runs them.
 */

import type { Prng } from '../../src/base/prng.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import type { AttemptAcks } from './log-oracle.js';

export interface PlannedAppend {
  /** Value bytes of each record. */
  readonly sizes: readonly number[];
  readonly acks: AttemptAcks;
}

export type LogOperation =
  /** Appends of one tick; `wait`: the next operation comes after their answers. */
  | { readonly kind: 'append'; readonly appends: readonly PlannedAppend[]; readonly wait: boolean }
  | { readonly kind: 'tryAppend'; readonly bytes: number }
  | { readonly kind: 'flush'; readonly wait: boolean }
  /** Deletes this share of the records that are durable. */
  | { readonly kind: 'delete'; readonly share: number; readonly wait: boolean }
  | { readonly kind: 'advance'; readonly ms: number }
  /** Lets so many microtasks run, so that operations meet in the middle of others. */
  | { readonly kind: 'turns'; readonly count: number }
  | { readonly kind: 'read' }
  | { readonly kind: 'alter'; readonly segmentMs: number }
  /** Closes the log and opens it again. */
  | { readonly kind: 'reopen' };

export interface Workload {
  readonly options: LogOptions;
  /** The writer answers at once, or after so many microtasks. */
  readonly lateness: number;
  readonly operations: readonly LogOperation[];
}

export function drawWorkload(prng: Prng, length: number): Workload {
  const operations: LogOperation[] = [];
  for (let count = 0; count < length; count += 1) operations.push(drawOperation(prng));
  return {
    options: {
      segmentBytes: prng.pick([4096, 4096, 8192, 65_536]),
      indexIntervalBytes: prng.pick([0, 512, 4096]),
      flushMs: prng.pick([1, 20, 1000]),
      flushBytes: prng.pick([1, 3000, 65_536]),
      bufferBytes: 65_536,
    },
    lateness: prng.pick([0, 0, 1, 3]),
    operations,
  };
}

function drawOperation(prng: Prng): LogOperation {
  const wait = prng.boolean(0.7);
  const drawn = prng.integer(100);
  if (drawn < 50) {
    const count = prng.boolean(0.7) ? 1 : 2 + prng.integer(4);
    const appends = Array.from({ length: count }, () => drawAppend(prng));
    return { kind: 'append', appends, wait };
  }
  if (drawn < 55) return { kind: 'tryAppend', bytes: drawBytes(prng) };
  if (drawn < 62) return { kind: 'flush', wait };
  if (drawn < 70) return { kind: 'delete', share: prng.pick([0.3, 0.6, 0.9, 1]), wait };
  if (drawn < 80) return { kind: 'advance', ms: prng.pick([1, 49, 50, 120, 1000]) };
  if (drawn < 86) return { kind: 'turns', count: 1 + prng.integer(12) };
  if (drawn < 89) return { kind: 'read' };
  if (drawn < 91) return { kind: 'alter', segmentMs: prng.pick([1, 1000, 604_800_000]) };
  return { kind: 'reopen' };
}

function drawAppend(prng: Prng): PlannedAppend {
  const count = prng.boolean(0.6) ? 1 : 1 + prng.integer(6);
  const sizes = Array.from({ length: count }, () => drawBytes(prng));
  return { sizes, acks: prng.pick(['durable', 'durable', 'durable', 'written', 'none']) };
}

/** From a few bytes to more than a page, so that batches share pages and cross them. */
function drawBytes(prng: Prng): number {
  return prng.pick([10, 10, 60, 300, 900, 2000, 5000]) + prng.integer(40);
}

/** One line for a failure report. */
export function workloadText(workload: Workload): string {
  return JSON.stringify(workload);
}
