/**
 * What random histories of a compacted log are made of: operations, options and records, drawn from
 * a seed. Few keys, so that records are superseded soon; small segments, so that they are sealed.
 */

import type { Prng } from '../../src/base/prng.js';
import { type CodecName, codecNamed } from '../../src/storage/compression.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import type { RecordInput } from '../../src/storage/record.js';

export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** How the log that is opened by one process differs from that of the next one. */
export interface LifePlan {
  readonly compression: CodecName;
  readonly flushMs: number;
  readonly reserveBytes: 0 | 'auto';
  /** The writer, and the cleaner, answer after so many microtasks. */
  readonly writerLateness: number;
  readonly cleanerLateness: number;
  /** Memory for keys: small ones are full after a few. */
  readonly mapBytes: number;
}

export type HistoryOperation =
  | { readonly kind: 'append'; readonly counts: readonly number[]; readonly wait: boolean }
  /** Perhaps once more, later; perhaps the disk stops at that call from now, 0 for never. */
  | {
      readonly kind: 'compact';
      readonly wait: boolean;
      readonly laterMs: number;
      readonly dyingCalls: number;
    }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'turns'; readonly count: number }
  | { readonly kind: 'delete'; readonly share: number; readonly wait: boolean }
  | { readonly kind: 'retain'; readonly wait: boolean }
  | { readonly kind: 'alter' }
  | { readonly kind: 'check' }
  | { readonly kind: 'begin-reader'; readonly share: number; readonly isCommitted: boolean }
  | { readonly kind: 'step-reader'; readonly batches: number }
  | { readonly kind: 'end-reader' }
  | { readonly kind: 'reopen' }
  /** The power goes, or the process dies, before the call of that number from now. */
  | { readonly kind: 'arm'; readonly calls: number };

export type HistoryOperationKind = HistoryOperation['kind'];

/** How often each kind is drawn. */
const weights: Readonly<Record<HistoryOperationKind, number>> = {
  append: 44,
  compact: 14,
  advance: 8,
  turns: 4,
  delete: 3,
  retain: 2,
  alter: 5,
  check: 3,
  'begin-reader': 3,
  'step-reader': 4,
  'end-reader': 2,
  reopen: 3,
  arm: 4,
};
const kinds = Object.entries(weights).flatMap(([kind, weight]) =>
  Array.from({ length: weight }, () => kind as HistoryOperationKind),
);

export function drawOperation(prng: Prng): HistoryOperation {
  const kind = prng.pick(kinds);
  const wait = prng.boolean(0.7);
  switch (kind) {
    case 'append': {
      const appends = prng.boolean(0.7) ? 1 : 1 + prng.integer(4);
      const counts = Array.from({ length: appends }, () => 1 + prng.integer(prng.pick([1, 4, 12])));
      return { kind, counts, wait };
    }
    case 'compact': {
      const laterMs = prng.boolean(0.25)
        ? prng.pick([2 * SECOND_MS, 2 * MINUTE_MS, 2 * DAY_MS])
        : 0;
      const dyingCalls = prng.boolean(0.4) ? 1 + prng.integer(prng.pick([30, 60, 120, 200])) : 0;
      return { kind, wait, laterMs, dyingCalls };
    }
    case 'advance': {
      const ms = prng.pick([1, 60, SECOND_MS, 16 * SECOND_MS, 2 * MINUTE_MS, HOUR_MS, 2 * DAY_MS]);
      return { kind, ms };
    }
    case 'turns':
      return { kind, count: 1 + prng.integer(40) };
    case 'delete':
      return { kind, share: prng.pick([0.1, 0.3, 0.6, 1]), wait };
    case 'retain':
      return { kind, wait };
    case 'begin-reader':
      return { kind, share: prng.pick([0, 0, 0.3, 0.7]), isCommitted: prng.boolean(0.7) };
    case 'step-reader':
      return { kind, batches: 1 + prng.integer(4) };
    case 'arm':
      return { kind, calls: 1 + prng.integer(prng.pick([4, 30, 80, 200])) };
    default:
      return { kind };
  }
}

export function drawLife(prng: Prng): LifePlan {
  const codecs: readonly CodecName[] = ['none', 'none', 'none', 'none', 'gzip', 'lz4', 'snappy'];
  const compression = prng.pick(codecs);
  return {
    compression: codecNamed(compression).isAvailable() ? compression : 'none',
    flushMs: prng.pick([1, 20, SECOND_MS]),
    reserveBytes: prng.pick([0, 0, 0, 'auto'] as const),
    writerLateness: prng.pick([0, 0, 1, 3]),
    cleanerLateness: prng.pick([0, 0, 1, 7, 30]),
    // The table and its head, and then from two keys on.
    mapBytes: 560 + prng.pick([48, 80, 120, 240, 2048]),
  };
}

/** The options that a log remembers, all of them, so that they can replace each other. */
export function drawPolicy(prng: Prng): LogOptions {
  const cleanup = prng.pick(['compact', 'compact', 'compact', 'compact,delete', 'delete'] as const);
  const isCompacting = cleanup !== 'delete';
  const isDeleting = cleanup !== 'compact';
  const minLagMs = isCompacting ? prng.pick([0, 0, 0, 0, SECOND_MS, HOUR_MS]) : 0;
  const limit = <Value>(...values: readonly Value[]): Value | 'unlimited' =>
    isDeleting && prng.boolean(0.4) ? prng.pick(values) : 'unlimited';
  return {
    cleanup,
    segmentBytes: prng.pick([4096, 4096, 4096, 8192]),
    minCleanableDirtyRatio: isCompacting ? prng.pick([0, 0.1, 0.5, 0.9]) : 0.5,
    minCompactionLagMs: minLagMs,
    maxCompactionLagMs: isCompacting
      ? prng.pick(['unlimited', 'unlimited', HOUR_MS, DAY_MS] as const)
      : 'unlimited',
    tombstoneRetentionMs: isCompacting
      ? prng.pick([0, SECOND_MS, SECOND_MS, MINUTE_MS, DAY_MS])
      : DAY_MS,
    retentionMs: limit(MINUTE_MS, DAY_MS),
    retentionBytes: limit(6000, 20_000),
    retentionRecords: limit(10, 40),
  };
}

export const keys = ['a', 'b', 'c', 'd', 'e', 'key-with-more-bytes'] as const;

/** The record that has this number: its value, or a header, says so. */
export function drawRecord(
  prng: Prng,
  id: number,
  nowMs: number,
  mayBeKeyless: boolean,
): RecordInput {
  const key = mayBeKeyless && prng.boolean(0.2) ? null : prng.pick(keys);
  const isTombstone = prng.boolean(key === null ? 0 : 0.2);
  const name = `${id}.`;
  const bytes = prng.pick([0, 5, 40, 200, 200, 700]);
  const hasHeader = isTombstone || bytes < name.length || prng.boolean(0.1);
  return {
    key,
    value: isTombstone ? null : name.repeat(1 + bytes / name.length).slice(0, bytes),
    headers: hasHeader ? [{ key: 'id', value: name }] : [],
    // Mostly rising, as producers do; sometimes not.
    timestamp: nowMs - (prng.boolean(0.1) ? prng.integer(HOUR_MS) : 0),
  };
}
