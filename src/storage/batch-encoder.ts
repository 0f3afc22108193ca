/**
 * Encodes records into one growing batch, straight into the memory that is written to disk.
 *
 * A builder is made once and reused for ever: `begin` opens a batch in a range of a slab, `add`
 * puts one record behind the last, `finish` writes the header and, last of all, the checksum.
 * Nothing is allocated per record or batch when the target is a Buffer. Until `finish` returns,
 * the bytes of the range mean nothing and nobody may read them; afterwards the builder has let go
 * of them.
 *
 * Small records on their way into shared memory pass through a window of private memory, which is
 * copied as a whole when it is full: V8 copies single values into shared memory slowly (the figures
 * are in `batch-bytes-copy.ts`), and a record of 100 bytes costs half as much this way.
 *
 * Records are taken as they come: the caller has run `checkRecord` on them. Compression is another
 * step, on a finished batch (`batch-compress.ts`).
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';
import { copyBytes, copyText } from './batch-bytes-copy.js';
import {
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  HEADER_BYTES,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  NULL_LENGTH,
  type TimestampType,
} from './batch-format.js';
import { type BatchHeaderFields, stampCrc, writeBatchHeader } from './batch-header.js';
import { type BytesInput, headersBytes, inputBytes, recordBodyBytes } from './batch-record-size.js';
import type { RecordHeaderInput } from './record.js';
import { countBytes, writeCount, writeVarint, writeVarlong } from './varint.js';

const WINDOW_BYTES = 16 * 1024;
/** Below these, a count of 0 or more takes one byte, or two. */
const ONE_BYTE_COUNT_END = 0x40;
const TWO_BYTE_COUNT_END = 0x2000;
/** Of a record with nothing but a value: length, attributes, deltas, null key, lengths, headers. */
const PLAIN_FIELDS_BYTES_MAX = 10;
/** A shorter value is copied faster by a loop. */
const PLAIN_VALUE_BYTES_MIN = 13;
const NO_MEMORY = Buffer.alloc(0);

export interface ProducerFields {
  readonly producerId: number | bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly isTransactional?: boolean;
  /** The batch holds a control record (`batch-control.ts`). */
  readonly isControl?: boolean;
  readonly timestampType?: TimestampType;
}

type MutableHeader = { -readonly [Field in keyof BatchHeaderFields]: BatchHeaderFields[Field] };

