/**
 * A log of sealed segments on a simulated disk, and passes of cleaning over it: what the log does
 * with its cleaner, without the log.
 */

import assert from 'node:assert/strict';
import { Batch } from '../../src/storage/batch.js';
import { compressBatch } from '../../src/storage/batch-compress.js';
import { controlKey, controlValue, type TransactionEnd } from '../../src/storage/batch-control.js';
import type { ProducerFields } from '../../src/storage/batch-encoder.js';
import {
  batchBytes,
  batchCount,
  batchNextOffset,
  hasDeleteHorizon,
} from '../../src/storage/batch-header.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { runCleanerTask } from '../../src/storage/cleaner-run.js';
import type {
  CleanerControl,
  CleanerLog,
  CleanerSegment,
  GroupResult,
  GroupTask,
  MapResult,
  TransactionCarry,
} from '../../src/storage/cleaner-task.js';
import { type CodecName, codecNamed } from '../../src/storage/compression.js';
import { Epochs } from '../../src/storage/epochs.js';
import type { RecordInput } from '../../src/storage/record.js';
import { NO_PRODUCERS, Segment } from '../../src/storage/segment.js';
import { segmentPath } from '../../src/storage/segment-files.js';
import { TransactionTracker } from '../../src/storage/transactions.js';
import { batchOf, type PlainRecord, readAll } from './batch-fixtures.js';
import { SimDisk } from './sim-file-system.js';

export const HOUR_MS = 3_600_000;
export const NOW_MS = 1_700_000_000_000;

export interface PassOptions {
  readonly nowMs?: number;
  readonly upperOffset?: number;
  readonly tombstoneRetentionMs?: number;
  readonly producerExpiryMs?: number;
  /** Segments that are cleaned into one. */
  readonly groupSize?: number;
  readonly mapBytes?: number;
}

/** One batch of the log, with its records decoded. */
export interface StoredBatch {
  readonly bytes: Buffer;
  readonly batch: Batch;
  readonly records: readonly PlainRecord[];
  readonly hasHorizon: boolean;
}

/** What the log adds to each task of a group. */
type FromFixture = 'kind' | keyof CleanerLog | 'hashSeed' | 'superseded' | 'firstDirtyOffset';

export class CleanableLog {
  readonly disk = new SimDisk();
  readonly directory = '/log';
  readonly logId = 'ab'.repeat(16);
  readonly epochs = new Epochs([{ epoch: 0, startOffset: 0 }]);
  segments: CleanerSegment[] = [];
  firstDirtyOffset = 0;
  nextOffset = 0;
  control: CleanerControl = { progress: () => undefined };
  /** Small, so that of a longer log some offsets are in the set and others are looked up. */
  readonly #superseded = new SharedArrayBuffer(2);
  readonly #tracker = new TransactionTracker();
  #open: Buffer[] = [];
  #swaps = 0;

  /** Adds a batch to the segment that is being written. */
  add(
    records: readonly RecordInput[],
    producer?: ProducerFields,
    compression: CodecName = 'none',
  ): this {
    const plain = batchOf(records, {
      baseOffset: this.nextOffset,
      ...(producer === undefined ? {} : { producer }),
    });
    return this.addBytes(compression === 'none' ? plain : compressed(plain, compression));
  }

  addBytes(bytes: Buffer): this {
    this.#tracker.note(bytes, 0);
    this.#open.push(bytes);
    this.nextOffset = batchNextOffset(bytes, 0);
    return this;
  }

  /** Ends a transaction. */
  end(producerId: number, end: TransactionEnd, timestamp = NOW_MS): this {
    return this.add([{ key: controlKey(end), value: controlValue(0), timestamp }], {
      ...transactional(producerId),
      isControl: true,
    });
  }

