/**
 * One segment: a file of batches, its indexes, and what its seal will say.
 *
 * The last segment of a log is active: batches are noted here as they are finished, before they
 * are written. All others are sealed and never change. A sealed segment's size, indexes and seal
 * are looked up when they are first needed, so opening a log does not depend on how many there
 * are.
 *
 * It does no input or output; it is pinned by readers, and deletion waits for the last pin.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { crc32c } from '../base/crc32c.js';
import { SegmentIndexer } from '../index/segment-indexer.js';
import { HEADER_BYTES } from './batch-format.js';
import { batchBaseOffset, batchCount, batchLastOffset, batchMaxTimestamp } from './batch-header.js';
import type { SegmentFacts } from './cleaner-task.js';
import type { Epochs } from './epochs.js';
import { encodeSeal, type Seal } from './seal.js';
import {
  deletedName,
  type SegmentSuffix,
  segmentFileName,
  segmentSuffixesInOrder,
} from './segment-files.js';
import { SwapGate } from './swap-gate.js';
import type { WriterFile } from './writer.js';

/** Running totals over the batches of a segment, in file order. */
export interface SegmentTotals {
  bytes: number;
  nextOffset: number;
  batches: number;
  records: number;
  headersCrc: number;
}

export interface SealedFiles {
  readonly seal: Uint8Array;
  readonly offsetIndex: Uint8Array;
  readonly timeIndex: Uint8Array;
  /** Absent where no aborted transaction ends. */
  readonly txnIndex: Uint8Array | undefined;
  /** What is known of producers where the segment ends; its file bears the offset behind it. */
  readonly snapshot: Uint8Array | undefined;
}

/** What the batches of a segment say of producers. */
export interface SealedProducers {
  readonly txnIndex: Uint8Array | undefined;
  readonly snapshot: Uint8Array | undefined;
  /** Somebody knows producers there, whether or not there is a snapshot. */
  readonly hasProducers: boolean;
}

export const NO_PRODUCERS: SealedProducers = Object.freeze({
  txnIndex: undefined,
  snapshot: undefined,
  hasProducers: false,
});

/** Where a segment is listed: its files may lie under other names than their own for a while. */
export interface ListedSegment {
  readonly baseOffset: number;
  readonly names?: ReadonlyMap<SegmentSuffix, string> | undefined;
}

export class Segment {
  readonly directory: string;
  readonly baseOffset: number;
  /** Held while its files change their names; who opens one of them waits there. */
  readonly gate = new SwapGate();
  /** Offsets in it may skip: compacted, or written by another engine. */
  hasGaps = false;
  /** A rebuild met bytes that do not verify: the indexes end before them. */
  isDamaged = false;
  /** The offset index holds every batch: each one can be held against it. */
  isFullyIndexed = false;
  /** Present while active, and once loaded for a sealed segment. */
  indexer: SegmentIndexer | undefined;
  /** Present while active; the seal of a sealed segment once it was read. */
  totals: SegmentTotals | undefined;
  seal: Seal | undefined;
  /** The file in the writer, while the segment is active. */
  writerFile: WriterFile | undefined;
  /** Wall clock of the first append, for the age of an active segment; 0 while empty. */
  firstAppendMs = 0;
  /** Wall clock of the last append; 0 when none came since the log was opened. */
  lastAppendMs = 0;
  /** What a cleaner read of it, while there is no seal in memory. */
  facts: SegmentFacts | undefined;
  #names: ReadonlyMap<SegmentSuffix, string> | undefined;
  #isReplaced = false;
  #pins = 0;
  #onUnpinned: (() => void) | undefined;

  constructor(directory: string, baseOffset: number) {
    this.directory = directory;
    this.baseOffset = baseOffset;
  }

  static listed(directory: string, listed: ListedSegment): Segment {
    const segment = new Segment(directory, listed.baseOffset);
    segment.#names = listed.names;
    return segment;
  }

  static createActive(directory: string, baseOffset: number, indexIntervalBytes: number): Segment {
    const segment = new Segment(directory, baseOffset);
    segment.#begin(indexIntervalBytes);
    return segment;
  }

  /** An empty one over the files of `of`, to be filled by walking them. */
  static walked(of: Segment, indexIntervalBytes: number): Segment {
    const segment = Segment.listed(of.directory, of);
    segment.#begin(indexIntervalBytes);
    return segment;
  }