export class BatchBuilder {
  readonly #header: MutableHeader = {
    baseOffset: 0,
    bytes: 0,
    epoch: 0,
    attributes: 0,
    lastOffsetDelta: 0,
    baseTimestamp: NO_TIMESTAMP,
    maxTimestamp: NO_TIMESTAMP,
    producerId: NO_PRODUCER_ID,
    producerEpoch: NO_PRODUCER_EPOCH,
    baseSequence: NO_SEQUENCE,
    count: 0,
  };
  #isOpen = false;
  /** The last target and its view: the next batch usually goes into the same slab. */
  #target: Uint8Array = NO_MEMORY;
  #buffer: Buffer = NO_MEMORY;
  #isShared = false;
  #start = 0;
  #limit = 0;
  /** Where the next record goes, as if the window had been copied. */
  #end = 0;
  #window: Buffer = NO_MEMORY;
  #windowBytes = 0;
  #count = 0;
  #baseTimestamp = NO_TIMESTAMP;
  #maxTimestamp = NO_TIMESTAMP;

  /** Whether a batch was begun and not finished. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Records in the batch. */
  get count(): number {
    return this.#count;
  }

  /** The size that the batch has when it is finished now, header included. */
  get bytes(): number {
    return this.#end - this.#start;
  }

  get baseOffset(): number {
    return this.#header.baseOffset;
  }

  get nextOffset(): number {
    return this.#header.baseOffset + this.#count;
  }

  /** The largest timestamp so far, -1 before the first record. */
  get maxTimestamp(): number {
    return this.#maxTimestamp;
  }

  /**
   * Opens a batch at `start`; it never reaches beyond `limit`. The range belongs to the builder
   * until {@link finish}. `epoch` is the writer's.
   */
  begin(target: Uint8Array, start: number, limit: number, baseOffset: number, epoch: number): void {
    assert(!this.#isOpen, 'the batch before was finished');
    assert(start >= 0 && limit <= target.length, 'the batch lies within its target');
    assert(start + HEADER_BYTES <= limit, 'there is room for the header');
    assert(baseOffset >= 0 && baseOffset <= limits.offsetMax, 'the base offset is an offset');
    assert(epoch >= 0 && epoch >> 0 === epoch, 'the epoch is an epoch');
    if (this.#target !== target) this.#take(target);
    this.#start = start;
    this.#limit = limit;
    this.#end = start + HEADER_BYTES;
    this.#windowBytes = 0;
    this.#count = 0;
    this.#baseTimestamp = NO_TIMESTAMP;
    this.#maxTimestamp = NO_TIMESTAMP;
    const header = this.#header;
    header.baseOffset = baseOffset;
    header.epoch = epoch;
    header.attributes = 0;
    header.producerId = NO_PRODUCER_ID;
    header.producerEpoch = NO_PRODUCER_EPOCH;
    header.baseSequence = NO_SEQUENCE;
    this.#isOpen = true;
  }

  /** Sets what a producer adds to the header of the open batch. */
  producer(fields: ProducerFields): void {
    assert(this.#isOpen, 'a batch is open');
    const header = this.#header;
    header.producerId = fields.producerId;
    header.producerEpoch = fields.producerEpoch;
    header.baseSequence = fields.baseSequence;
    header.attributes =
      (fields.isTransactional === true ? ATTRIBUTE_TRANSACTIONAL : 0) |
      (fields.isControl === true ? ATTRIBUTE_CONTROL : 0) |
      (fields.timestampType === 'log-append' ? ATTRIBUTE_LOG_APPEND_TIME : 0);
  }

  /** Goes on in a larger target, which gets a copy of the open batch; neither is shared memory. */
  moveTo(target: Buffer): void {
    assert(this.#isOpen && !this.#isShared, 'a batch is open in private memory');
    assert(target.length >= this.bytes, 'the open batch fits');
    this.#buffer.copy(target, 0, this.#start, this.#end);
    this.#end -= this.#start;
    this.#start = 0;
    this.#limit = target.length;
    this.#take(target);
  }

  /**
   * Puts a record behind the last one, under the next offset. Answers false when it does not fit
   * before the limit; the batch is then as it was. The input is copied before the call returns.
   */
  add(
    key: BytesInput,
    value: BytesInput,
    headers: readonly RecordHeaderInput[] | undefined,
    timestamp: number,
  ): boolean {
    assert(this.#isOpen, 'a batch is open');
    const offsetDelta = this.#count;
    const timestampDelta = offsetDelta === 0 ? 0 : timestamp - this.#baseTimestamp;
    if (
      headers === undefined &&
      (key === undefined || key === null) &&
      value instanceof Uint8Array &&
      this.#isPlain(value.length, timestampDelta, offsetDelta)
    ) {
      this.#addPlain(value, timestampDelta, offsetDelta, timestamp);
      return true;
    }
    const keyBytes = inputBytes(key);
    const valueBytes = inputBytes(value);
    const body = recordBodyBytes(
      keyBytes,
      valueBytes,
      headers === undefined ? 1 : headersBytes(headers),
      timestampDelta,
      offsetDelta,
    );
    const total = countBytes(body) + body;
    if (total > this.#limit - this.#end) return false;

    const inWindow = this.#makeRoom(total);
    const bytes = inWindow ? this.#window : this.#buffer;
    const isShared = !inWindow && this.#isShared;
    const start = inWindow ? this.#windowBytes : this.#end;
    let position = writeCount(bytes, start, body);
    bytes[position] = 0;
    if (timestampDelta >= 0 && timestampDelta < 0x40) {
      bytes[position + 1] = timestampDelta << 1;
      position += 2;
    } else position = writeVarlong(bytes, position + 1, timestampDelta);
    position = writeCount(bytes, position, offsetDelta);
    if (keyBytes === NULL_LENGTH) {
      bytes[position] = 1;
      position += 1;
    } else position = writeField(bytes, isShared, position, key, keyBytes);
    position = writeField(bytes, isShared, position, value, valueBytes);
    if (headers === undefined) {
      bytes[position] = 0;
      position += 1;
    } else position = writeHeaders(bytes, isShared, position, headers);
    assert(position === start + total, 'a record has the size that was computed');

    if (inWindow) this.#windowBytes += total;
    this.#end += total;
    this.#count = offsetDelta + 1;
    if (offsetDelta === 0) this.#baseTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
    return true;
  }

  /** Whether a record of a value alone has short length fields and fits without further ado. */
  #isPlain(valueBytes: number, timestampDelta: number, offsetDelta: number): boolean {
    const bytesMax = valueBytes + PLAIN_FIELDS_BYTES_MAX;
    return (
      valueBytes >= PLAIN_VALUE_BYTES_MIN &&
      bytesMax <= this.#window.length - this.#windowBytes &&
      bytesMax <= this.#limit - this.#end &&
      bytesMax < TWO_BYTE_COUNT_END &&
      offsetDelta < TWO_BYTE_COUNT_END &&
      timestampDelta >= 0 &&
      timestampDelta < ONE_BYTE_COUNT_END
    );
  }

  /**
   * What `add` does, for the commonest record and without calls: 49 instead of 56 ns of processor
   * time for a value of 100 bytes, of which reading and copying the value take 32 (Node 20).
   */
  #addPlain(
    value: Uint8Array,
    timestampDelta: number,
    offsetDelta: number,
    timestamp: number,
  ): void {
    const bytes = this.#window;
    const start = this.#windowBytes;
    const valueBytes = value.length;
    const offsetDeltaBytes = offsetDelta < ONE_BYTE_COUNT_END ? 1 : 2;
    const valueLengthBytes = valueBytes < ONE_BYTE_COUNT_END ? 1 : 2;
    // Attributes, timestamp delta, null key and header count take a byte each.
    const body = 4 + offsetDeltaBytes + valueLengthBytes + valueBytes;
    let position = start;
    if (body < ONE_BYTE_COUNT_END) {
      bytes[position] = body << 1;
      position += 1;
    } else {
      bytes[position] = (body << 1) | 0x80;
      bytes[position + 1] = body >> 6;
      position += 2;
    }
    bytes[position] = 0;
    bytes[position + 1] = timestampDelta << 1;
    position += 2;
    if (offsetDeltaBytes === 1) bytes[position] = offsetDelta << 1;
    else {
      bytes[position] = (offsetDelta << 1) | 0x80;
      bytes[position + 1] = offsetDelta >> 6;
    }
    position += offsetDeltaBytes;
    bytes[position] = 1;
    position += 1;
    if (valueLengthBytes === 1) bytes[position] = valueBytes << 1;
    else {
      bytes[position] = (valueBytes << 1) | 0x80;
      bytes[position + 1] = valueBytes >> 6;
    }
    position += valueLengthBytes;
    bytes.set(value, position);
    position += valueBytes;
    bytes[position] = 0;
    position += 1;

    this.#windowBytes = position;
    this.#end += position - start;
    this.#count = offsetDelta + 1;
    if (offsetDelta === 0) this.#baseTimestamp = timestamp;
    if (timestamp > this.#maxTimestamp) this.#maxTimestamp = timestamp;
  }

  /** Completes the batch and returns its size in bytes. The range may be read from now on. */
  finish(): number {
    assert(this.#isOpen, 'a batch is open');
    assert(this.#count > 0, 'a batch holds at least one record');
    assert(this.nextOffset - 1 <= limits.offsetMax, 'the last offset is an offset');
    this.#emptyWindow();
    const header = this.#header;
    header.bytes = this.#end - this.#start;
    header.count = this.#count;
    header.lastOffsetDelta = this.#count - 1;
    header.baseTimestamp = this.#baseTimestamp;
    header.maxTimestamp = this.#maxTimestamp;
    writeBatchHeader(this.#buffer, this.#start, header);
    stampCrc(this.#buffer, this.#start);
    this.#isOpen = false;
    return header.bytes;
  }

  /** Lets go of the open batch; its range holds no batch, and the next one may begin anywhere. */
  abandon(): void {
    assert(this.#isOpen, 'a batch is open');
    this.#isOpen = false;
  }

  #take(target: Uint8Array): void {
    this.#target = target;
    this.#buffer = Buffer.isBuffer(target)
      ? target
      : Buffer.from(target.buffer, target.byteOffset, target.length);
    this.#isShared = target.buffer instanceof SharedArrayBuffer;
    if (!this.#isShared) this.#window = NO_MEMORY;
    else if (this.#window.length === 0) this.#window = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  }

  /** Whether the next record goes through the window; makes room for it there if so. */
  #makeRoom(total: number): boolean {
    if (total <= this.#window.length - this.#windowBytes) return true;
    this.#emptyWindow();
    return total <= this.#window.length;
  }

  /** Moves what the window holds to its place in the target. */
  #emptyWindow(): void {
    const count = this.#windowBytes;
    if (count === 0) return;
    const position = this.#end - count;
    copyBytes(this.#buffer, true, position, this.#window.subarray(0, count));
    this.#windowBytes = 0;
  }
}

/** Writes length and bytes of a key or value; returns the position behind them. */
function writeField(
  bytes: Buffer,
  isShared: boolean,
  position: number,
  input: BytesInput,
  count: number,
): number {
  if (count < 0) {
    bytes[position] = 1;
    return position + 1;
  }
  position = writeCount(bytes, position, count);
  if (count === 0) return position;
  return typeof input === 'string'
    ? copyText(bytes, position, input, count)
    : copyBytes(bytes, isShared, position, input as Uint8Array);
}

function writeHeaders(
  bytes: Buffer,
  isShared: boolean,
  position: number,
  headers: readonly RecordHeaderInput[] | undefined,
): number {
  if (headers === undefined || headers.length === 0) {
    bytes[position] = 0;
    return position + 1;
  }
  position = writeVarint(bytes, position, headers.length);
  for (let index = 0; index < headers.length; index += 1) {
    const header = headers[index] as RecordHeaderInput;
    position = writeField(bytes, isShared, position, header.key, inputBytes(header.key));
    position = writeField(bytes, isShared, position, header.value, inputBytes(header.value));
  }
  return position;
}
