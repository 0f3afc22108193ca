/**
 * Cleans one group of adjacent segments into one new segment; see `cleaner-task.ts`.
 *
 * Batches go by once, in order: each is proven, judged, and copied, rewritten or left out. The
 * groups of a pass come oldest first and each one is swapped in before the next one is cleaned, so
 * when a tombstone gets its delete horizon, every older value of its key is gone from the log.
 */

import type { BlockingFileSystem } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { KeyOffsetMap } from '../index/key-offset-map.js';
import { OffsetSet } from '../index/offset-set.js';
import { openBody } from './batch-body.js';
import { readControlKey } from './batch-control.js';
import { RecordWalker } from './batch-cursor.js';
import {
  batchBaseOffset,
  batchCount,
  batchMaxTimestamp,
  batchProducerIdExact,
  isControlBatch,
} from './batch-header.js';
import type { BatchMemory } from './batch-memory.js';
import type { CleanerControl, GroupResult, GroupTask } from './cleaner-task.js';
import { BatchCleaner, isBatchReadable } from './compaction-batch.js';
import { sourceFiles } from './compaction-files.js';
import { horizonGrowthMax } from './compaction-horizon.js';
import { keepsEmptied, markerVerdict } from './compaction-keep.js';
import { CleanedOutput } from './compaction-output.js';
import { BatchSource } from './compaction-source.js';
import { CleanedTransactions } from './compaction-transactions.js';
import { Epochs } from './epochs.js';
import { AbortedTransactions } from './transactions.js';

/** What becomes of a batch. */
type BatchFate = 'same' | 'rewritten' | 'dropped';

/**
 * Carries out the task. On any error, and when it is cancelled, it removes what it wrote as far as
 * that works. Throws `LOG_CORRUPT` for bytes that do not verify, errno errors of the file system,
 * and what `control` throws.
 */
export function runGroup(
  fileSystem: BlockingFileSystem,
  task: GroupTask,
  control: CleanerControl,
): GroupResult {
  const files = sourceFiles(fileSystem, task);
  const source = new BatchSource(fileSystem, files, new Epochs(task.epochs), control);
  const output = new CleanedOutput(fileSystem, task, files, control);
  try {
    return new GroupCleaning(task, source, output).run();
  } catch (error) {
    output.discard();
    throw error;
  } finally {
    source.close();
  }
}

class GroupCleaning {
  readonly #task: GroupTask;
  readonly #source: BatchSource;
  readonly #output: CleanedOutput;
  readonly #cleaner: BatchCleaner;
  readonly #aborted: AbortedTransactions;
  readonly #transactions: CleanedTransactions;
  /** The base offset of the last batch of each producer in the mapped range. */
  readonly #producerOffsets: ReadonlyMap<bigint, number>;
  #recordsIn = 0;
  /** Bytes of the segments from the batch at hand on. */
  #bytesLeft = 0;
  #hasUnreadable: boolean;

