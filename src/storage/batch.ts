/**
 * One batch in the hands of a reader: what its header says, and its records.
 *
 * Iterating gives records that stay valid; it marks the memory as escaped. `cursor()` gives a walk
 * that allocates nothing over memory that is recycled; it marks the batch as borrowed. A compressed
 * batch is inflated at the first of either, once, into memory of its own. The header fields are
 * copied when the batch is made and outlive its memory.
 */

import { type BatchBody, openBody } from './batch-body.js';
import { type BatchCursor, RecordWalker } from './batch-cursor.js';
import {
  batchBaseOffset,
  batchBaseSequence,
  batchBytes,
  batchCodecId,
  batchCount,
  batchEpoch,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerId,
  isControlBatch,
  isTransactionalBatch,
} from './batch-header.js';
import { type BatchMemory, batchEnded } from './batch-memory.js';
import { type CodecName, codecOf } from './compression.js';
import { LogRecord, type RecordPlace } from './record-view.js';

export class Batch implements Iterable<LogRecord> {
  readonly baseOffset: number;
  /** The last offset that the batch covers; compaction may have dropped its record. */
  readonly lastOffset: number;
  readonly nextOffset: number;
  /** Records in the batch, those below `fromOffset` included. */
  readonly count: number;
  /** Size on disk, header included. */
  readonly bytes: number;
  /** The largest timestamp of the records, -1 when there are none. */
  readonly maxTimestamp: number;
  /** The epoch of the writer that appended the batch. */
  readonly epoch: number;
  readonly codec: CodecName | 'unknown';
  /** Whether the records are marks for readers, such as the end of a transaction. */
  readonly isControl: boolean;
  readonly isTransactional: boolean;
  /** -1 without a producer; NaN beyond 2^53. */
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;

  readonly #memory: BatchMemory;
  readonly #position: number;
  readonly #fromOffset: number;
  #body: BatchBody | undefined;
  #isBorrowed = false;
  #isHeld = false;

  /**
   * The batch at `position` of `memory`, which `inspectBatch` accepted. Records with an offset
   * below `fromOffset` are passed over: a reader may start within a batch.
   */
  constructor(memory: BatchMemory, position: number, fromOffset = 0) {
    const { bytes } = memory;
    this.#memory = memory;
    this.#position = position;
    this.#fromOffset = fromOffset;
    this.baseOffset = batchBaseOffset(bytes, position);
    this.lastOffset = this.baseOffset + batchLastOffsetDelta(bytes, position);
    this.nextOffset = this.lastOffset + 1;
    this.count = batchCount(bytes, position);
    this.bytes = batchBytes(bytes, position);
    this.maxTimestamp = batchMaxTimestamp(bytes, position);
    this.epoch = batchEpoch(bytes, position);
    this.codec = codecOf(batchCodecId(bytes, position))?.name ?? 'unknown';
    this.isControl = isControlBatch(bytes, position);
    this.isTransactional = isTransactionalBatch(bytes, position);
    this.producerId = batchProducerId(bytes, position);
    this.producerEpoch = batchProducerEpoch(bytes, position);
    this.baseSequence = batchBaseSequence(bytes, position);
  }

  /** Whether a cursor was taken: the memory may be written over when the reader goes on. */
  get isBorrowed(): boolean {
    return this.#isBorrowed;
  }

  /**
   * The records, as views that stay valid. Throws `BATCH_ENDED`, `LOG_CORRUPT`, a codec's error.
   */
  *[Symbol.iterator](): Generator<LogRecord, void, undefined> {
    const walker = this.#walk();
    if (walker.bytes === this.#memory.bytes) this.#memory.escaped = true;
    while (walker.next()) yield new LogRecord(walker);
  }

  /** @internal All of them at once, without a step of a generator for each. Throws as above. */
  toArray(): LogRecord[] {
    const walker = this.#walk();
    if (walker.bytes === this.#memory.bytes) this.#memory.escaped = true;
    const records: LogRecord[] = [];
    while (walker.next()) records.push(new LogRecord(walker));
    return records;
  }

  /**
   * The records as `make` makes them of the place it is shown, which moves on; what is undefined is
   * passed over. Throws as above.
   */
  *recordsBy<Made>(
    make: (place: RecordPlace) => Made | undefined,
  ): Generator<Made, void, undefined> {
    const walker = this.#walk();
    if (walker.bytes === this.#memory.bytes) this.#memory.escaped = true;
    while (walker.next()) {
      const made = make(walker);
      if (made !== undefined) yield made;
    }
  }

  /**
   * The bytes of the whole batch, header included, as they are on disk: a view that stays valid.
   * Throws BATCH_ENDED.
   */
  raw(): Uint8Array {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    this.#memory.escaped = true;
    return this.#memory.bytes.subarray(this.#position, this.#position + this.bytes);
  }

  /** @internal The batch outlives the read: its memory is not written again before `release`. */
  hold(): void {
    this.#isHeld = true;
    this.#memory.holds += 1;
  }

  /** @internal Cursors of it, too, stay valid: its memory is not written again at all. */
  keep(): void {
    this.#memory.escaped = true;
  }

  /** @internal Whether it outlives the read. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** @internal A batch that was held is done with: cursors of it end, records stay as they are. */
  release(): void {
    const memory = this.#memory;
    if (!this.#isBorrowed) memory.escaped = true;
    memory.holds -= 1;
    if (memory.holds === 0) memory.freed?.();
  }

  /** A walk that allocates nothing per record, valid until the reader goes on. Throws as above. */
  cursor(): BatchCursor {
    const walker = this.#walk();
    this.#isBorrowed = true;
    return walker;
  }

  #walk(): RecordWalker {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    this.#body ??= openBody(this.#memory, this.#position);
    return new RecordWalker(this.#memory, this.#position, this.#body, this.#fromOffset);
  }
}
