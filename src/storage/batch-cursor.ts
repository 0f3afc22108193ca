/**
 * Walks the records of one batch without allocating: one step per record, fields instead of
 * objects.
 *
 * Every step validates the record it stops at, down to its headers, before it shows any of it:
 * lengths lie within the record, the record within the body, offsets rise within the batch, and the
 * last record ends where the body ends. Whatever the bytes are, a walk reads nothing outside the
 * batch, takes at most one step per record of the header's count, and ends or throws `LOG_CORRUPT`.
 *
 * What a cursor shows is borrowed: it is gone at the next step, and the memory behind it is written
 * over when the reader goes on. Views are typed so that keeping one shows in the code; the copying
 * methods are for what is kept.
 */

import { createError, type MillraceError } from '../base/errors.js';
import type { BatchBody } from './batch-body.js';
import { NULL_LENGTH, RECORD_ATTRIBUTES_BYTES, RECORD_BODY_BYTES_MIN } from './batch-format.js';
import {
  batchBaseOffset,
  batchBaseTimestamp,
  batchCount,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  isLogAppendTimeBatch,
} from './batch-header.js';
import { type BatchMemory, batchEnded } from './batch-memory.js';
import type { RecordHeader } from './record.js';
import { copyHeaders, copyOf, copyRecord, type LogRecord, viewOf } from './record-view.js';
import { readVarint, readVarlong, varintEnd } from './varint.js';

/** A header has a key and a value, whose lengths take a byte at least. */
const HEADER_BYTES_MIN = 2;

/** Of a plain record: length, attributes, deltas, and the length of the key. */
const PLAIN_FIELDS_BYTES_MAX = 7;
/** The largest zig-zag value of two bytes. */
const PLAIN_ZIGZAG_MAX = 0x3fff;
/** A length of -1. */
const NULL_ZIGZAG = 1;

declare const borrowed: unique symbol;

/** Bytes that are gone at the next step of the cursor that gave them. */
export type BorrowedBytes = Buffer & { readonly [borrowed]: true };

/**
 * The record at which a cursor stands. It can be taken for neither a `LogRecord` nor an input: its
 * `key`, `value` and `headers` are functions.
 */
export interface BorrowedRecord {
  readonly offset: number;
  /** Milliseconds since 1970; -1 when the producer gave none. */
  readonly timestamp: number;
  /** The memory in which the positions below lie. */
  readonly bytes: Uint8Array;
  readonly keyStart: number;
  /** Exclusive; -1 without a key. */
  readonly keyEnd: number;
  readonly valueStart: number;
  /** Exclusive; -1 in a tombstone. */
  readonly valueEnd: number;
  readonly headerCount: number;
  /** A view, until the next step. */
  key(): BorrowedBytes | null;
  /** A view, until the next step. */
  value(): BorrowedBytes | null;
  copyKey(): Buffer | null;
  copyValue(): Buffer | null;
  copyHeaders(): readonly RecordHeader[];
  /** The whole record in memory of its own. */
  copy(): LogRecord;
}

export interface BatchCursor extends BorrowedRecord {
  /** Steps to the next record; false behind the last one. Throws `BATCH_ENDED`, `LOG_CORRUPT`. */
  next(): boolean;
}

/** The cursor, with fields that its owner alone may write. */
export class RecordWalker implements BatchCursor {
  readonly bytes: Buffer;
  keyStart = 0;
  keyEnd = -1;
  valueStart = 0;
  valueEnd = -1;
  headerCount = 0;
  /** Behind the header count of the record. */
  headersStart = 0;

  readonly #memory: BatchMemory;
  readonly #batchPosition: number;
  readonly #end: number;
  readonly #count: number;
  readonly #baseOffset: number;
  readonly #lastOffsetDelta: number;
  readonly #baseTimestamp: number;
  /** With append time every record has the batch's largest timestamp. */
  readonly #isAppendTime: boolean;
  readonly #maxTimestamp: number;
  readonly #offsetDeltaMin: number;
  #index = 0;
  #offsetDelta = -1;
  #timestampDelta = 0;
  /** The first byte that was not read yet. */
  #position: number;

