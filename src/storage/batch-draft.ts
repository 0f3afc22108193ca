/**
 * A batch that grows in memory of its own, record by record, and is appended as a ready-made one.
 *
 * Who collects records of many callers encodes each of them once, as it comes, instead of keeping
 * copies of them: that costs one more copy of the finished bytes and their proof by the log, and no
 * object per record. Its memory is used again for the next batch.
 */

import { assert } from '../base/assert.js';
import { writeInt16, writeInt32, writeInt64 } from '../base/bytes.js';
import type { ProducerStamp } from './append-options.js';
import { compressBatch } from './batch-compress.js';
import { BatchBuilder } from './batch-encoder.js';
import {
  BASE_SEQUENCE_POSITION,
  HEADER_BYTES,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
} from './batch-format.js';
import { stampCrc } from './batch-header.js';
import type { CodecName } from './compression.js';
import type { RecordInput } from './record.js';

const MEMORY_BYTES_MIN = 4 * 1024;
/** No codec grows its input by more than a sixth of it, and this. */
const COMPRESSED_EXTRA_BYTES = 1024;

export class BatchDraft {
  readonly #builder = new BatchBuilder();
  #memory: Buffer = Buffer.allocUnsafeSlow(MEMORY_BYTES_MIN);
  #finished: Buffer | undefined;

  /** Bytes of its memory. */
  get capacity(): number {
    return this.#memory.length;
  }

  /** Records in it. */
  get count(): number {
    return this.#builder.count;
  }

  /** Makes room for records of up to `bytes` encoded bytes, beginning the batch if need be. */
  reserve(bytes: number): void {
    const builder = this.#builder;
    if (!builder.isOpen) {
      const needed = HEADER_BYTES + bytes;
      if (needed > this.#memory.length) this.#memory = memoryFor(needed);
      this.#finished = undefined;
      builder.begin(this.#memory, 0, this.#memory.length, 0, 0);
      return;
    }
    const needed = builder.bytes + bytes;
    if (needed <= this.#memory.length) return;
    this.#memory = memoryFor(needed);
    builder.moveTo(this.#memory);
  }

  /** Adds a record that was checked, and for which room was reserved; its bytes are copied. */
  add(record: RecordInput, nowMs: number): void {
    const { key, value, headers, timestamp } = record;
    const isAdded = this.#builder.add(key, value, headers, timestamp ?? nowMs);
    assert(isAdded, 'room was reserved for the record');
  }

  /**
   * Completes the batch, or gives a completed one other numbers. The bytes are the draft's: they
   * hold until the next batch is begun.
   */
  finish(producer: ProducerStamp | undefined, codec: CodecName): Uint8Array {
    const finished = this.#finished;
    if (finished !== undefined) {
      if (producer !== undefined) restamp(finished, producer);
      return finished;
    }
    if (producer !== undefined) {
      const { isTransactional = false } = producer;
      this.#builder.producer({ ...producer, isTransactional });
    }
    const plain = this.#memory.subarray(0, this.#builder.finish());
    this.#finished = codec === 'none' ? plain : compressed(plain, codec);
    return this.#finished;
  }

  /** Lets go of a batch that was begun and not finished. */
  abandon(): void {
    if (this.#builder.isOpen) this.#builder.abandon();
  }
}

function memoryFor(bytes: number): Buffer {
  let size = MEMORY_BYTES_MIN;
  while (size < bytes) size *= 2;
  return Buffer.allocUnsafeSlow(size);
}

function compressed(plain: Buffer, codec: CodecName): Buffer {
  const room = plain.length + Math.ceil(plain.length / 6) + COMPRESSED_EXTRA_BYTES;
  const target = Buffer.allocUnsafe(room);
  const bytes = compressBatch(codec, plain, 0, target, 0, room);
  assert(bytes !== 'does-not-fit', 'there is room for the worst case');
  return target.subarray(0, bytes);
}

/** Whether the batch is part of a transaction does not change. */
function restamp(batch: Buffer, producer: ProducerStamp): void {
  writeInt64(batch, PRODUCER_ID_POSITION, Number(producer.producerId));
  writeInt16(batch, PRODUCER_EPOCH_POSITION, producer.producerEpoch);
  writeInt32(batch, BASE_SEQUENCE_POSITION, producer.baseSequence);
  stampCrc(batch, 0);
}
