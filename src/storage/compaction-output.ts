/**
 * The new segment that a group is cleaned into: batches in, `.cleaned` files out.
 *
 * Nothing is written before the first change when a lone segment is cleaned: what went by until
 * then is the prefix of its file and is copied when it is needed. Every batch is noted in the
 * indexes, whatever the interval of the log is, so that readers can prove offsets that skip.
 *
 * `finish` writes and syncs all files, reads them back and proves them like any segment, and syncs
 * the directory; only then do they mean anything. `discard` removes them, whatever there is.
 */

import { join } from 'node:path';
import { createError } from '../base/errors.js';
import type { BlockingFileSystem, FileDescriptor } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { INDEX_EVERY_BATCH, OFFSET_ENTRY_BYTES } from '../index/index-format.js';
import { HEADER_BYTES } from './batch-format.js';
import { batchBaseTimestamp, hasDeleteHorizon } from './batch-header.js';
import { giveBuffer, takeBuffer } from './cleaner-memory.js';
import type { CleanerControl, GroupTask } from './cleaner-task.js';
import { readWhole, writeFully } from './compaction-files.js';
import { BatchSource, type SourceFile } from './compaction-source.js';
import { syncNames } from './compaction-swap.js';
import { Epochs } from './epochs.js';
import type { Seal } from './seal.js';
import { Segment } from './segment.js';
import { cleanedName, type SegmentSuffix } from './segment-files.js';
import { type AbortedTransaction, encodeTxnIndex } from './transactions.js';

const BUFFER_BYTES = 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);
/** The files of a cleaned segment; the first one holds the batches. */
const SUFFIXES: readonly SegmentSuffix[] = ['log', 'offsetIndex', 'timeIndex', 'txnIndex', 'seal'];

/** How far apart entries are in a segment of so many small batches that not all have room. */
const SPARSE_INTERVAL_BYTES = 4 * 1024;

export class CleanedOutput {
  readonly #fileSystem: BlockingFileSystem;
  readonly #task: GroupTask;
  readonly #control: CleanerControl;
  readonly #files: readonly SourceFile[];
  readonly #epochs: Epochs;
  readonly #segment: Segment;
  readonly #logPath: string;
  #log: FileDescriptor | undefined;
  #isChanged = false;
  #earliestHorizonMs: number | undefined;
  #buffer: Buffer = NO_BYTES;
  #buffered = 0;
  #written = 0;

  /** `files` are those of the task's segments. */
  constructor(
    fileSystem: BlockingFileSystem,
    task: GroupTask,
    files: readonly SourceFile[],
    control: CleanerControl,
  ) {
    const baseOffset = files[0]?.baseOffset ?? 0;
    this.#fileSystem = fileSystem;
    this.#task = task;
    this.#control = control;
    this.#files = files;
    this.#epochs = new Epochs(task.epochs);
    this.#segment = Segment.createActive(task.directory, baseOffset, indexInterval(files, task));
    this.#segment.hasGaps = true;
    this.#segment.firstAppendMs = files[0]?.seal?.firstAppendMs ?? 0;
    this.#logPath = this.#path('log');
  }

  /** Whether a file was begun: something differs from the one segment that went in. */
  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** Of the batches so far; undefined while none has a delete horizon. */
  get earliestHorizonMs(): number | undefined {
    return this.#earliestHorizonMs;
  }

  get records(): number {
    return this.#segment.active().totals.records;
  }

  get bytes(): number {
    return this.#segment.active().totals.bytes;
  }