  /**
   * `position` is that of the batch in `memory` and `body` its records; those with an offset below
   * `fromOffset` are passed over.
   */
  constructor(memory: BatchMemory, position: number, body: BatchBody, fromOffset: number) {
    const header = memory.bytes;
    this.bytes = body.bytes;
    this.#memory = memory;
    this.#batchPosition = position;
    this.#position = body.start;
    this.#end = body.end;
    this.#count = batchCount(header, position);
    this.#baseOffset = batchBaseOffset(header, position);
    this.#lastOffsetDelta = batchLastOffsetDelta(header, position);
    this.#baseTimestamp = batchBaseTimestamp(header, position);
    this.#isAppendTime = isLogAppendTimeBatch(header, position);
    this.#maxTimestamp = batchMaxTimestamp(header, position);
    this.#offsetDeltaMin = Math.max(fromOffset - this.#baseOffset, 0);
  }

  get offset(): number {
    return this.#baseOffset + this.#offsetDelta;
  }

  /** The position behind the record, in `bytes`; the next record starts there. */
  get recordEnd(): number {
    return this.#position;
  }

  get timestamp(): number {
    return this.#isAppendTime ? this.#maxTimestamp : this.#baseTimestamp + this.#timestampDelta;
  }

  next(): boolean {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    do {
      if (this.#index === this.#count) {
        if (this.#position !== this.#end) throw this.#corrupt('bytes behind the last record');
        return false;
      }
      if (!this.#stepPlain()) this.#step();
    } while (this.#offsetDelta < this.#offsetDeltaMin);
    return true;
  }

  key(): BorrowedBytes | null {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    return viewOf(this.bytes, this.keyStart, this.keyEnd) as BorrowedBytes | null;
  }

  value(): BorrowedBytes | null {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    return viewOf(this.bytes, this.valueStart, this.valueEnd) as BorrowedBytes | null;
  }

  copyKey(): Buffer | null {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    return copyOf(this.bytes, this.keyStart, this.keyEnd);
  }

  copyValue(): Buffer | null {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    return copyOf(this.bytes, this.valueStart, this.valueEnd);
  }

  copyHeaders(): readonly RecordHeader[] {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    return copyHeaders(this.bytes, this.headersStart, this.headerCount);
  }

  copy(): LogRecord {
    if (this.#memory.ended) throw batchEnded(this.#memory);
    return copyRecord(this);
  }

  /**
   * What {@link #step} does, for records without headers whose fields are short, which are nearly
   * all: 15 instead of 25 ns (Node 20). False when the next one is another kind, or not valid:
   * nothing has changed then, and `#step` tells which.
   */
  #stepPlain(): boolean {
    const { bytes } = this;
    let position = this.#position;
    // Every field up to the key's length can be read; beyond the key it is asked again.
    if (position + PLAIN_FIELDS_BYTES_MAX > this.#end) return false;
    let zigzag = bytes[position] as number;
    position += 1;
    if (zigzag >= 0x80) {
      zigzag = ((bytes[position] as number) << 7) | (zigzag & 0x7f);
      position += 1;
    }
    if ((zigzag & 1) !== 0 || zigzag > PLAIN_ZIGZAG_MAX) return false;
    const end = position + (zigzag >>> 1);
    if (end > this.#end) return false;

    const timestampZigzag = bytes[position + RECORD_ATTRIBUTES_BYTES] as number;
    if (timestampZigzag >= 0x80) return false;
    position += RECORD_ATTRIBUTES_BYTES + 1;

    zigzag = bytes[position] as number;
    position += 1;
    if (zigzag >= 0x80) {
      zigzag = ((bytes[position] as number) << 7) | (zigzag & 0x7f);
      position += 1;
    }
    if ((zigzag & 1) !== 0 || zigzag > PLAIN_ZIGZAG_MAX) return false;
    const offsetDelta = zigzag >>> 1;
    if (offsetDelta <= this.#offsetDelta || offsetDelta > this.#lastOffsetDelta) return false;

    const keyZigzag = bytes[position] as number;
    position += 1;
    const keyStart = position;
    const hasKey = keyZigzag !== NULL_ZIGZAG;
    if (hasKey) {
      if (keyZigzag >= 0x80 || (keyZigzag & 1) !== 0) return false;
      position += keyZigzag >>> 1;
    }
    const keyEnd = hasKey ? position : -1;

    if (position + 2 > end) return false;
    zigzag = bytes[position] as number;
    position += 1;
    if (zigzag >= 0x80) {
      zigzag = ((bytes[position] as number) << 7) | (zigzag & 0x7f);
      position += 1;
    }
    if ((zigzag & 1) !== 0 || zigzag > PLAIN_ZIGZAG_MAX) return false;
    const valueEnd = position + (zigzag >>> 1);
    if (valueEnd + 1 !== end || bytes[valueEnd] !== 0) return false;

    this.#timestampDelta = (timestampZigzag >>> 1) ^ -(timestampZigzag & 1);
    this.#offsetDelta = offsetDelta;
    this.keyStart = keyStart;
    this.keyEnd = keyEnd;
    this.valueStart = position;
    this.valueEnd = valueEnd;
    this.headerCount = 0;
    this.headersStart = end;
    this.#position = end;
    this.#index += 1;
    return true;
  }

  /**
   * Validates the next record and stands at it. A varint that reaches beyond its end reads as
   * `MALFORMED`, which every range below leaves out.
   */
  #step(): void {
    const { bytes } = this;
    let position = this.#position;
    const length = readVarint(bytes, position, this.#end);
    if (length < RECORD_BODY_BYTES_MIN) throw this.#corrupt('record length');
    position = varintEnd(bytes, position);
    const end = position + length;
    if (end > this.#end) throw this.#corrupt('record length');
    position += RECORD_ATTRIBUTES_BYTES;

    const timestampDelta = readVarlong(bytes, position, end);
    if (Number.isNaN(timestampDelta)) throw this.#corrupt('timestamp delta');
    this.#timestampDelta = timestampDelta;
    position = varintEnd(bytes, position);

    const offsetDelta = readVarint(bytes, position, end);
    if (offsetDelta <= this.#offsetDelta) throw this.#corrupt('offset delta');
    if (offsetDelta > this.#lastOffsetDelta) throw this.#corrupt('offset delta');
    this.#offsetDelta = offsetDelta;
    position = varintEnd(bytes, position);

    const keyBytes = readVarint(bytes, position, end);
    if (keyBytes < NULL_LENGTH) throw this.#corrupt('key length');
    position = varintEnd(bytes, position);
    this.keyStart = position;
    if (keyBytes >= 0) position += keyBytes;
    this.keyEnd = keyBytes < 0 ? -1 : position;

    const valueBytes = readVarint(bytes, position, end);
    if (valueBytes < NULL_LENGTH) throw this.#corrupt('value length');
    position = varintEnd(bytes, position);
    this.valueStart = position;
    if (valueBytes >= 0) position += valueBytes;
    this.valueEnd = valueBytes < 0 ? -1 : position;

    const headerCount = readVarint(bytes, position, end);
    if (headerCount < 0) throw this.#corrupt('header count');
    position = varintEnd(bytes, position);
    this.headerCount = headerCount;
    this.headersStart = position;
    if (headerCount > 0) position = this.#passHeaders(position, headerCount, end);
    if (position !== end) throw this.#corrupt('record length');
    this.#position = end;
    this.#index += 1;
  }

  /** The position behind `count` headers. */
  #passHeaders(position: number, count: number, end: number): number {
    if (count > (end - position) / HEADER_BYTES_MIN) throw this.#corrupt('header count');
    const { bytes } = this;
    for (let header = 0; header < count; header += 1) {
      const keyBytes = readVarint(bytes, position, end);
      if (keyBytes < 0) throw this.#corrupt('header key length');
      position = varintEnd(bytes, position) + keyBytes;
      const valueBytes = readVarint(bytes, position, end);
      if (valueBytes < NULL_LENGTH) throw this.#corrupt('header value length');
      position = varintEnd(bytes, position);
      if (valueBytes > 0) position += valueBytes;
    }
    return position;
  }

  #corrupt(reason: string): MillraceError {
    const memory = this.#memory;
    return createError('LOG_CORRUPT', {
      file: memory.file,
      position: memory.filePosition + this.#batchPosition,
      baseOffset: this.#baseOffset,
      record: this.#index,
      reason,
    });
  }
}
