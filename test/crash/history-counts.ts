/**
 * What a campaign of histories counts: so that it can be seen what it covered.
 */

import { parseFileName } from '../../src/storage/segment-files.js';
import { LOG_DIRECTORY } from '../support/log-workload-session.js';
import type { SimDisk } from '../support/sim-file-system.js';
import type { CleanerCounts } from './history-cleaner.js';
import type { OracleCounts } from './history-oracle.js';
import type { HistoryOperationKind } from './history-plan.js';

/** Where in a swap a crash came, by the names that it left. */
export type CrashPhase =
  | 'no cleaning'
  | 'cleaned files'
  | 'before the commit'
  | 'committed'
  | 'old ones retired'
  | 'old files left';

export interface HistoryCounts extends CleanerCounts, OracleCounts {
  histories: number;
  foreign: number;
  operations: Record<HistoryOperationKind, number>;
  records: number;
  compactions: number;
  powerCuts: number;
  kills: number;
  /** Crashes within the recovery from another one, and within the recovery from those. */
  nested: number;
  nestedTwice: number;
  phases: Record<CrashPhase, number>;
  /** Recoveries that found a swap, by what had to become of it. */
  finished: number;
  undone: number;
  readersEnded: number;
}

/** How far a swap is in the folder on this disk. */
export function phaseOf(disk: SimDisk): CrashPhase {
  const paths = disk.list().filter((path) => path.startsWith(LOG_DIRECTORY));
  const parsed = paths.map((path) => parseFileName(path.slice(LOG_DIRECTORY.length + 1)));
  const isThere = (kind: string): boolean => parsed.some((name) => name.kind === kind);
  for (const name of parsed) {
    if (name.kind !== 'swap' || name.suffix !== 'log') continue;
    const hasOld = parsed.some(
      (other) =>
        other.kind === 'segment' && other.suffix === 'log' && other.baseOffset === name.baseOffset,
    );
    return hasOld ? 'committed' : 'old ones retired';
  }
  if (isThere('swap')) return 'before the commit';
  if (isThere('cleaned')) return 'cleaned files';
  return isThere('deleted') ? 'old files left' : 'no cleaning';
}

export function newCounts(): HistoryCounts {
  return {
    histories: 0,
    foreign: 0,
    operations: {
      append: 0,
      compact: 0,
      advance: 0,
      turns: 0,
      delete: 0,
      retain: 0,
      alter: 0,
      check: 0,
      'begin-reader': 0,
      'step-reader': 0,
      'end-reader': 0,
      reopen: 0,
      arm: 0,
    },
    records: 0,
    compactions: 0,
    passes: 0,
    fullMaps: 0,
    groups: 0,
    unchanged: 0,
    swaps: 0,
    swapsOfMany: 0,
    powerCuts: 0,
    kills: 0,
    nested: 0,
    nestedTwice: 0,
    phases: {
      'no cleaning': 0,
      'cleaned files': 0,
      'before the commit': 0,
      committed: 0,
      'old ones retired': 0,
      'old files left': 0,
    },
    finished: 0,
    undone: 0,
    superseded: 0,
    tombstonesDropped: 0,
    markersDropped: 0,
    keylessDropped: 0,
    abortedDropped: 0,
    readersEnded: 0,
  };
}