  /** From now on what comes is not the same as what went in. */
  change(): void {
    if (this.#isChanged) return;
    const prefixBytes = this.bytes;
    this.discard();
    this.#isChanged = true;
    this.#log = this.#fileSystem.open(this.#logPath, 'exclusive');
    this.#buffer = takeBuffer(BUFFER_BYTES);
    if (prefixBytes > 0) this.#copyPrefix(prefixBytes);
  }

  /** Takes a batch that is as it was. */
  addSame(bytes: Buffer, start: number, count: number): void {
    this.#note(bytes, start, count);
    if (this.#isChanged) this.#write(bytes, start, count);
  }

  /** Takes a batch that was rewritten. */
  addRewritten(bytes: Buffer, start: number, count: number): void {
    this.change();
    this.#note(bytes, start, count);
    this.#write(bytes, start, count);
  }

  /** Makes the files complete, durable and proven, under their temporary names. */
  finish(aborted: readonly AbortedTransaction[]): Seal {
    this.change();
    this.#flush();
    this.#giveBuffer();
    this.#syncAndClose();
    const { logId, runningMaxTimestamp, directory } = this.#task;
    const files = this.#segment.toSealedFiles(logId, this.#epochs, runningMaxTimestamp, {
      txnIndex: aborted.length === 0 ? undefined : encodeTxnIndex(aborted),
      // What was known where the last segment ended is known there still: its file stays.
      snapshot: undefined,
      hasProducers: this.#files.at(-1)?.seal?.hasProducers ?? true,
    });
    this.#writeSide('offsetIndex', files.offsetIndex);
    this.#writeSide('timeIndex', files.timeIndex);
    if (files.txnIndex !== undefined) this.#writeSide('txnIndex', files.txnIndex);
    this.#writeSide('seal', files.seal);
    const { seal } = this.#segment;
    if (seal === undefined) throw new RangeError('a sealed segment has a seal');
    this.#prove(seal);
    syncNames(this.#fileSystem, directory);
    return seal;
  }

  /** Removes whatever files there are, as far as that works: the next open removes the rest. */
  discard(): void {
    this.#giveBuffer();
    const log = this.#log;
    this.#log = undefined;
    attempt(() => {
      if (log !== undefined) this.#fileSystem.close(log);
    });
    for (const suffix of SUFFIXES) attempt(() => this.#fileSystem.unlink(this.#path(suffix)));
  }

  #giveBuffer(): void {
    const buffer = this.#buffer;
    this.#buffer = NO_BYTES;
    this.#buffered = 0;
    giveBuffer(buffer);
  }

  #path(suffix: SegmentSuffix): string {
    return join(this.#task.directory, cleanedName(this.#segment.baseOffset, suffix));
  }

  #note(bytes: Buffer, start: number, count: number): void {
    const total = this.bytes + count;
    if (total > limits.segmentBytesMax) {
      const limit = limits.segmentBytesMax;
      throw createError('BATCH_TOO_LARGE', { file: this.#logPath, bytes: total, limit });
    }
    this.#segment.addBatch(bytes, start, count);
    if (!hasDeleteHorizon(bytes, start)) return;
    const horizonMs = batchBaseTimestamp(bytes, start);
    this.#earliestHorizonMs = Math.min(this.#earliestHorizonMs ?? horizonMs, horizonMs);
  }

  #copyPrefix(prefixBytes: number): void {
    const path = this.#files[0]?.path ?? '';
    const source = this.#fileSystem.open(path, 'reading');
    try {
      let position = 0;
      while (position < prefixBytes) {
        const wanted = Math.min(this.#buffer.length, prefixBytes - position);
        const got = this.#fileSystem.read(source, this.#buffer, 0, wanted, position);
        if (got === 0) {
          throw createError('LOG_CORRUPT', { file: path, position, reason: 'the file ends early' });
        }
        this.#buffered = got;
        this.#flush();
        position += got;
      }
    } finally {
      this.#fileSystem.close(source);
    }
  }

  #write(bytes: Buffer, start: number, count: number): void {
    if (this.#buffered + count > this.#buffer.length) this.#flush();
    if (count > this.#buffer.length) {
      this.#writeOut(bytes.subarray(start, start + count), count);
      return;
    }
    this.#buffer.set(bytes.subarray(start, start + count), this.#buffered);
    this.#buffered += count;
  }

  #flush(): void {
    const count = this.#buffered;
    this.#buffered = 0;
    if (count > 0) this.#writeOut(this.#buffer, count);
  }

  #writeOut(bytes: Uint8Array, count: number): void {
    if (this.#log === undefined) return;
    writeFully(this.#fileSystem, this.#log, bytes, count, this.#written, this.#logPath);
    this.#written += count;
    this.#control.progress(count);
  }

  #syncAndClose(): void {
    const log = this.#log;
    if (log === undefined) return;
    this.#fileSystem.datasync(log);
    this.#log = undefined;
    this.#fileSystem.close(log);
  }

  #writeSide(suffix: SegmentSuffix, bytes: Uint8Array): void {
    const path = this.#path(suffix);
    const file = this.#fileSystem.open(path, 'exclusive');
    try {
      writeFully(this.#fileSystem, file, bytes, bytes.length, 0, path);
      this.#fileSystem.datasync(file);
    } finally {
      this.#fileSystem.close(file);
    }
    const stored = readWhole(this.#fileSystem, path, bytes.length);
    if (stored === undefined || Buffer.compare(stored, bytes) !== 0) {
      throw createError('LOG_CORRUPT', { file: path, reason: 'the file is not as it was written' });
    }
    this.#control.progress(bytes.length);
  }

  /** Reads the batches back and proves them, down to the sealed checksum of their headers. */
  #prove(seal: Seal): void {
    const { baseOffset, logBytes, nextOffset } = seal;
    const file = { path: this.#logPath, baseOffset, endOffset: nextOffset, logBytes, seal };
    const source = new BatchSource(this.#fileSystem, [file], this.#epochs, this.#control);
    try {
      while (source.next());
    } finally {
      source.close();
    }
  }
}

/** Carries out what may fail: an error before it is the one that is reported. */
function attempt(act: () => void): void {
  try {
    act();
  } catch {
    // The file is not there, or the next open removes it.
  }
}

/** Every batch has an entry, unless there may be more than an index has room for. */
function indexInterval(files: readonly SourceFile[], task: GroupTask): number {
  const batches = task.segments.reduce((sum, { logBytes }, index) => {
    return sum + (files[index]?.seal?.batches ?? Math.ceil(logBytes / HEADER_BYTES));
  }, 0);
  const hasRoom = batches * OFFSET_ENTRY_BYTES <= limits.indexBytesMax;
  return hasRoom ? INDEX_EVERY_BATCH : SPARSE_INTERVAL_BYTES;
}
