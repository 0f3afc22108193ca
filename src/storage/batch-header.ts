/**
 * The header of a batch: one plain function per field, over the bytes as they are stored.
 *
 * Nothing is allocated or cached. Callers guarantee that `HEADER_BYTES` bytes are readable from
 * `position` on (`inspectBatch` proves it for bytes from outside); for the checksum, the whole
 * batch. Offsets are NaN when they are no safe integers, which `inspectBatch` refuses. Timestamps
 * are what a producer claims, so one beyond 2^53 is legal and is read rounded.
 */

import {
  readBigInt64,
  readInt16,
  readInt32,
  readInt64,
  readUint32,
  writeBigInt64,
  writeInt8,
  writeInt16,
  writeInt32,
  writeInt64,
  writeUint32,
} from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_DELETE_HORIZON,
  ATTRIBUTE_LOG_APPEND_TIME,
  ATTRIBUTE_TRANSACTIONAL,
  ATTRIBUTES_POSITION,
  BASE_OFFSET_POSITION,
  BASE_SEQUENCE_POSITION,
  BASE_TIMESTAMP_POSITION,
  COUNT_POSITION,
  CRC_POSITION,
  CRC_START,
  EPOCH_POSITION,
  LAST_OFFSET_DELTA_POSITION,
  LENGTH_END,
  LENGTH_POSITION,
  MAGIC,
  MAGIC_POSITION,
  MAX_TIMESTAMP_POSITION,
  PRODUCER_EPOCH_POSITION,
  PRODUCER_ID_POSITION,
} from './batch-format.js';

const TWO_TO_32 = 2 ** 32;

/** The size of the whole batch, header included. */
export function batchBytes(bytes: Uint8Array, position: number): number {
  return LENGTH_END + readInt32(bytes, position + LENGTH_POSITION);
}

export function batchBaseOffset(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + BASE_OFFSET_POSITION);
}

/** The last offset that the batch covers; in a compacted batch no record may have it. */
export function batchLastOffset(bytes: Uint8Array, position: number): number {
  return batchBaseOffset(bytes, position) + batchLastOffsetDelta(bytes, position);
}

export function batchNextOffset(bytes: Uint8Array, position: number): number {
  return batchLastOffset(bytes, position) + 1;
}

export function batchLastOffsetDelta(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + LAST_OFFSET_DELTA_POSITION);
}

/** The epoch of the writer that appended the batch. */
export function batchEpoch(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + EPOCH_POSITION);
}

export function batchMagic(bytes: Uint8Array, position: number): number {
  return bytes[position + MAGIC_POSITION] as number;
}

/** How many records the batch holds; 0 in what compaction left of a batch. */
export function batchCount(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + COUNT_POSITION);
}

export function batchAttributes(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + ATTRIBUTES_POSITION);
}

/** The number of the codec, 0 to 7; 5 to 7 are unknown to Kafka and to us. */
export function batchCodecId(bytes: Uint8Array, position: number): number {
  return batchAttributes(bytes, position) & ATTRIBUTE_CODEC_MASK;
}

export function isControlBatch(bytes: Uint8Array, position: number): boolean {
  return (batchAttributes(bytes, position) & ATTRIBUTE_CONTROL) !== 0;
}

export function isTransactionalBatch(bytes: Uint8Array, position: number): boolean {
  return (batchAttributes(bytes, position) & ATTRIBUTE_TRANSACTIONAL) !== 0;
}

export function isLogAppendTimeBatch(bytes: Uint8Array, position: number): boolean {
  return (batchAttributes(bytes, position) & ATTRIBUTE_LOG_APPEND_TIME) !== 0;
}

export function hasDeleteHorizon(bytes: Uint8Array, position: number): boolean {
  return (batchAttributes(bytes, position) & ATTRIBUTE_DELETE_HORIZON) !== 0;
}

/**
 * What the timestamp deltas of the records are relative to: the first record's timestamp or, when
 * {@link hasDeleteHorizon}, the horizon itself (whoever sets it rewrites the deltas). -1 in an
 * empty batch without a horizon.
 */
