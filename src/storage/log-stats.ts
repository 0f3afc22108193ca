/**
 * What a log tells about its disk and its cleaning: for people who ask why it grows.
 */

import type { CleaningFailure, CleaningStats } from './cleaning-loop.js';
import type { CleaningState } from './cleaning-schedule.js';
import {
  type CompactionFacts,
  compactionVerdicts,
  decideCompaction,
} from './compaction-decision.js';
import type { CleanerPoolStats } from './log-cleaner.js';
import type { LogCore } from './log-core.js';
import type { RetentionVerdict } from './retention-decision.js';

export interface SegmentStats {
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly bytes: number;
  /** Null when it is not known without reading the segment. */
  readonly records: number | null;
  /** Largest timestamp; null when there is none or it is not known. */
  readonly maxTimestamp: number | null;
  readonly state: 'clean' | 'dirty' | 'active';
  /** Whether a compaction that began now would go through it, and why. */
  readonly isEligible: boolean;
  readonly why: string;
  /** Why retention keeps it, or lets it go. */
  readonly retention: string;
}

export interface CleaningFailureStats {
  /** What went wrong, as the error says it. */
  readonly message: string;
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number;
  /** How many passes have failed in a row, and how long the next one was put off. */
  readonly count: number;
  readonly delayMs: number;
}

export interface LogStats {
  readonly directory: string;
  readonly logId: string;
  /** The option of this name. */
  readonly cleanup: string;
  readonly startOffset: number;
  /** Exclusive end of what is on the disk. */
  readonly endOffset: number;
  /** Of the batches of all segments, without indexes. */
  readonly bytes: number;
  readonly segmentCount: number;
  /** Everything below it was compacted. */
  readonly firstDirtyOffset: number;
  /** Dirty bytes of those that may be compacted, 0 to 1. */
  readonly dirtyRatio: number;
  /** Whether a compaction is due, and why. */
  readonly isEligible: boolean;
  readonly why: string;
  /** Null for a log that is open for reading only: it cleans nothing. */
  readonly cleaning: CleaningState | null;
  /** Of the last pass, when it failed. */
  readonly lastFailure: CleaningFailureStats | null;
  /** The threads that clean all logs of the process that holds this one; null as above. */
  readonly pool: CleanerPoolStats | null;
  /** Oldest first; the last one is active. */
  readonly segments: readonly SegmentStats[];
}

export interface StatsSources {
  readonly compaction: CompactionFacts;
  /** Of the oldest segments, up to the first that stays. */
  readonly retention: readonly RetentionVerdict[];
  /** Undefined while nothing is compacted, null in a log that is open for reading only. */
  readonly cleaning: CleaningStats | undefined | null;
  readonly pool: CleanerPoolStats | null;
}

/** What the facts say about the log and each segment; a pure function but for the log's ends. */
export function buildStats(core: LogCore, sources: StatsSources): LogStats {
  const { compaction, retention, cleaning, pool } = sources;
  const { directory, logId, config, offsets } = core;
  const decision = decideCompaction(config, compaction);
  const verdicts = compactionVerdicts(config, compaction);
  // Segments may have gone or been replaced between the two looks: what counts is the offset.
  const reasons = new Map(retention.map(({ segment, why }) => [segment.baseOffset, why]));
  const segments = compaction.segments.map((segment, index): SegmentStats => {
    const { baseOffset, endOffset, logBytes, records, maxTimestamp } = segment;
    const verdict = verdicts[index];
    return {
      baseOffset,
      endOffset,
      bytes: logBytes,
      records: records < 0 ? null : records,
      maxTimestamp: maxTimestamp < 0 ? null : maxTimestamp,
      state: verdict?.state ?? 'dirty',
      isEligible: verdict?.isEligible ?? false,
      why: verdict?.why ?? '',
      retention: reasons.get(baseOffset) ?? 'stays behind an older one that stays',
    };
  });
  const lastFailure = cleaning?.lastFailure;
  return {
    directory,
    logId,
    cleanup: config.cleanup,
    startOffset: offsets.start,
    endOffset: offsets.durable,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    segmentCount: segments.length,
    firstDirtyOffset: compaction.firstDirtyOffset,
    dirtyRatio: decision.dirtyRatio,
    isEligible: decision.isEligible,
    why: decision.why,
    cleaning: cleaning === null ? null : (cleaning?.state ?? 'idle'),
    lastFailure: lastFailure === undefined ? null : failureOf(lastFailure),
    pool,
    segments,
  };
}

function failureOf({ error, atMs, count, delayMs }: CleaningFailure): CleaningFailureStats {
  const message = error instanceof Error ? error.message : String(error);
  return { message, atMs, count, delayMs };
}
