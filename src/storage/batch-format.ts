/**
 * The byte layout of a batch: Apache Kafka's RecordBatch v2 (magic 2), byte for byte.
 *
 *     base offset 8, length 4, leader epoch 4, magic 1, crc 4, attributes 2, last offset delta 4
 *     base timestamp 8, max timestamp 8, producer id 8, producer epoch 2, base sequence 4,
 *     count 4
 *     records: { length varint, attributes 1, timestamp delta varlong, offset delta varint,
 *                key length varint, key, value length varint, value, headers varint,
 *                { key length varint, key, value length varint, value } }
 *
 * Fixed fields are big-endian, varints are zig-zag, a length of -1 means null. The length field
 * counts the bytes behind itself. The CRC-32C covers everything from the attributes to the last
 * record byte; base offset, length, epoch and magic lie outside it, so that a log stamps its offset
 * and epoch into a batch without touching the rest. When a codec is set, only the records are
 * compressed, as one stream.
 *
 * Every position is the one before plus its size; nothing else in the code spells these numbers.
 */

export const BASE_OFFSET_POSITION = 0;
export const LENGTH_POSITION = BASE_OFFSET_POSITION + 8;
export const EPOCH_POSITION = LENGTH_POSITION + 4;
export const MAGIC_POSITION = EPOCH_POSITION + 4;
export const CRC_POSITION = MAGIC_POSITION + 1;
export const ATTRIBUTES_POSITION = CRC_POSITION + 4;
export const LAST_OFFSET_DELTA_POSITION = ATTRIBUTES_POSITION + 2;
export const BASE_TIMESTAMP_POSITION = LAST_OFFSET_DELTA_POSITION + 4;
export const MAX_TIMESTAMP_POSITION = BASE_TIMESTAMP_POSITION + 8;
export const PRODUCER_ID_POSITION = MAX_TIMESTAMP_POSITION + 8;
export const PRODUCER_EPOCH_POSITION = PRODUCER_ID_POSITION + 8;
export const BASE_SEQUENCE_POSITION = PRODUCER_EPOCH_POSITION + 2;
export const COUNT_POSITION = BASE_SEQUENCE_POSITION + 4;

/** Bytes of the header; the records start here. */
export const HEADER_BYTES = COUNT_POSITION + 4;
/** Where the length field ends: a batch has this many bytes more than its length field says. */
export const LENGTH_END = LENGTH_POSITION + 4;
/** What the checksum covers begins here and ends with the batch. */
export const CRC_START = ATTRIBUTES_POSITION;

/** The only version of the format that is read and written. */
export const MAGIC = 2;

export const ATTRIBUTE_CODEC_MASK = 0x07;
/** Set: every record carries the batch's largest timestamp, the time of the append. */
export const ATTRIBUTE_LOG_APPEND_TIME = 0x08;
export const ATTRIBUTE_TRANSACTIONAL = 0x10;
export const ATTRIBUTE_CONTROL = 0x20;
/** Set: the base timestamp field holds the time from which tombstones may be dropped. */
export const ATTRIBUTE_DELETE_HORIZON = 0x40;

/** Whose clock the timestamps come from: the producer's, or the log's at the append. */
export type TimestampType = 'create' | 'log-append';

/** The fields of a batch without a producer, and the timestamps of one without records. */
export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;
export const NO_SEQUENCE = -1;
export const NO_TIMESTAMP = -1;

/** A length of null keys and values. */
export const NULL_LENGTH = -1;
/** The record's own attributes: one byte, unused, zero. */
export const RECORD_ATTRIBUTES_BYTES = 1;
/**
 * The smallest record: length, attributes, two deltas, key length, value length and header count in
 * one byte each. Bounds the count field by the bytes that are there.
 */
export const RECORD_BYTES_MIN = 7;
/** What follows the length field of the smallest record. */
export const RECORD_BODY_BYTES_MIN = RECORD_BYTES_MIN - 1;
/**
 * The most that a record adds to its key, value and headers: attributes, and the largest length
 * (5), timestamp delta (10), offset delta (5), key length (5), value length (5), header count (5).
 */
export const RECORD_OVERHEAD_BYTES_MAX = RECORD_ATTRIBUTES_BYTES + 5 + 10 + 5 + 5 + 5 + 5;
