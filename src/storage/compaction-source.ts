/**
 * Walks the batches of sealed segments for a cleaner, with synchronous calls, and proves each one
 * before it is shown.
 *
 * A batch must verify by itself (checksum, lengths), continue the log, and belong to the epoch of
 * its offset. When a segment has a seal, the headers of all its batches must be those that were
 * sealed: that covers what Kafka's checksum leaves out, also where offsets may skip. Anything else
 * is `LOG_CORRUPT` with file and position: damage is never copied into a new file.
 *
 * Memory is one chunk, or one batch when that is larger. The batch that is shown may be changed in
 * place: it is not read again.
 */

import { crc32c } from '../base/crc32c.js';
import { createError, type MillraceError } from '../base/errors.js';
import type { BlockingFileSystem, FileDescriptor } from '../base/file-system.js';
import { ENTRY_VALUE_MAX } from '../index/index-format.js';
import { inspectBatch } from './batch-decoder.js';
import { HEADER_BYTES } from './batch-format.js';
import { batchBytes, batchCount, batchNextOffset } from './batch-header.js';
import { type BatchMemory, createBatchMemory } from './batch-memory.js';
import { type BatchFault, continuityFault } from './batch-scan.js';
import { giveBuffer, takeBuffer } from './cleaner-memory.js';
import type { CleanerControl } from './cleaner-task.js';
import type { Epochs } from './epochs.js';
import type { Seal } from './seal.js';

const CHUNK_BYTES = 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

/** A segment file as the source reads it. */
export interface SourceFile {
  readonly path: string;
  readonly baseOffset: number;
  /** No offset of the segment reaches it. */
  readonly endOffset: number;
  readonly logBytes: number;
  /** Absent when it is not believed; offsets may then skip. */
  readonly seal: Seal | undefined;
}

export class BatchSource {
  /** The batch that is shown lies at `start` of `memory`; both change with the next step. */
  memory: BatchMemory = createBatchMemory(Buffer.alloc(0), '', 0);
  start = 0;
  /** Its size in bytes. */
  count = 0;
  readonly #fileSystem: BlockingFileSystem;
  readonly #files: readonly SourceFile[];
  readonly #epochs: Epochs;
  readonly #control: CleanerControl;
  #chunk: Buffer;
  #file: FileDescriptor | undefined;
  #fileIndex = -1;
  #logBytes = 0;
  /** Bytes of the chunk that are filled, and where in the file its first one lies. */
  #available = 0;
  #chunkPosition = 0;
  #batches = 0;
  #records = 0;
  #headersCrc = 0;
  #nextOffset = 0;
  #bytesRead = 0;

  constructor(
    fileSystem: BlockingFileSystem,
    files: readonly SourceFile[],
    epochs: Epochs,
    control: CleanerControl,
  ) {
    this.#fileSystem = fileSystem;
    this.#files = files;
    this.#epochs = epochs;
    this.#control = control;
    const bytesMax = files.reduce((most, { logBytes }) => Math.max(most, logBytes), HEADER_BYTES);
    this.#chunk = takeBuffer(Math.min(CHUNK_BYTES, bytesMax));
  }

