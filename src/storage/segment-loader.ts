/**
 * Loads what a sealed segment's files say of it, and rebuilds it from the log when there is doubt.
 *
 * An index is believed only when the seal is whole, belongs to this log and this segment, and its
 * checksums fit the index files. Otherwise the batches are walked; what does not verify there is
 * left to the reader, who stops at it with an error that names the place.
 */

import { crc32c } from '../base/crc32c.js';
import type { FileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { ENTRY_VALUE_MAX } from '../index/index-format.js';
import { OffsetIndex } from '../index/offset-index.js';
import { SegmentIndexer } from '../index/segment-indexer.js';
import { TimeIndex } from '../index/time-index.js';
import { batchBaseOffset, batchEpoch } from './batch-header.js';
import { type InvalidBatch, scanBatches } from './batch-scan.js';
import type { Epochs } from './epochs.js';
import { fromSystem, readSmallFile } from './log-folder.js';
import { decodeSeal, SEAL_BYTES_MAX, type Seal } from './seal.js';
import { Segment } from './segment.js';

export interface SegmentContext {
  readonly fileSystem: FileSystem;
  /** Undefined for a log of another engine. */
  readonly logId: string | undefined;
  readonly indexIntervalBytes: number;
  readonly epochs: Epochs | undefined;
}

/** The seal of a segment, or why it is not believed. */
export async function readSeal(
  context: SegmentContext,
  segment: Segment,
): Promise<Seal | 'absent' | 'invalid'> {
  const bytes = await readSmallFile(context.fileSystem, segment.path('seal'), SEAL_BYTES_MAX);
  if (bytes === undefined) return 'absent';
  const seal = decodeSeal(bytes);
  if (seal === 'invalid') return 'invalid';
  if (seal.baseOffset !== segment.baseOffset) return 'invalid';
  return seal.logId === context.logId ? seal : 'invalid';
}

/** Both indexes as their files say, or `'doubt'`. */
export async function readIndexes(
  context: SegmentContext,
  segment: Segment,
  seal: Seal,
): Promise<SegmentIndexer | 'doubt'> {
  const { fileSystem, indexIntervalBytes } = context;
  const offsetPath = segment.path('offsetIndex');
  const timePath = segment.path('timeIndex');
  const offsetBytes = await readSmallFile(fileSystem, offsetPath, limits.indexBytesMax);
  const timeBytes = await readSmallFile(fileSystem, timePath, limits.indexBytesMax * 2);
  if (offsetBytes === undefined || timeBytes === undefined) return 'doubt';
  if (offsetBytes.length !== seal.indexBytes) return 'doubt';
  if (timeBytes.length !== seal.timeIndexBytes) return 'doubt';
  if (crc32c(offsetBytes, 0, offsetBytes.length) !== seal.indexCrc) return 'doubt';
  if (crc32c(timeBytes, 0, timeBytes.length) !== seal.timeIndexCrc) return 'doubt';
  const offsets = OffsetIndex.decode(offsetBytes, seal.logBytes);
  const times = TimeIndex.decode(timeBytes);
  if (offsets === 'invalid' || times === 'invalid') return 'doubt';
  return new SegmentIndexer(segment.baseOffset, indexIntervalBytes, offsets, times);
}

export interface RebuiltSegment {
  /** Indexer and totals over the valid prefix. */
  readonly segment: Segment;
  readonly fileBytes: number;
  readonly invalid: InvalidBatch | undefined;
  /** Epochs in the order of their first offsets, as the batches say. */
  readonly epochStarts: readonly { readonly epoch: number; readonly startOffset: number }[];
}

/** Follows verified batches in order. */
export interface BatchTracker {
  note(bytes: Buffer, start: number): void;
}

/** Walks the file of `of`, or its first `bytesMax` bytes, and builds its indexes and totals. */
export async function rebuildSegment(
  context: SegmentContext,
  of: Segment,
  hasGaps: boolean,
  bytesMax: number = Number.POSITIVE_INFINITY,
  tracker?: BatchTracker,
): Promise<RebuiltSegment> {
  const { baseOffset } = of;
  const segment = Segment.walked(of, context.indexIntervalBytes);
  segment.hasGaps = hasGaps;
  const epochStarts: { epoch: number; startOffset: number }[] = [];
  try {
    const file = await context.fileSystem.open(segment.logPath);
    try {
      const fileBytes = Math.min(await file.size(), bytesMax);
      const result = await scanBatches(
        file,
        { from: 0, to: fileBytes },
        {
          nextOffset: baseOffset,
          hasGaps,
          epochs: context.epochs,
          offsetMax: baseOffset + ENTRY_VALUE_MAX,
        },
        (bytes, start, count) => {
          segment.addBatch(bytes, start, count);
          noteEpoch(epochStarts, bytes, start);
          tracker?.note(bytes, start);
        },
      );
      const invalid = result.kind === 'invalid' ? result : undefined;
      return { segment, fileBytes, invalid, epochStarts };
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof Error && error.name === 'InvariantViolation') throw error;
    throw fromSystem(error, segment.logPath);
  }
}

function noteEpoch(
  starts: { epoch: number; startOffset: number }[],
  bytes: Uint8Array,
  start: number,
): void {
  const epoch = batchEpoch(bytes, start);
  if (epoch > (starts.at(-1)?.epoch ?? -1)) {
    starts.push({ epoch, startOffset: batchBaseOffset(bytes, start) });
  }
}

/** Makes sure that a sealed segment has its indexes in memory. */
export async function loadSealedSegment(
  context: SegmentContext,
  segment: Segment,
  mayHaveGaps: boolean,
): Promise<void> {
  const seal = segment.seal ?? (await readSeal(context, segment));
  if (typeof seal !== 'string') {
    segment.seal = seal;
    segment.hasGaps = seal.hasGaps;
    const indexer = await readIndexes(context, segment, seal);
    if (indexer !== 'doubt') {
      segment.isFullyIndexed = seal.hasGaps && indexer.offsets.count === seal.batches;
      segment.indexer ??= indexer;
      return;
    }
  }
  const hasGaps = typeof seal === 'string' ? mayHaveGaps : seal.hasGaps;
  const rebuilt = await rebuildSegment(context, segment, hasGaps);
  segment.hasGaps = hasGaps;
  segment.isFullyIndexed = false;
  segment.isDamaged = rebuilt.invalid !== undefined;
  segment.indexer = rebuilt.segment.indexer;
  const totals = rebuilt.segment.active().totals;
  // Bytes that do not verify stay visible, so that a reader meets them and says so.
  segment.totals = { ...totals, bytes: Math.max(totals.bytes, rebuilt.fileBytes) };
}
