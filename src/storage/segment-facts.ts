/**
 * What is known of the segments of an open log, without reading anything: sizes, counts and times.
 *
 * A segment that was sealed by this process, or whose indexes were loaded, has its seal in memory.
 * Of the others nothing is known after an open, however many there are; a cleaner is asked for them
 * in the background, oldest first, and only for as many as a policy needs. What it answers is kept
 * with the segment.
 */

import type { FactsResult, FactsTask, SegmentFacts } from './cleaner-task.js';
import type { LogCore, WritableLogCore } from './log-core.js';
import type { Segment } from './segment.js';

/** Facts about a segment, sealed or active, and where it ends. */
export interface KnownSegment extends SegmentFacts {
  /** The base offset of the segment behind it; of the active one the durable end. */
  readonly endOffset: number;
}

export interface KnownSegments {
  /** Oldest first, from the first segment of the log on. The active one is last if complete. */
  readonly segments: readonly KnownSegment[];
  readonly isComplete: boolean;
}

export type ReadFacts = (task: FactsTask) => Promise<FactsResult>;

/** How many segments one task of a cleaner is asked for. */
const TASK_SEGMENTS_MAX = 256;

/** Facts about a sealed segment, as far as they are in memory. */
export function sealedFacts({ seal, facts }: Segment): SegmentFacts | undefined {
  return seal ?? facts;
}

/** The first `countMax` segments of which all is known, up to the first of which it is not. */
export function knownSegments(
  core: WritableLogCore,
  countMax = Number.POSITIVE_INFINITY,
): KnownSegments {
  const all = core.segments.all();
  const segments: KnownSegment[] = [];
  for (const [index, segment] of all.entries()) {
    // A roll that is on its way belongs to the active part.
    if (segment.writerFile !== undefined) {
      segments.push(activeFacts(core, segment));
      return { segments, isComplete: true };
    }
    const facts = sealedFacts(segment);
    const next = all[index + 1];
    if (facts === undefined || next === undefined || segments.length >= countMax) break;
    segments.push(known(facts, next.baseOffset));
  }
  return { segments, isComplete: false };
}

/** Asks for the facts of the oldest segments that are not known; false when there are none. */
export async function readMoreFacts(core: WritableLogCore, readFacts: ReadFacts): Promise<boolean> {
  const wanted: Segment[] = [];
  for (const segment of core.segments.all()) {
    if (segment.writerFile !== undefined || wanted.length === TASK_SEGMENTS_MAX) break;
    if (sealedFacts(segment) === undefined) wanted.push(segment);
  }
  if (wanted.length === 0) return false;
  const { directory, logId } = core;
  const baseOffsets = wanted.map(({ baseOffset }) => baseOffset);
  const { segments } = await readFacts({ kind: 'facts', directory, logId, baseOffsets });
  const found = new Map(segments.map((facts) => [facts.baseOffset, facts]));
  for (const segment of wanted) {
    // One that was replaced or deleted meanwhile is not in the list any more.
    segment.facts = found.get(segment.baseOffset) ?? unknownFacts(segment);
  }
  return true;
}

/** Bytes of all segments, or undefined while some are not known. */
export function knownBytes(core: LogCore): number | undefined {
  let bytes = 0;
  for (const segment of core.segments.all()) {
    const known = segment.totals?.bytes ?? sealedFacts(segment)?.logBytes;
    if (known === undefined) return undefined;
    bytes += known;
  }
  return bytes;
}

/** Everything in the log was appended before it: wall clock, milliseconds since 1970. */
export function newestAppendMs(core: WritableLogCore, openedMs: number): number {
  const { segments } = core;
  const before = segments.before(segments.active);
  return Math.max(openedMs, segments.active.lastAppendMs, before?.lastAppendMs ?? 0);
}

/** The active segment, and what is on its way into the ones behind it: durable bytes only. */
function activeFacts(core: WritableLogCore, first: Segment): KnownSegment {
  const { segments, offsets, durableAt } = core;
  const { baseOffset, firstAppendMs } = first;
  const endOffset = Math.max(baseOffset, offsets.durable);
  let maxTimestamp = -1;
  for (const segment of segments.all()) {
    if (segment.baseOffset < baseOffset) continue;
    maxTimestamp = Math.max(maxTimestamp, segment.indexer?.maxTimestamp ?? -1);
  }
  return {
    baseOffset,
    endOffset,
    logBytes: durableAt.segmentBase < baseOffset ? 0 : durableAt.position,
    batches: first.totals?.batches ?? -1,
    // Where offsets may skip, fewer is the safe answer.
    records: first.hasGaps ? 0 : endOffset - baseOffset,
    maxTimestamp,
    firstAppendMs,
  };
}

function known(facts: SegmentFacts, endOffset: number): KnownSegment {
  const { baseOffset, logBytes, batches, records, maxTimestamp, firstAppendMs } = facts;
  return { baseOffset, endOffset, logBytes, batches, records, maxTimestamp, firstAppendMs };
}

/** A file that is gone: a reader will say so, and retention need not wait for it. */
function unknownFacts({ baseOffset }: Segment): SegmentFacts {
  return { baseOffset, logBytes: 0, batches: -1, records: -1, maxTimestamp: -1, firstAppendMs: 0 };
}