  /** Seals what was added since the last segment. */
  seal(): this {
    const bytes = Buffer.concat(this.#open);
    const baseOffset = this.segments.at(-1)?.endOffset ?? 0;
    const segment = Segment.createActive(this.directory, baseOffset, 4096);
    for (const batch of this.#open) segment.addBatch(batch, 0, batch.length);
    const files = segment.toSealedFiles(this.logId, this.epochs, -1, NO_PRODUCERS);
    this.disk.put(segment.logPath, bytes);
    this.disk.put(segmentPath(this.directory, baseOffset, 'seal'), files.seal);
    this.disk.put(segmentPath(this.directory, baseOffset, 'offsetIndex'), files.offsetIndex);
    this.disk.put(segmentPath(this.directory, baseOffset, 'timeIndex'), files.timeIndex);
    const { nextOffset: endOffset } = this;
    this.segments.push({ baseOffset, endOffset, logBytes: bytes.length });
    this.#open = [];
    return this;
  }

  map(memory: SharedArrayBuffer, upperOffset = this.nextOffset): MapResult {
    const first = this.segments.findIndex(({ endOffset }) => endOffset > this.firstDirtyOffset);
    const result = runCleanerTask(
      this.disk.blockingFileSystem,
      {
        kind: 'map',
        ...this.#log(),
        segments: first === -1 ? [] : this.segments.slice(first),
        firstDirtyOffset: this.firstDirtyOffset,
        upperOffset,
        map: memory,
        superseded: this.#superseded,
        hashSeed: 7,
      },
      this.control,
    );
    assert.equal(result.kind, 'map');
    return result;
  }

  group(task: Omit<GroupTask, FromFixture>) {
    const result = runCleanerTask(
      this.disk.blockingFileSystem,
      {
        kind: 'group',
        ...this.#log(),
        hashSeed: 7,
        superseded: this.#superseded,
        firstDirtyOffset: this.firstDirtyOffset,
        ...task,
      },
      this.control,
    );
    assert.equal(result.kind, 'group');
    return result;
  }

  /** A whole pass: the map, and every group cleaned and swapped in. */
  pass(options: PassOptions = {}): GroupResult[] {
    const memory = new SharedArrayBuffer(options.mapBytes ?? 1024 * 1024);
    const mapped = this.map(memory, options.upperOffset);
    const results: GroupResult[] = [];
    let carry: readonly TransactionCarry[] = [];
    let followsUnreadable = false;
    const size = options.groupSize ?? 1;
    const old = this.segments;
    this.segments = [];
    for (let index = 0; index < old.length; index += size) {
      const segments = old.slice(index, index + size);
      const result = this.group({
        segments,
        runningMaxTimestamp: -1,
        map: memory,
        mappedEnd: mapped.mappedEnd,
        producers: mapped.producers,
        producerOffsets: mapped.producerOffsets,
        carry,
        followsUnreadable,
        nowMs: options.nowMs ?? NOW_MS,
        tombstoneRetentionMs: options.tombstoneRetentionMs ?? HOUR_MS,
        producerExpiryMs: options.producerExpiryMs ?? HOUR_MS,
      });
      carry = result.carry;
      followsUnreadable = result.hasUnreadable;
      results.push(result);
      this.#take(segments, result);
    }
    this.firstDirtyOffset = mapped.mappedEnd;
    return results;
  }

  /** All batches of the log, in order. */
  batches(): StoredBatch[] {
    return this.segments.flatMap(({ baseOffset }) => {
      const path = segmentPath(this.directory, baseOffset, 'log');
      return batchesIn(Buffer.from(this.disk.readAll(path)));
    });
  }

  records(): PlainRecord[] {
    return this.batches()
      .filter(({ batch }) => !batch.isControl)
      .flatMap(({ records }) => records);
  }

  offsets(): number[] {
    return this.records().map(({ offset }) => offset);
  }

  /** Names of files that are neither a segment's nor one that was replaced. */
  leftovers(): readonly string[] {
    return this.disk.list(this.directory).filter((path) => /\.(cleaned|swap)$/.test(path));
  }

  #take(segments: readonly CleanerSegment[], { seal }: GroupResult): void {
    const first = segments[0];
    if (seal === undefined || first === undefined) {
      this.segments.push(...segments);
      return;
    }
    this.#swaps += 1;
    runCleanerTask(
      this.disk.blockingFileSystem,
      {
        kind: 'swap',
        directory: this.directory,
        baseOffset: first.baseOffset,
        replaced: segments.map(({ baseOffset }) => baseOffset),
        number: this.#swaps,
      },
      this.control,
    );
    const { baseOffset } = first;
    const endOffset = segments.at(-1)?.endOffset ?? 0;
    this.segments.push({ baseOffset, endOffset, logBytes: seal.logBytes });
  }

  #log() {
    const { directory, logId } = this;
    return { directory, logId, epochs: this.epochs.entries, aborted: this.#tracker.aborted.all };
  }
}

export function transactional(producerId: number, baseSequence = 0): ProducerFields {
  return { producerId, producerEpoch: 0, baseSequence, isTransactional: true };
}

/** The codecs that are there, `none` first. */
export function codecsHere(): CodecName[] {
  const names: readonly CodecName[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
  return names.filter((name) => codecNamed(name).isAvailable());
}

/** The same batch with its records compressed. */
export function compressed(plain: Buffer, codec: CodecName): Buffer {
  const target = Buffer.alloc(plain.length * 2 + 1024);
  const bytes = compressBatch(codec, plain, 0, target, 0, target.length);
  assert.equal(typeof bytes, 'number');
  return Buffer.from(target.subarray(0, Number(bytes)));
}

export function batchesIn(bytes: Buffer): StoredBatch[] {
  const found: StoredBatch[] = [];
  for (let start = 0; start < bytes.length; start += batchBytes(bytes, start)) {
    const batch = new Batch(createBatchMemory(bytes, 'test', 0), start);
    found.push({
      bytes: bytes.subarray(start, start + batchBytes(bytes, start)),
      batch,
      records:
        batchCount(bytes, start) === 0 || batch.codec === 'unknown' ? [] : readAll(bytes, start),
      hasHorizon: hasDeleteHorizon(bytes, start),
    });
  }
  return found;
}
