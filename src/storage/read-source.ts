/**
 * What a reader needs from the log that it reads: where things lie, how far it may look, and a way
 * to wait. The writable log and the read-only log both provide it.
 */

import type { RecentBytes } from './append-extent.js';
import type { Epochs } from './epochs.js';
import type { IndexCache, SegmentFiles } from './index-cache.js';
import type { LogCore, LogPosition } from './log-core.js';
import type { LogDamage } from './log-damage.js';
import type { Segment } from './segment.js';
import type { SegmentContext } from './segment-loader.js';

/** Which end a reader may read up to: only what is on the disk, or also what is merely written. */
export type Durability = 'durable' | 'written';

/** Whether records of open and aborted transactions are passed over (`committed`) or not. */
export type Isolation = 'committed' | 'uncommitted';

export interface ReadSource {
  readonly core: LogCore;
  readonly files: SegmentFiles;
  readonly indexes: IndexCache;
  readonly segmentContext: SegmentContext;
  /** Which epoch wrote which offsets; undefined where another engine wrote. */
  readonly epochs: Epochs | undefined;
  readonly damage: LogDamage | undefined;
  readonly isClosed: boolean;
  /** Looks where the ends are now, when another process moves them. */
  refresh(): Promise<void>;
  /**
   * Reading failed in `segment`, or before a segment was found. Whether another process has put
   * another one in its place: the reader then goes on there.
   */
  hasMoved(segment: Segment | undefined, error: unknown): Promise<boolean>;
  /** Exclusive end of what may be read. */
  endOffset(durability: Durability): number;
  /** Where that end lies in the files. */
  endPlace(durability: Durability): LogPosition;
  /** The newest bytes, copied from memory, or undefined when they must be read from the file. */
  copyRecent(segment: Segment, position: number, countMax: number): RecentBytes | undefined;
  /**
   * Resolves when the end may have moved beyond `offset`, when the log closes, and when the signal
   * aborts. Who waits for the durable end counts as a waiter of the next commit.
   */
  waitBeyond(
    offset: number,
    durability: Durability,
    signal: AbortSignal | undefined,
  ): Promise<void>;
}
