/**
 * The options of looking after a queue.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { type GivenOptions, limitOf, optionTable, resolveOptions } from '../../base/options.js';
import { checkFilter, type TriageFilter } from './queue-triage-filter.js';

const YEARS_MS = 100 * 365 * 24 * 60 * 60 * 1_000;

export const pageOptionTable = optionTable({
  max: {
    unit: 'messages',
    default: 10,
    min: 1,
    max: limits.queueBatchMax,
    doc: 'How many messages a page has at most.',
  },
});

const moveOptionTable = optionTable({
  max: {
    unit: 'messages',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'How many messages to move at most.',
  },
});

const rateOptionTable = optionTable({
  count: {
    unit: 'messages',
    default: 100,
    min: 1,
    max: 1_000_000,
    doc: 'How many messages are moved in each span of time.',
  },
  perMs: {
    unit: 'ms',
    default: 1_000,
    min: 1,
    max: 24 * 60 * 60 * 1_000,
    doc: 'The span of time.',
  },
});

const purgeOptionTable = optionTable({
  olderThanMs: {
    unit: 'ms',
    isLimit: true,
    default: 'unlimited',
    min: 0,
    max: YEARS_MS,
    doc: 'Only messages that were given up, or else sent, longer ago; unlimited means all.',
  },
});

export interface PageOptions extends GivenOptions<typeof pageOptionTable> {
  /** The `next` of the page before. */
  readonly after?: string | undefined;
}

export interface TriageRate extends GivenOptions<typeof rateOptionTable> {}

export interface RedriveOptions<Message> extends GivenOptions<typeof moveOptionTable> {
  /** A queue or a topic; where each message came from when absent. */
  readonly to?: string | undefined;
  readonly filter?: TriageFilter<Message> | undefined;
  /** As fast as it goes when absent. */
  readonly rate?: TriageRate | undefined;
  /** Ends it with the signal's reason; what was moved stays so. */
  readonly signal?: AbortSignal | undefined;
}

export interface PurgeOptions<Message> extends GivenOptions<typeof purgeOptionTable> {
  readonly filter?: TriageFilter<Message> | undefined;
}

export interface ReplayOptions extends GivenOptions<typeof moveOptionTable> {
  /** Sent at this time or later, in milliseconds since 1970. */
  readonly fromMs: number;
  /** Before this time; until now when absent. */
  readonly untilMs?: number | undefined;
  /** A queue or a topic; the queue itself when absent. */
  readonly to?: string | undefined;
  /** The `next` of the replay before. */
  readonly after?: string | undefined;
  readonly rate?: TriageRate | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ResolvedMove {
  readonly max: number;
  readonly to: string | undefined;
  readonly rate: { readonly count: number; readonly perMs: number } | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function resolvePage(options: PageOptions, queue: string) {
  const { after, ...given } = options;
  checkText('after', after);
  return { max: resolveOptions(pageOptionTable, given, queue).max, after };
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID, and the reason of a signal that has aborted. */
export function resolveMove(
  { to, rate, signal, ...given }: Omit<RedriveOptions<never>, 'filter'>,
  queue: string,
): ResolvedMove {
  const max = limitOf(resolveOptions(moveOptionTable, given, queue).max);
  checkText('to', to);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
  }
  signal?.throwIfAborted();
  const resolved = rate === undefined ? undefined : resolveOptions(rateOptionTable, rate, queue);
  return { max, to, rate: resolved, signal };
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID. Undefined: everything. */
export function resolvePurge<Message>(
  { filter, ...given }: PurgeOptions<Message>,
  queue: string,
  nowMs: number,
): TriageFilter<Message> | undefined {
  const { olderThanMs } = resolveOptions(purgeOptionTable, given, queue);
  if (filter !== undefined) checkFilter(filter);
  if (olderThanMs === 'unlimited') return filter;
  const beforeMs = Math.min(filter?.beforeMs ?? Number.POSITIVE_INFINITY, nowMs - olderThanMs);
  return { ...filter, beforeMs };
}

/** Throws OPTION_INVALID. */
export function checkWindow(fromMs: unknown, untilMs: unknown): void {
  for (const [option, value] of [
    ['fromMs', fromMs],
    ['untilMs', untilMs],
  ] as const) {
    if (Number.isFinite(value) || (option === 'untilMs' && value === undefined)) continue;
    throw createError('OPTION_INVALID', { option, expected: 'milliseconds since 1970' });
  }
}

function checkText(option: string, value: unknown): void {
  if (value === undefined || typeof value === 'string') return;
  throw createError('OPTION_INVALID', { option, expected: 'a text' });
}
