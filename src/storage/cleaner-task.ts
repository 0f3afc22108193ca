/**
 * The work of cleaning as plain values: what a cleaner is asked for and what it answers.
 *
 * A task is carried out by synchronous calls over one file system, in production on a worker
 * thread. It gets values and returns values, never handles, so any of them can be tried again
 * after the thread that had it died.
 */

import type { EpochStart } from './epochs.js';
import type { Seal } from './seal.js';
import type { AbortedTransaction } from './transactions.js';

/** A sealed segment as the log's owner knows it. */
export interface CleanerSegment {
  readonly baseOffset: number;
  /** The base offset of the segment behind it. */
  readonly endOffset: number;
  readonly logBytes: number;
}

/** What all tasks about records say of the log. */
export interface CleanerLog {
  readonly directory: string;
  /** 32 hexadecimal digits. */
  readonly logId: string;
  readonly epochs: readonly EpochStart[];
  readonly aborted: readonly AbortedTransaction[];
}

/** Fills the key map from the dirty range. */
export interface MapTask extends CleanerLog {
  readonly kind: 'map';
  /** Ascending and adjacent; the first one holds `firstDirtyOffset`. */
  readonly segments: readonly CleanerSegment[];
  readonly firstDirtyOffset: number;
  /** Exclusive: nothing at or beyond it is looked at. */
  readonly upperOffset: number;
  /** The memory of the map, empty; see `src/index/key-offset-map.ts`. */
  readonly map: SharedArrayBuffer;
  readonly hashSeed: number;
  /** Takes the offsets in the dirty range that a later one of their key follows, as many as fit. */
  readonly superseded: SharedArrayBuffer;
}

export interface MapResult {
  readonly kind: 'map';
  /** Exclusive: keys of all records below it are in the map. */
  readonly mappedEnd: number;
  readonly keys: number;
  readonly records: number;
  readonly bytes: number;
  /** Producers that have a batch in the mapped range. */
  readonly producers: readonly bigint[];
  /** The base offset of the last batch of each of them, in the same order. */
  readonly producerOffsets: readonly number[];
}

/** What one group of a pass knows for the next one: transactions whose marker is still to come. */
export interface TransactionCarry {
  readonly producerId: bigint;
  /** Whether any record of it is kept. */
  readonly hasData: boolean;
}

/** Cleans adjacent segments into one new segment, as `.cleaned` files. */
export interface GroupTask extends CleanerLog {
  readonly kind: 'group';
  /** Ascending and adjacent; the new segment has the base offset of the first. */
  readonly segments: readonly CleanerSegment[];
  /** Largest timestamp in all segments before the first. */
  readonly runningMaxTimestamp: number;
  readonly mappedEnd: number;
  readonly map: SharedArrayBuffer;
  readonly hashSeed: number;
  /** Where the mapped range begins. */
  readonly firstDirtyOffset: number;
  /** As the map left it. */
  readonly superseded: SharedArrayBuffer;
  readonly producers: readonly bigint[];
  /** As in the result of the map; without it, emptied batches of these producers are kept. */
  readonly producerOffsets?: readonly number[] | undefined;
  readonly carry: readonly TransactionCarry[];
  /** What the result of the group before says in `hasUnreadable`; absent means false. */
  readonly followsUnreadable?: boolean | undefined;
  /** Wall clock, milliseconds since 1970. */
  readonly nowMs: number;
  readonly tombstoneRetentionMs: number;
  readonly producerExpiryMs: number;
}

export interface GroupResult {
  readonly kind: 'group';
  /** 'unchanged' when nothing was to be removed: no file was written. */
  readonly outcome: 'cleaned' | 'unchanged';
  /** The seal of the new segment; undefined when unchanged. */
  readonly seal: Seal | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly recordsIn: number;
  readonly recordsOut: number;
  /** Records without a key, which a compacted log cannot keep. */
  readonly keylessRecords: number;
  /**
   * Whether this group, or one before it, holds a batch whose codec is not available. It may hide
   * older values of any key, so tombstones behind it get no delete horizon.
   */
  readonly hasUnreadable: boolean;
  /** The earliest delete horizon in what was kept, milliseconds since 1970. */
  readonly earliestHorizonMs: number | undefined;
  readonly carry: readonly TransactionCarry[];
}

/** Puts a cleaned group in the place of its segments; see `compaction-swap.ts`. */
export interface SwapTask {
  readonly kind: 'swap';
  readonly directory: string;
  readonly baseOffset: number;
  /** Base offsets of the segments that are replaced; the first one is `baseOffset`. */
  readonly replaced: readonly number[];
  /** Makes the names of the replaced files unique. */
  readonly number: number;
}

export interface SwapResult {
  readonly kind: 'swap';
}

/** Writes the file of a log's reserve; see `reserve-file.ts`. */
export interface ReserveTask {
  readonly kind: 'reserve';
  readonly directory: string;
  /** 1 or more. */
  readonly bytes: number;
}

export interface ReserveResult {
  readonly kind: 'reserve';
}

/** Reads what the seals of segments say. */
export interface FactsTask {
  readonly kind: 'facts';
  readonly directory: string;
  readonly logId: string;
  readonly baseOffsets: readonly number[];
}

/** Facts about one sealed segment. */
export interface SegmentFacts {
  readonly baseOffset: number;
  readonly logBytes: number;
  /** -1 when the seal is not believed, both of them. */
  readonly batches: number;
  readonly records: number;
  /** Largest timestamp in it, -1 when it holds none or the seal is not believed. */
  readonly maxTimestamp: number;
  /** 0 when it is not known. */
  readonly firstAppendMs: number;
}

export interface FactsResult {
  readonly kind: 'facts';
  /** In the order asked for; a segment that is gone is left out. */
  readonly segments: readonly SegmentFacts[];
}

export type CleanerTask = MapTask | GroupTask | SwapTask | FactsTask | ReserveTask;

/** All kinds, for what is read from outside. */
export const cleanerTaskKinds = ['map', 'group', 'swap', 'facts', 'reserve'] as const;

export type CleanerResult = MapResult | GroupResult | SwapResult | FactsResult | ReserveResult;

/** What a task of this kind answers. */
export type ResultOf<Task extends CleanerTask> = Extract<
  CleanerResult,
  { readonly kind: Task['kind'] }
>;

/** Whether the result is one of this task's kind. */
export function isResultOf<Task extends CleanerTask>(
  task: Task,
  result: CleanerResult,
): result is ResultOf<Task> {
  return result.kind === task.kind;
}

/** How a running task is paced and ended from outside; called once per chunk of work. */
export interface CleanerControl {
  /**
   * Tells that `bytes` more were read or written. May sleep to keep a byte rate. Throws
   * `CleanerCancelled` when the task is to end.
   */
  progress(bytes: number): void;
}

/** The task was ended from outside; what it wrote is undone by whoever asked for it. */
export class CleanerCancelled extends Error {
  override readonly name = 'CleanerCancelled';
}

/** Runs tasks somewhere; one door for the log, whatever is behind it. */
export interface Cleaner {
  /**
   * Rejects with the error of the task, with the signal's reason when it aborts, and with an error
   * of code CLEANER_FAILED when the thread that had it died or hung.
   */
  run<Task extends CleanerTask>(task: Task, options: CleanerRunOptions): Promise<ResultOf<Task>>;
}

export interface CleanerRunOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes read and written per second, at most; undefined means without a limit. */
  readonly bytesPerSecond?: number | undefined;
  /** Holds the process until the answer, for a caller who waits for it. */
  readonly hold?: 'keep-alive' | undefined;
}
