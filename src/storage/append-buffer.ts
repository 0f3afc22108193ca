/**
 * Where records become batches: the open batch, and the slab it grows in.
 *
 * Records are encoded straight into a slab. Records of separate appends share a batch up to
 * `naturalBatchBytes`; the records of one append are never divided. A finished batch is handed to
 * the owner, who says which file and position its bytes go to; bytes of several batches lie side
 * by side in a slab, so one write takes them all.
 *
 * Memory is bounded by `bufferBytes` (at least one slab): beyond it `reserve` answers 'full' until
 * the owner releases a slab that was written.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';
import { copyBytes } from './batch-bytes-copy.js';
import { compressBatch } from './batch-compress.js';
import { BatchBuilder, type ProducerFields } from './batch-encoder.js';
import { HEADER_BYTES } from './batch-format.js';
import { batchNextOffset, stampBaseOffset, stampEpoch } from './batch-header.js';
import type { CodecName } from './compression.js';
import type { RecordInput } from './record.js';
import type { Slab, Writer } from './writer.js';

/** A slab in use, and how many of its writes have not come back. */
export interface SlabUse {
  readonly slab: Slab;
  /** Writes of this slab that were not answered yet. */
  pendingWrites: number;
  /** No batch is added any more. */
  isClosed: boolean;
}

export interface AppendBufferOptions {
  readonly bufferBytes: number;
  readonly compression: CodecName;
}

/** Takes a finished batch: bytes [start, start + bytes) of the slab. */
export type OnBatch = (use: SlabUse, start: number, bytes: number) => void;

const LARGE_SLAB_BYTES = 1024 * 1024;

export class AppendBuffer {
  readonly #writer: Writer;
  readonly #options: AppendBufferOptions;
  readonly #onBatch: OnBatch;
  readonly #onSlabClosed: () => void;
  readonly #endReclaim: () => void;
  readonly #builder = new BatchBuilder();
  /** Where a batch grows that is compressed when it is finished. */
  #scratch: Uint8Array | undefined;
  #use: SlabUse | undefined;
  /** End of the finished batches in the current slab. */
  #used = 0;
  #heldBytes = 0;
  /** How large the open batch may grow, in bytes. */
  #openLimit = 0;
  #nextOffset: number;
  #epoch = 0;

  constructor(
    writer: Writer,
    options: AppendBufferOptions,
    nextOffset: number,
    onBatch: OnBatch,
    onSlabClosed: () => void,
  ) {
    this.#writer = writer;
    this.#options = options;
    this.#nextOffset = nextOffset;
    this.#onBatch = onBatch;
    this.#onSlabClosed = onSlabClosed;
    this.#endReclaim = writer.onPressure(() => this.#reclaim());
  }

  /** The offset that the next record gets. */
  get nextOffset(): number {
    return this.#builder.isOpen ? this.#builder.nextOffset : this.#nextOffset;
  }

  /** Whether records wait in the open batch. */
  get hasOpenBatch(): boolean {
    return this.#builder.isOpen && this.#builder.count > 0;
  }

