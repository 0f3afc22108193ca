/**
 * Statistics of a log that never was, with every field used.
 */

import type { LogStats, SegmentStats } from '../../src/storage/log-stats.js';

/** Segments of ten offsets each; the last one is active. */
export function statsOf(segmentCount: number): LogStats {
  const segments = Array.from({ length: segmentCount }, (_, index): SegmentStats => {
    const isActive = index === segmentCount - 1;
    return {
      baseOffset: 10 * index,
      endOffset: 10 * index + 10,
      bytes: 1_000 + index,
      records: index % 2 === 0 ? 10 : null,
      maxTimestamp: index % 3 === 0 ? 1_700_000_000_000 + index : null,
      state: isActive ? 'active' : index === 0 ? 'clean' : 'dirty',
      isEligible: !isActive && index > 0,
      why: isActive ? 'it is written to' : 'below the upper bound',
      retention: isActive ? 'it is active' : 'within limits',
    };
  });
  return {
    directory: '/log',
    logId: '0123456789abcdef'.repeat(2),
    cleanup: 'compact',
    startOffset: 3,
    endOffset: 10 * segmentCount,
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
    segmentCount,
    firstDirtyOffset: 10,
    dirtyRatio: 0.625,
    isEligible: true,
    why: 'the dirty ratio is over 0.5',
    cleaning: 'waiting',
    lastFailure: {
      message: 'DISK_FULL: no space',
      atMs: 1_700_000_000_000,
      count: 2,
      delayMs: 2_000,
    },
    pool: {
      threads: 1,
      threadsMax: 1,
      queued: 2,
      running: [{ kind: 'group', directory: '/other', bytes: 77, sinceMs: 1_700_000_000_000 }],
      completed: 5,
      failed: 1,
      cancelled: 0,
      restarts: 1,
    },
    segments,
  };
}