  /** Bytes read from files so far. */
  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** Whether the batch that is shown ends the last segment. */
  get isLast(): boolean {
    if (this.position + this.count < this.#logBytes) return false;
    for (let index = this.#fileIndex + 1; index < this.#files.length; index += 1) {
      if (this.#fileAt(index).logBytes > 0) return false;
    }
    return true;
  }

  /** Where in its file the batch that is shown lies. */
  get position(): number {
    return this.#chunkPosition + this.start;
  }

  /** Shows the next batch; false behind the last one. Throws `LOG_CORRUPT`. */
  next(): boolean {
    this.start += this.count;
    this.count = 0;
    while (this.position >= this.#logBytes) {
      if (!this.#openNext()) return false;
    }
    const bytes = this.#chunk;
    let outcome = inspectBatch(bytes, this.start, this.#available - this.start);
    if (outcome === 'need-more-bytes' && this.#chunkPosition + this.#available < this.#logBytes) {
      this.#fill();
      outcome = inspectBatch(this.#chunk, this.start, this.#available - this.start);
    }
    if (outcome === 'need-more-bytes') outcome = this.#growFor();
    if (outcome !== 'batch') throw this.#corrupt({ reason: outcome });
    this.#prove();
    return true;
  }

  /** Closes what is open and gives its memory back: no batch may be looked at any more. */
  close(): void {
    const chunk = this.#chunk;
    this.#chunk = NO_BYTES;
    giveBuffer(chunk);
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file === undefined) return;
    const file = this.#file;
    this.#file = undefined;
    this.#fileSystem.close(file);
  }

  /** The error of a batch that is shown. */
  corrupt(reason: string): MillraceError {
    return this.#corrupt({ reason });
  }

  #fileAt(index: number): SourceFile {
    const file = this.#files[index];
    if (file === undefined) throw new RangeError('a file of the source');
    return file;
  }

  #openNext(): boolean {
    if (this.#fileIndex >= 0) this.#finishFile();
    this.#closeFile();
    if (this.#fileIndex + 1 >= this.#files.length) return false;
    this.#fileIndex += 1;
    const { path, baseOffset, logBytes } = this.#fileAt(this.#fileIndex);
    this.#file = this.#fileSystem.open(path, 'reading');
    this.#logBytes = logBytes;
    this.#chunkPosition = 0;
    this.#available = 0;
    this.start = 0;
    this.#batches = 0;
    this.#records = 0;
    this.#headersCrc = 0;
    this.#nextOffset = baseOffset;
    if (logBytes > 0) this.#fill();
    return true;
  }

  /** Moves the bytes from `start` on to the front and reads as much behind them as there is. */
  #fill(): void {
    const chunk = this.#chunk;
    const kept = this.#available - this.start;
    if (this.start > 0 && kept > 0) chunk.copyWithin(0, this.start, this.#available);
    this.#chunkPosition += this.start;
    this.start = 0;
    this.#available = kept;
    const left = this.#logBytes - this.#chunkPosition;
    const wanted = Math.min(chunk.length, left);
    while (this.#available < wanted && this.#file !== undefined) {
      const got = this.#fileSystem.read(
        this.#file,
        chunk,
        this.#available,
        wanted - this.#available,
        this.#chunkPosition + this.#available,
      );
      if (got === 0) throw this.#corrupt({ reason: 'the file ends early' });
      this.#available += got;
    }
    const read = this.#available - kept;
    this.#bytesRead += read;
    const { path } = this.#fileAt(this.#fileIndex);
    this.memory = createBatchMemory(chunk, path, this.#chunkPosition);
    this.#control.progress(read);
  }

  /** Takes a batch that is larger than the chunk; the file has all of it, or it is no batch. */
  #growFor(): ReturnType<typeof inspectBatch> {
    if (this.#available - this.start < HEADER_BYTES) return 'need-more-bytes';
    const wanted = batchBytes(this.#chunk, this.start);
    if (wanted > this.#logBytes - this.position) return 'need-more-bytes';
    const chunk = takeBuffer(wanted);
    chunk.set(this.#chunk.subarray(this.start, this.#available), 0);
    giveBuffer(this.#chunk);
    this.#chunk = chunk;
    this.#chunkPosition += this.start;
    this.#available -= this.start;
    this.start = 0;
    this.#fill();
    return inspectBatch(chunk, 0, this.#available);
  }

  /** Checks that the batch continues the log, and counts it. */
  #prove(): void {
    const { start } = this;
    const bytes = this.#chunk;
    const { seal, baseOffset, endOffset } = this.#fileAt(this.#fileIndex);
    const fault = continuityFault(bytes, start, {
      nextOffset: this.#nextOffset,
      hasGaps: seal?.hasGaps ?? true,
      epochs: this.#epochs,
      offsetMax: Math.min(endOffset - 1, baseOffset + ENTRY_VALUE_MAX),
    });
    if (fault !== undefined) throw this.#corrupt(fault);
    this.count = batchBytes(bytes, start);
    this.#nextOffset = batchNextOffset(bytes, start);
    this.#batches += 1;
    this.#records += batchCount(bytes, start);
    this.#headersCrc = crc32c(bytes, start, start + HEADER_BYTES, this.#headersCrc);
  }

  /** Compares what was walked with what was sealed. */
  #finishFile(): void {
    const { seal } = this.#fileAt(this.#fileIndex);
    if (seal === undefined) return;
    this.#expect('the headers are not those that were sealed', seal.headersCrc, this.#headersCrc);
    this.#expect('the batches are not as many as were sealed', seal.batches, this.#batches);
    this.#expect('the records are not as many as were sealed', seal.records, this.#records);
    this.#expect('the last offset is not the sealed one', seal.nextOffset, this.#nextOffset);
  }

  #expect(reason: string, expected: number, actual: number): void {
    if (expected !== actual) throw this.#corrupt({ reason, expected, actual });
  }

  #corrupt({ reason, expected, actual }: BatchFault): MillraceError {
    const { path } = this.#fileAt(this.#fileIndex);
    return createError('LOG_CORRUPT', {
      file: path,
      position: this.position,
      offset: this.#nextOffset,
      reason,
      expected,
      actual,
    });
  }
}
