/**
 * What a log says about itself, in this process and to others.
 */

import type { LogConfig } from './log-config.js';
import type { LogDamage } from './log-damage.js';

export interface LogDescription {
  readonly directory: string;
  readonly logId: string;
  /** First readable offset. */
  readonly startOffset: number;
  /** Exclusive end of what is on the disk, of what is written, and of what was accepted. */
  readonly durableOffset: number;
  readonly writtenOffset: number;
  readonly endOffset: number;
  readonly segments: number;
  /** Of all segments; undefined while the sizes of old ones were not read. */
  readonly bytes: number | undefined;
  /** Of segments that were deleted and that readers still hold on the disk. */
  readonly pinnedBytes: number;
  readonly state: 'open' | 'failing' | 'poisoned' | 'closing' | 'closed' | 'damaged' | 'read-only';
  readonly damage: LogDamage | undefined;
  readonly options: LogConfig;
}

/** The part that a process on the other side of the holder's socket gets. */
export function describeForOthers(description: LogDescription): Record<string, string | number> {
  const {
    directory,
    logId,
    startOffset,
    durableOffset,
    writtenOffset,
    endOffset,
    segments,
    state,
  } = description;
  return {
    directory,
    logId,
    startOffset,
    durableOffset,
    writtenOffset,
    endOffset,
    segments,
    state,
  };
}
