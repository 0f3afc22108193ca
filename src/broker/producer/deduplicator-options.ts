/**
 * The options of a deduplicator, as a table.
 */

import { type GivenOptions, optionTable, type ResolvedOptions } from '../../base/options.js';

const DAY_MS = 24 * 60 * 60 * 1000;

export const deduplicatorOptionTable = optionTable({
  promise: {
    values: ['at-least-once', 'at-most-once'],
    default: 'at-least-once',
    doc: 'Whether a crash between handler and note makes the handler run again, or never again.',
  },
  windowMs: {
    unit: 'ms',
    default: DAY_MS,
    min: 1_000,
    max: 366 * DAY_MS,
    doc: 'For how long an id that was processed is known.',
  },
  idsMax: {
    unit: 'ids',
    default: 1_000_000,
    min: 1,
    max: 10_000_000,
    doc: 'How many ids that window holds, about 160 B each; beyond, the oldest are forgotten.',
  },
});

export type DeduplicatorOptions = GivenOptions<typeof deduplicatorOptionTable>;
export type DeduplicatorConfig = ResolvedOptions<typeof deduplicatorOptionTable>;