  constructor(task: GroupTask, source: BatchSource, output: CleanedOutput) {
    const { mappedEnd, nowMs, tombstoneRetentionMs, producerOffsets = [] } = task;
    const map = new KeyOffsetMap(task.map, task.hashSeed);
    this.#task = task;
    this.#source = source;
    this.#output = output;
    const superseded = new OffsetSet(task.superseded, task.firstDirtyOffset);
    this.#cleaner = new BatchCleaner({ map, superseded, mappedEnd, nowMs, tombstoneRetentionMs });
    this.#aborted = new AbortedTransactions(task.aborted);
    const from = task.segments[0]?.baseOffset ?? 0;
    const to = task.segments.at(-1)?.endOffset ?? 0;
    const endingHere = this.#aborted.endingIn(from, to);
    this.#transactions = new CleanedTransactions(task.carry, endingHere);
    this.#producerOffsets = new Map(
      task.producers.map((producer, index) => [producer, producerOffsets[index] ?? -1]),
    );
    this.#hasUnreadable = task.followsUnreadable === true;
  }

  run(): GroupResult {
    const { segments } = this.#task;
    if (segments.length > 1) this.#output.change();
    const bytesIn = segments.reduce((sum, { logBytes }) => sum + logBytes, 0);
    this.#bytesLeft = bytesIn;
    while (this.#source.next()) this.#batch();
    const { isChanged } = this.#output;
    const seal = isChanged ? this.#output.finish(this.#transactions.aborted) : undefined;
    return {
      kind: 'group',
      outcome: isChanged ? 'cleaned' : 'unchanged',
      seal,
      bytesIn,
      bytesOut: this.#output.bytes,
      recordsIn: this.#recordsIn,
      recordsOut: this.#output.records,
      keylessRecords: this.#cleaner.keylessRecords,
      hasUnreadable: this.#hasUnreadable,
      earliestHorizonMs: this.#output.earliestHorizonMs,
      carry: this.#transactions.carry,
    };
  }

  #batch(): void {
    const { memory, start, count } = this.#source;
    const { bytes } = memory;
    this.#recordsIn += batchCount(bytes, start);
    const fate = isControlBatch(bytes, start)
      ? this.#controlFate(memory, start)
      : this.#dataFate(memory, start);
    if (fate === 'same') this.#output.addSame(bytes, start, count);
    else if (fate === 'rewritten') {
      this.#output.addRewritten(this.#cleaner.bytes, this.#cleaner.start, this.#cleaner.count);
    } else this.#output.change();
    this.#bytesLeft -= count;
  }

  /** Whether the batch at hand may grow by a horizon; else it waits for a later pass. */
  get #hasRoom(): boolean {
    const { memory, start, count } = this.#source;
    const growth = horizonGrowthMax(count, batchCount(memory.bytes, start));
    return this.#output.bytes + this.#bytesLeft + growth <= limits.segmentBytesMax;
  }

  #dataFate(memory: BatchMemory, start: number): BatchFate {
    const fate = this.#judgeData(memory, start);
    this.#transactions.noteData(memory.bytes, start, fate !== 'dropped');
    return fate;
  }

  #judgeData(memory: BatchMemory, start: number): BatchFate {
    const { bytes } = memory;
    const { mappedEnd } = this.#task;
    if (batchBaseOffset(bytes, start) >= mappedEnd) return 'same';
    if (batchCount(bytes, start) === 0) return this.#emptiedFate(bytes, start, true);
    if (this.#aborted.has(bytes, start)) return this.#emptiedFate(bytes, start, false);
    if (!isBatchReadable(bytes, start)) {
      this.#hasUnreadable = true;
      return 'same';
    }
    const mayStartHorizon = !this.#hasUnreadable && this.#hasRoom;
    const outcome = this.#cleaner.clean(memory, start, mayStartHorizon);
    return outcome === 'emptied' ? this.#emptiedFate(bytes, start, false) : outcome;
  }

  /** The end of a transaction; other control batches mean nothing here and stay. */
  #controlFate(memory: BatchMemory, start: number): BatchFate {
    const { bytes } = memory;
    const isMapped = batchBaseOffset(bytes, start) < this.#task.mappedEnd;
    const isEmpty = batchCount(bytes, start) === 0;
    if (!isEmpty && !(isBatchReadable(bytes, start) && endsTransaction(memory, start))) {
      return 'same';
    }
    let fate: BatchFate = 'same';
    if (isEmpty) {
      if (isMapped) fate = this.#emptiedFate(bytes, start, true);
    } else {
      const hasData = this.#transactions.hasData(bytes, start);
      const verdict = markerVerdict(isMapped, hasData, this.#cleaner.horizon(bytes, start));
      if (verdict === 'drop') fate = this.#emptiedFate(bytes, start, false);
      if (verdict === 'start-horizon' && this.#hasRoom) {
        fate = this.#cleaner.startHorizon(memory, start);
      }
    }
    const isKept = fate !== 'dropped' && batchCount(bytes, start) > 0;
    this.#transactions.noteMarker(bytes, start, isKept);
    return fate;
  }

  /** Whether the header of a batch without records is kept, and made if it is not bare yet. */
  #emptiedFate(bytes: Buffer, start: number, isBare: boolean): BatchFate {
    const { nowMs, producerExpiryMs } = this.#task;
    const producerId = batchProducerIdExact(bytes, start);
    const lastOffset = this.#producerOffsets.get(producerId) ?? -1;
    const isKept = keepsEmptied({
      isLast: this.#source.isLast,
      hasProducer: producerId >= 0n,
      hasLaterBatch: lastOffset > batchBaseOffset(bytes, start),
      maxTimestamp: batchMaxTimestamp(bytes, start),
      nowMs,
      producerExpiryMs,
    });
    if (!isKept) return 'dropped';
    if (isBare) return 'same';
    this.#cleaner.empty(bytes, start);
    return 'rewritten';
  }
}

function endsTransaction(memory: BatchMemory, start: number): boolean {
  const walker = new RecordWalker(memory, start, openBody(memory, start), 0);
  return walker.next() && readControlKey(walker.key()) !== 'other';
}
