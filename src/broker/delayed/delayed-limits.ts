/**
 * The bounds of the delayed messages of one queue.
 */

import { PAGE_ENTRIES } from './delayed-page.js';

const MIB = 1024 * 1024;

export const delayedLimits = Object.freeze({
  /** Entries of the newest messages in memory, 24 B each; twice while they are written. */
  memoryEntries: 65_536,
  /** Messages behind the last run, in bytes: what an open reads at most, but for a few. */
  uncoveredBytes: 16 * MIB,
  /** What is kept of messages that are done with, in bytes, before those that wait are moved. */
  renewedBytes: 32 * MIB,
  /** Facts behind the last snapshot, in bytes. */
  factBytes: 4 * MIB,
  /** Entries of a page, at most 4,096; one page of each run is in memory. */
  pageEntries: PAGE_ENTRIES,
  /** Runs of one level that are merged into one of the next. */
  mergedRuns: 16,
  /** Pages that are given back at once, and bytes of messages; and pages that are kept anyway. */
  trimmedPages: 64,
  trimmedBytes: 4 * MIB,
  keptPages: 256,
  /** What one transaction lets enter: messages, and about how many bytes. */
  enteringMax: 1_000,
  enteringBytesMax: 4 * MIB,
  /** Calls that wait for room, or for their turn. */
  waitingMax: 65_536,
});

export type DelayedLimits = { readonly [Name in keyof typeof delayedLimits]: number };
