/**
 * Statistics on the holder's socket, in pages: a log has more segments than a frame has room.
 *
 * What comes in is checked field by field, like everything else on that socket. Each page repeats
 * what is said about the whole log; the last one counts.
 */

import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import { cleanerTaskKinds } from './cleaner-task.js';
import type { CleaningState } from './cleaning-schedule.js';
import { countOf, fieldOf, textOf } from './holder-fields.js';
import type { HolderReply, HolderRequest, HolderValue } from './holder-protocol.js';
import type { CleanerPoolStats, RunningCleanerTask } from './log-cleaner.js';
import type { CleaningFailureStats, LogStats, SegmentStats } from './log-stats.js';

/** Segments on one page: about twenty values and 300 bytes each. */
export const STATS_PAGE_SEGMENTS = 4_096;

/** The page that begins with the first segment at or beyond `fromOffset`. */
export function statsPage(stats: LogStats, fromOffset: number): Record<string, HolderValue> {
  const from = stats.segments.findIndex(({ baseOffset }) => baseOffset >= fromOffset);
  const left = from === -1 ? [] : stats.segments.slice(from);
  const { lastFailure, pool, segments: _all, ...log } = stats;
  return {
    ...log,
    lastFailure: lastFailure === null ? null : { ...lastFailure },
    pool: pool === null ? null : { ...pool, running: pool.running.map((task) => ({ ...task })) },
    segments: left.slice(0, STATS_PAGE_SEGMENTS).map((segment) => ({ ...segment })),
    nextOffset: left[STATS_PAGE_SEGMENTS]?.baseOffset ?? null,
  };
}

/**
 * Asks for all pages. Rejects with the error of the holder, and with HOLDER_FAILED when a page
 * cannot be read.
 */
export async function requestStats(
  request: (request: HolderRequest) => Promise<HolderReply>,
): Promise<LogStats> {
  const segments: SegmentStats[] = [];
  let fromOffset = 0;
  for (;;) {
    const reply = await request({ kind: 'stats', fromOffset });
    if (!reply.ok) throw createError(reply.code, { ...reply.facts, message: reply.message });
    const page = readPage(reply.values);
    segments.push(...page.segments);
    const next = countOf(reply.values, 'nextOffset');
    if (next === undefined) return { ...page, segments };
    // Pages go up, so that a holder cannot keep this going for ever.
    if (next <= fromOffset || page.segments.length === 0) throw unreadable('nextOffset');
    fromOffset = next;
  }
}

function readPage(values: object): LogStats {
  const segments = fieldOf(values, 'segments');
  if (!Array.isArray(segments) || segments.length > STATS_PAGE_SEGMENTS) {
    throw unreadable('segments');
  }
  return {
    directory: text(values, 'directory'),
    logId: text(values, 'logId'),
    cleanup: text(values, 'cleanup'),
    startOffset: offset(values, 'startOffset'),
    endOffset: offset(values, 'endOffset'),
    bytes: count(values, 'bytes'),
    segmentCount: count(values, 'segmentCount'),
    firstDirtyOffset: offset(values, 'firstDirtyOffset'),
    dirtyRatio: ratio(values, 'dirtyRatio'),
    isEligible: flag(values, 'isEligible'),
    why: text(values, 'why'),
    cleaning: orNull(values, 'cleaning', readState),
    lastFailure: orNull(values, 'lastFailure', readFailure),
    pool: orNull(values, 'pool', readPool),
    segments: segments.map(readSegment),
  };
}

function readSegment(value: unknown): SegmentStats {
  const state = oneOf(value, 'state', ['clean', 'dirty', 'active'] as const);
  return {
    baseOffset: offset(value, 'baseOffset'),
    endOffset: offset(value, 'endOffset'),
    bytes: count(value, 'bytes'),
    records: orNull(value, 'records', () => count(value, 'records')),
    maxTimestamp: orNull(value, 'maxTimestamp', () => count(value, 'maxTimestamp')),
    state,
    isEligible: flag(value, 'isEligible'),
    why: text(value, 'why'),
    retention: text(value, 'retention'),
  };
}

function readState(_field: unknown, values: unknown): CleaningState {
  return oneOf(values, 'cleaning', ['idle', 'waiting', 'running', 'stopped'] as const);
}

function readFailure(field: unknown): CleaningFailureStats {
  return {
    message: text(field, 'message'),
    atMs: count(field, 'atMs'),
    count: count(field, 'count'),
    delayMs: count(field, 'delayMs'),
  };
}

function readPool(field: unknown): CleanerPoolStats {
  const running = fieldOf(field, 'running');
  if (!Array.isArray(running)) throw unreadable('running');
  return {
    threads: count(field, 'threads'),
    threadsMax: count(field, 'threadsMax'),
    queued: count(field, 'queued'),
    running: running.map(readTask),
    completed: count(field, 'completed'),
    failed: count(field, 'failed'),
    cancelled: count(field, 'cancelled'),
    restarts: count(field, 'restarts'),
  };
}

function readTask(value: unknown): RunningCleanerTask {
  return {
    kind: oneOf(value, 'kind', cleanerTaskKinds),
    directory: text(value, 'directory'),
    bytes: count(value, 'bytes'),
    sinceMs: count(value, 'sinceMs'),
  };
}

function orNull<T>(
  values: unknown,
  name: string,
  read: (field: unknown, values: unknown) => T,
): T | null {
  const field = fieldOf(values, name);
  return field === null ? null : read(field, values);
}

function oneOf<T extends string>(values: unknown, name: string, known: readonly T[]): T {
  const found = textOf(values, name);
  const value = known.find((each) => each === found);
  if (value === undefined) throw unreadable(name);
  return value;
}

function text(values: unknown, name: string): string {
  const value = textOf(values, name);
  if (value === undefined) throw unreadable(name);
  return value;
}

function count(values: unknown, name: string): number {
  const value = countOf(values, name);
  if (value === undefined) throw unreadable(name);
  return value;
}

function offset(values: unknown, name: string): number {
  const value = count(values, name);
  if (value > limits.offsetMax) throw unreadable(name);
  return value;
}

function ratio(values: unknown, name: string): number {
  const value = fieldOf(values, name);
  if (typeof value === 'number' && value >= 0 && value <= 1) return value;
  throw unreadable(name);
}

function flag(values: unknown, name: string): boolean {
  const value = fieldOf(values, name);
  if (typeof value !== 'boolean') throw unreadable(name);
  return value;
}

function unreadable(field: string): Error {
  return createError('HOLDER_FAILED', { message: 'the statistics cannot be read', field });
}