export function batchBaseTimestamp(bytes: Uint8Array, position: number): number {
  return readTimestamp(bytes, position + BASE_TIMESTAMP_POSITION);
}

/** The largest timestamp of the records; -1 when there are none. */
export function batchMaxTimestamp(bytes: Uint8Array, position: number): number {
  return readTimestamp(bytes, position + MAX_TIMESTAMP_POSITION);
}

/** -1 without a producer; NaN beyond 2^53, where only {@link batchProducerIdExact} tells. */
export function batchProducerId(bytes: Uint8Array, position: number): number {
  return readInt64(bytes, position + PRODUCER_ID_POSITION);
}

export function batchProducerIdExact(bytes: Uint8Array, position: number): bigint {
  return readBigInt64(bytes, position + PRODUCER_ID_POSITION);
}

export function batchProducerEpoch(bytes: Uint8Array, position: number): number {
  return readInt16(bytes, position + PRODUCER_EPOCH_POSITION);
}

export function batchBaseSequence(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position + BASE_SEQUENCE_POSITION);
}

/** Whether the checksum matches; the length was bounded before. */
export function verifyCrc(bytes: Uint8Array, position: number): boolean {
  const end = position + batchBytes(bytes, position);
  return readUint32(bytes, position + CRC_POSITION) === crc32c(bytes, position + CRC_START, end);
}

/** Writes the checksum of a batch that is complete but for it. */
export function stampCrc(bytes: Uint8Array, position: number): void {
  const end = position + batchBytes(bytes, position);
  writeUint32(bytes, position + CRC_POSITION, crc32c(bytes, position + CRC_START, end));
}

export interface BatchHeaderFields {
  readonly baseOffset: number;
  /** The size of the whole batch, header included. */
  readonly bytes: number;
  readonly epoch: number;
  readonly attributes: number;
  readonly lastOffsetDelta: number;
  readonly baseTimestamp: number;
  readonly maxTimestamp: number;
  readonly producerId: number | bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly count: number;
}

/** Writes every field of the header but the checksum, which {@link stampCrc} writes last. */
export function writeBatchHeader(
  bytes: Uint8Array,
  position: number,
  fields: BatchHeaderFields,
): void {
  writeInt64(bytes, position + BASE_OFFSET_POSITION, fields.baseOffset);
  writeInt32(bytes, position + LENGTH_POSITION, fields.bytes - LENGTH_END);
  writeInt32(bytes, position + EPOCH_POSITION, fields.epoch);
  writeInt8(bytes, position + MAGIC_POSITION, MAGIC);
  writeInt16(bytes, position + ATTRIBUTES_POSITION, fields.attributes);
  writeInt32(bytes, position + LAST_OFFSET_DELTA_POSITION, fields.lastOffsetDelta);
  writeInt64(bytes, position + BASE_TIMESTAMP_POSITION, fields.baseTimestamp);
  writeInt64(bytes, position + MAX_TIMESTAMP_POSITION, fields.maxTimestamp);
  if (typeof fields.producerId === 'bigint') {
    writeBigInt64(bytes, position + PRODUCER_ID_POSITION, fields.producerId);
  } else {
    writeInt64(bytes, position + PRODUCER_ID_POSITION, fields.producerId);
  }
  writeInt16(bytes, position + PRODUCER_EPOCH_POSITION, fields.producerEpoch);
  writeInt32(bytes, position + BASE_SEQUENCE_POSITION, fields.baseSequence);
  writeInt32(bytes, position + COUNT_POSITION, fields.count);
}

/** Sets the base offset, which the checksum does not cover: stored bytes are stamped in place. */
export function stampBaseOffset(bytes: Uint8Array, position: number, baseOffset: number): void {
  writeInt64(bytes, position + BASE_OFFSET_POSITION, baseOffset);
}

/** Sets the writer epoch, which the checksum does not cover. */
export function stampEpoch(bytes: Uint8Array, position: number, epoch: number): void {
  writeInt32(bytes, position + EPOCH_POSITION, epoch);
}

function readTimestamp(bytes: Uint8Array, position: number): number {
  return readInt32(bytes, position) * TWO_TO_32 + readUint32(bytes, position + 4);
}