  #begin(indexIntervalBytes: number): void {
    const nextOffset = this.baseOffset;
    this.indexer = new SegmentIndexer(nextOffset, indexIntervalBytes);
    this.totals = { bytes: 0, nextOffset, batches: 0, records: 0, headersCrc: 0 };
  }

  get logPath(): string {
    return this.path('log');
  }

  /** Where one of its files lies now, if it is there. */
  path(suffix: SegmentSuffix): string {
    const name = this.#names?.get(suffix) ?? segmentFileName(this.baseOffset, suffix);
    return join(this.directory, name);
  }

  /** The names of its files where they are not their own. */
  get names(): ReadonlyMap<SegmentSuffix, string> | undefined {
    return this.#names;
  }

  /** Another segment stands in its place: a reader in it goes there with its next chunk. */
  get isReplaced(): boolean {
    return this.#isReplaced;
  }

  /** It was taken out of the list; with a number, its files were renamed by that replacement. */
  retire(number?: number): void {
    assert(!this.#isReplaced, 'a segment is replaced once');
    this.#isReplaced = true;
    if (number === undefined) return;
    this.#names = new Map(
      segmentSuffixesInOrder.map((suffix) => [
        suffix,
        deletedName(this.baseOffset, suffix, number),
      ]),
    );
  }

  get pins(): number {
    return this.#pins;
  }

  pin(): void {
    this.#pins += 1;
  }

  unpin(): void {
    assert(this.#pins > 0, 'a pin is released once');
    this.#pins -= 1;
    if (this.#pins === 0) {
      const onUnpinned = this.#onUnpinned;
      this.#onUnpinned = undefined;
      onUnpinned?.();
    }
  }

  /** Runs when nobody pins the segment, which may be now. */
  whenUnpinned(run: () => void): void {
    assert(this.#onUnpinned === undefined, 'a segment is deleted once');
    if (this.#pins === 0) run();
    else this.#onUnpinned = run;
  }

  /** Totals of a segment that is known to have them. */
  active(): { readonly totals: SegmentTotals; readonly indexer: SegmentIndexer } {
    const { totals, indexer } = this;
    assert(totals !== undefined, 'the segment has totals');
    assert(indexer !== undefined, 'the segment has an indexer');
    return { totals, indexer };
  }

  /** Notes the finished batch at `start` of `bytes` as the next one of the file. */
  addBatch(bytes: Uint8Array, start: number, batchBytes: number): void {
    const { totals, indexer } = this.active();
    const lastOffset = batchLastOffset(bytes, start);
    const records = batchCount(bytes, start);
    if (this.hasGaps) {
      assert(batchBaseOffset(bytes, start) >= totals.nextOffset, 'offsets rise');
    } else {
      assert(batchBaseOffset(bytes, start) === totals.nextOffset, 'offsets continue');
    }
    const maxTimestamp = batchMaxTimestamp(bytes, start);
    indexer.add(totals.bytes, batchBytes, lastOffset, maxTimestamp, records === 0);
    totals.headersCrc = crc32c(bytes, start, start + HEADER_BYTES, totals.headersCrc);
    totals.bytes += batchBytes;
    totals.batches += 1;
    totals.records += records;
    totals.nextOffset = lastOffset + 1;
  }

  /** The files that seal what the segment holds now. */
  toSealedFiles(
    logId: string,
    epochs: Epochs,
    runningMaxBefore: number,
    producers: SealedProducers,
  ): SealedFiles {
    const { totals, indexer } = this.active();
    const { txnIndex, snapshot, hasProducers } = producers;
    indexer.seal();
    const offsetIndex = indexer.offsets.encode();
    const timeIndex = indexer.times.encode();
    this.seal = {
      logId,
      baseOffset: this.baseOffset,
      nextOffset: totals.nextOffset,
      logBytes: totals.bytes,
      batches: totals.batches,
      records: totals.records,
      maxTimestamp: indexer.maxTimestamp,
      runningMaxTimestamp: Math.max(runningMaxBefore, indexer.maxTimestamp),
      runningMaxBefore,
      firstAppendMs: this.firstAppendMs,
      headersCrc: totals.headersCrc,
      hasGaps: this.hasGaps,
      indexBytes: offsetIndex.length,
      indexCrc: crc32c(offsetIndex, 0, offsetIndex.length),
      timeIndexBytes: timeIndex.length,
      timeIndexCrc: crc32c(timeIndex, 0, timeIndex.length),
      hasProducers,
      txnIndexBytes: txnIndex?.length ?? 0,
      txnIndexCrc: txnIndex === undefined ? 0 : crc32c(txnIndex, 0, txnIndex.length),
      epochs: epochs.entries.filter(
        (entry, index) =>
          entry.startOffset < totals.nextOffset &&
          (epochs.entries[index + 1]?.startOffset ?? Number.POSITIVE_INFINITY) > this.baseOffset,
      ),
    };
    return { seal: encodeSeal(this.seal), offsetIndex, timeIndex, txnIndex, snapshot };
  }
}