  /** Bytes of the slabs that are in use. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The epoch that batches begun from now on carry. */
  set epoch(epoch: number) {
    assert(!this.#builder.isOpen, 'the epoch changes between batches');
    this.#epoch = epoch;
  }

  /**
   * Makes sure that records of up to `bytes` encoded bytes fit into the open batch, beginning one
   * if need be. `isPressed`: writes are in flight, so larger slabs pay.
   */
  reserve(bytes: number, isPressed: boolean): 'ready' | 'full' {
    assert(bytes > 0, 'records have bytes');
    if (this.#builder.isOpen) {
      if (this.#builder.bytes + bytes <= this.#openLimit) return 'ready';
      this.finishBatch();
    }
    const needed = HEADER_BYTES + bytes;
    if (this.#options.compression !== 'none') return this.#beginCompressed(needed, isPressed);
    if (!this.#hasRoom(needed) && this.#nextSlab(needed, isPressed) === 'full') return 'full';
    const use = this.#use;
    assert(use !== undefined, 'there is a slab');
    const target = use.slab.bytes;
    const limit = Math.min(target.length, this.#used + Math.max(needed, limits.naturalBatchBytes));
    this.#builder.begin(target, this.#used, limit, this.#nextOffset, this.#epoch);
    this.#openLimit = limit - this.#used;
    return 'ready';
  }

  /** Adds a record for which room was reserved. */
  add(record: RecordInput, nowMs: number): void {
    const { key, value, headers, timestamp } = record;
    const isAdded = this.#builder.add(key, value, headers, timestamp ?? nowMs);
    assert(isAdded, 'room was reserved for the record');
  }

  /** Sets what a producer adds to the batch, which holds no record yet. */
  stamp(fields: ProducerFields): void {
    assert(this.#builder.count === 0, 'a producer has a batch of its own');
    this.#builder.producer(fields);
  }

  /**
   * Copies a ready-made batch in and hands it on: its base offset, or 'full'. It stays as it is but
   * for the offset and the epoch, which its checksum does not cover.
   */
  addReady(batch: Uint8Array, isPressed: boolean): number | 'full' {
    assert(!this.#builder.isOpen, 'the batch before was finished');
    const { length } = batch;
    if (!this.#hasRoom(length) && this.#nextSlab(length, isPressed) === 'full') return 'full';
    const use = this.#use;
    assert(use !== undefined, 'there is a slab');
    const { bytes } = use.slab;
    const start = this.#used;
    const baseOffset = this.#nextOffset;
    copyBytes(asBuffer(bytes), bytes.buffer instanceof SharedArrayBuffer, start, batch);
    stampBaseOffset(bytes, start, baseOffset);
    stampEpoch(bytes, start, this.#epoch);
    this.#nextOffset = batchNextOffset(bytes, start);
    this.#used = start + length;
    this.#onBatch(use, start, length);
    return baseOffset;
  }

  /** Finishes the open batch, if there is one, and hands it on. */
  finishBatch(): void {
    if (!this.#builder.isOpen) return;
    if (this.#builder.count === 0) {
      this.#builder.abandon();
      return;
    }
    const bytes = this.#builder.finish();
    this.#nextOffset = this.#builder.nextOffset;
    const use = this.#use;
    assert(use !== undefined, 'there is a slab');
    const start = this.#used;
    const stored = this.#options.compression === 'none' ? bytes : this.#compress(use, start, bytes);
    this.#used = start + stored;
    this.#onBatch(use, start, stored);
  }

  /** Closes the current slab, so that it is released once its writes are back. */
  closeSlab(): void {
    assert(!this.#builder.isOpen, 'the batch is finished before its slab is closed');
    const use = this.#use;
    if (use === undefined) return;
    this.#use = undefined;
    this.#used = 0;
    use.isClosed = true;
    this.releaseIfDone(use);
  }

  /** Gives a closed slab back once nothing of it is in flight. */
  releaseIfDone(use: SlabUse): void {
    if (!use.isClosed || use.pendingWrites > 0) return;
    this.#heldBytes -= use.slab.bytes.length;
    this.#writer.releaseSlab(use.slab);
  }

  /** Gives everything back; the log is closed. */
  close(): void {
    this.#endReclaim();
    if (this.#builder.isOpen) this.#builder.abandon();
    this.closeSlab();
  }

  /** Another log needs memory: a slab of which nothing is in flight goes. */
  #reclaim(): void {
    if (this.#use === undefined || this.#use.pendingWrites > 0 || this.hasOpenBatch) return;
    if (this.#builder.isOpen) this.#builder.abandon();
    this.closeSlab();
  }

  /** Forgets everything that was not written; numbering goes on at `nextOffset`. */
  discard(nextOffset: number): void {
    if (this.#builder.isOpen) this.#builder.abandon();
    this.#nextOffset = nextOffset;
    this.closeSlab();
  }

  #hasRoom(needed: number): boolean {
    return this.#use !== undefined && this.#used + needed <= this.#use.slab.bytes.length;
  }

  #nextSlab(needed: number, isPressed: boolean): 'ready' | 'full' {
    const hadSlab = this.#use !== undefined;
    if (hadSlab) this.closeSlab();
    if (hadSlab) this.#onSlabClosed();
    const wanted = isPressed || hadSlab ? LARGE_SLAB_BYTES : limits.slabBytesSmall;
    const bytes = Math.max(needed, Math.min(wanted, this.#options.bufferBytes));
    if (this.#heldBytes > 0 && this.#heldBytes + bytes > this.#options.bufferBytes) return 'full';
    const slab = this.#writer.acquireSlab(bytes);
    if (slab === undefined) return 'full';
    this.#heldBytes += slab.bytes.length;
    this.#use = { slab, pendingWrites: 0, isClosed: false };
    this.#used = 0;
    return 'ready';
  }

  /** A compressed batch grows aside; its slab must take it even if it does not shrink. */
  #beginCompressed(needed: number, isPressed: boolean): 'ready' | 'full' {
    const bytes = Math.max(needed, limits.naturalBatchBytes);
    const worst = compressedBound(bytes);
    if (!this.#hasRoom(worst) && this.#nextSlab(worst, isPressed) === 'full') return 'full';
    if (this.#scratch === undefined || this.#scratch.length < bytes) {
      this.#scratch = new Uint8Array(bytes);
    }
    this.#builder.begin(this.#scratch, 0, bytes, this.#nextOffset, this.#epoch);
    this.#openLimit = bytes;
    return 'ready';
  }

  #compress(use: SlabUse, start: number, bytes: number): number {
    const scratch = this.#scratch;
    assert(scratch !== undefined, 'a compressed batch grew aside');
    const target = use.slab.bytes;
    const room = target.length;
    const stored = compressBatch(this.#options.compression, scratch, 0, target, start, room);
    assert(stored !== 'does-not-fit', 'the slab has room for the worst case');
    assert(stored <= compressedBound(bytes), 'a codec grows its input by a bounded amount');
    return stored;
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** No codec of the table grows its input by more than this (snappy's bound is the largest). */
function compressedBound(bytes: number): number {
  return bytes + Math.ceil(bytes / 6) + 1024;
}
