/**
 * What a watermark says of a log at a durable end: one function for the opening and the write path.
 */

import type { LogPosition, WritableLogCore } from './log-core.js';
import type { MarkContent } from './watermark.js';

/** The content for a durable end at `offset`, which lies at `at` in the files. */
export function markContentOf(
  core: WritableLogCore,
  at: LogPosition,
  offset: number,
  overrides?: Partial<MarkContent>,
): MarkContent {
  const { flushBytes, bufferBytes, batchBytesMax } = core.config;
  const content: MarkContent = {
    bootId: core.bootId,
    nonce: core.nonce,
    epoch: Math.max(0, core.epochs.current),
    isClean: false,
    isEverCompacted: core.isEverCompacted,
    isPoisoned: false,
    hasProducers: !core.producers.isEmpty,
    segmentBase: at.segmentBase,
    position: at.position,
    durableOffset: offset,
    // Written and not synced: what may lie there before a sync is asked for, and two buffers full
    // of slabs, one behind the running sync and one behind its successor.
    unsyncedBytesMax: flushBytes + 2 * (bufferBytes + batchBytesMax),
    startOffset: core.offsets.start,
    firstDirtyOffset: Math.max(core.firstDirtyOffset, core.offsets.start),
    epochsCrc: core.epochsCrc,
  };
  // Commits override nothing, and copy nothing.
  return overrides === undefined ? content : { ...content, ...overrides };
}
