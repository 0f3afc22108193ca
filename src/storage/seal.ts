/**
 * The seal of a segment: what its files are, checksummed, so that nothing in them can change
 * unseen.
 *
 * Kafka's CRC leaves a batch's base offset, length, epoch and magic uncovered, and its indexes
 * have no checksum at all. The seal holds a CRC-32C over the 61-byte headers of all batches in
 * order (each header holds the CRC of its own body), the sizes and checksums of the indexes, the
 * log's id, so that a file of another log is recognised, and the epochs of the segment; where
 * transactions were aborted, size and checksum of their index, behind the epochs.
 *
 * It is written and synced when a segment is rolled, and for the active segment at a clean close.
 * A seal that is absent, unreadable or does not fit the files means doubt: indexes are then
 * rebuilt from the log.
 */

import { assert } from '../base/assert.js';
import { readInt64, readUint32, writeInt64, writeUint32 } from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';
import type { EpochStart } from './epochs.js';

const MAGIC_POSITION = 0;
const VERSION_POSITION = MAGIC_POSITION + 4;
const LOG_ID_POSITION = VERSION_POSITION + 4;
const BASE_OFFSET_POSITION = LOG_ID_POSITION + 16;
const NEXT_OFFSET_POSITION = BASE_OFFSET_POSITION + 8;
const LOG_BYTES_POSITION = NEXT_OFFSET_POSITION + 8;
const BATCHES_POSITION = LOG_BYTES_POSITION + 8;
const RECORDS_POSITION = BATCHES_POSITION + 8;
const MAX_TIMESTAMP_POSITION = RECORDS_POSITION + 8;
const RUNNING_MAX_POSITION = MAX_TIMESTAMP_POSITION + 8;
const RUNNING_MAX_BEFORE_POSITION = RUNNING_MAX_POSITION + 8;
const FIRST_APPEND_POSITION = RUNNING_MAX_BEFORE_POSITION + 8;
const HEADERS_CRC_POSITION = FIRST_APPEND_POSITION + 8;
const FLAGS_POSITION = HEADERS_CRC_POSITION + 4;
const INDEX_BYTES_POSITION = FLAGS_POSITION + 4;
const INDEX_CRC_POSITION = INDEX_BYTES_POSITION + 4;
const TIME_INDEX_BYTES_POSITION = INDEX_CRC_POSITION + 4;
const TIME_INDEX_CRC_POSITION = TIME_INDEX_BYTES_POSITION + 4;
const EPOCHS_COUNT_POSITION = TIME_INDEX_CRC_POSITION + 4;
export const SEAL_FIXED_BYTES = EPOCHS_COUNT_POSITION + 4;

/** Where each field starts, in order; docs/FORMAT.md lists the same. */
export const sealLayout: readonly number[] = [
  MAGIC_POSITION,
  VERSION_POSITION,
  LOG_ID_POSITION,
  BASE_OFFSET_POSITION,
  NEXT_OFFSET_POSITION,
  LOG_BYTES_POSITION,
  BATCHES_POSITION,
  RECORDS_POSITION,
  MAX_TIMESTAMP_POSITION,
  RUNNING_MAX_POSITION,
  RUNNING_MAX_BEFORE_POSITION,
  FIRST_APPEND_POSITION,
  HEADERS_CRC_POSITION,
  FLAGS_POSITION,
  INDEX_BYTES_POSITION,
  INDEX_CRC_POSITION,
  TIME_INDEX_BYTES_POSITION,
  TIME_INDEX_CRC_POSITION,
  EPOCHS_COUNT_POSITION,
  SEAL_FIXED_BYTES,
];

const EPOCH_ENTRY_BYTES = 12;
/** Size and checksum of the transaction index. */
const TXN_INDEX_FIELDS_BYTES = 8;
const CRC_BYTES = 4;
const MAGIC = 0x4d52534c; // "MRSL"
const VERSION = 1;

const FLAG_HAS_GAPS = 1;
const FLAG_HAS_PRODUCERS = 2;
const FLAG_HAS_TXN_INDEX = 4;
const FLAGS = FLAG_HAS_GAPS | FLAG_HAS_PRODUCERS | FLAG_HAS_TXN_INDEX;

/** The largest seal that is read. */
export const SEAL_BYTES_MAX = 2 * 1024 * 1024;

export interface Seal {
  /** 16 bytes as 32 hexadecimal digits. */
  readonly logId: string;
  readonly baseOffset: number;
  /** The offset after the last one of the segment. */
  readonly nextOffset: number;
  readonly logBytes: number;
  readonly batches: number;
  readonly records: number;
  /** Largest timestamp in the segment, -1 when it holds none. */
  readonly maxTimestamp: number;
  /** Largest timestamp in this and all earlier segments when it was sealed. */
  readonly runningMaxTimestamp: number;
  /** The same of all earlier segments alone, -1 without: who has one seal need not ask for two. */
  readonly runningMaxBefore: number;
  /** Wall clock of its first append, milliseconds since 1970; 0 when that is not known. */
  readonly firstAppendMs: number;
  /** CRC-32C over the headers of its batches, in file order. */
  readonly headersCrc: number;
  /** Offsets in it may skip: it was compacted, or comes from another engine. */
  readonly hasGaps: boolean;
  readonly indexBytes: number;
  readonly indexCrc: number;
  readonly timeIndexBytes: number;
  readonly timeIndexCrc: number;
  /** Producers were known where the segment ends: a `.snapshot` of that offset tells of them. */
  readonly hasProducers: boolean;
  /** 0 when no aborted transaction ends in the segment: it then has no such file. */
  readonly txnIndexBytes: number;
  readonly txnIndexCrc: number;
  readonly epochs: readonly EpochStart[];
}

export function encodeSeal(seal: Seal): Uint8Array {
  assert(seal.logId.length === 32, 'a log id is 16 bytes');
  assert(seal.nextOffset >= seal.baseOffset, 'a segment does not end before it starts');
  const epochsEnd = SEAL_FIXED_BYTES + seal.epochs.length * EPOCH_ENTRY_BYTES;
  const end = epochsEnd + (seal.txnIndexBytes > 0 ? TXN_INDEX_FIELDS_BYTES : 0);
  const bytes = new Uint8Array(end + CRC_BYTES);
  writeUint32(bytes, MAGIC_POSITION, MAGIC);
  writeUint32(bytes, VERSION_POSITION, VERSION);
  bytes.set(Buffer.from(seal.logId, 'hex'), LOG_ID_POSITION);
  writeInt64(bytes, BASE_OFFSET_POSITION, seal.baseOffset);
  writeInt64(bytes, NEXT_OFFSET_POSITION, seal.nextOffset);
  writeInt64(bytes, LOG_BYTES_POSITION, seal.logBytes);
  writeInt64(bytes, BATCHES_POSITION, seal.batches);
  writeInt64(bytes, RECORDS_POSITION, seal.records);
  writeInt64(bytes, MAX_TIMESTAMP_POSITION, seal.maxTimestamp);
  writeInt64(bytes, RUNNING_MAX_POSITION, seal.runningMaxTimestamp);
  writeInt64(bytes, RUNNING_MAX_BEFORE_POSITION, seal.runningMaxBefore);
  writeInt64(bytes, FIRST_APPEND_POSITION, seal.firstAppendMs);
  writeUint32(bytes, HEADERS_CRC_POSITION, seal.headersCrc);
  writeUint32(bytes, FLAGS_POSITION, flagsOf(seal));
  writeUint32(bytes, INDEX_BYTES_POSITION, seal.indexBytes);
  writeUint32(bytes, INDEX_CRC_POSITION, seal.indexCrc);
  writeUint32(bytes, TIME_INDEX_BYTES_POSITION, seal.timeIndexBytes);
  writeUint32(bytes, TIME_INDEX_CRC_POSITION, seal.timeIndexCrc);
  writeUint32(bytes, EPOCHS_COUNT_POSITION, seal.epochs.length);
  for (const [index, entry] of seal.epochs.entries()) {
    const at = SEAL_FIXED_BYTES + index * EPOCH_ENTRY_BYTES;
    writeUint32(bytes, at, entry.epoch);
    writeInt64(bytes, at + 4, entry.startOffset);
  }
  if (seal.txnIndexBytes > 0) {
    writeUint32(bytes, epochsEnd, seal.txnIndexBytes);
    writeUint32(bytes, epochsEnd + 4, seal.txnIndexCrc);
  }
  writeUint32(bytes, end, crc32c(bytes, 0, end));
  return bytes;
}

function flagsOf({ hasGaps, hasProducers, txnIndexBytes }: Seal): number {
  return (
    (hasGaps ? FLAG_HAS_GAPS : 0) |
    (hasProducers ? FLAG_HAS_PRODUCERS : 0) |
    (txnIndexBytes > 0 ? FLAG_HAS_TXN_INDEX : 0)
  );
}

/** Takes file bytes back; `'invalid'` when they are not a whole, checksummed, sound seal. */
export function decodeSeal(bytes: Uint8Array): Seal | 'invalid' {
  if (bytes.length < SEAL_FIXED_BYTES + CRC_BYTES) return 'invalid';
  if (readUint32(bytes, MAGIC_POSITION) !== MAGIC) return 'invalid';
  if (readUint32(bytes, VERSION_POSITION) !== VERSION) return 'invalid';
  const epochsCount = readUint32(bytes, EPOCHS_COUNT_POSITION);
  const flags = readUint32(bytes, FLAGS_POSITION);
  if ((flags & ~FLAGS) !== 0) return 'invalid';
  const epochsEnd = SEAL_FIXED_BYTES + epochsCount * EPOCH_ENTRY_BYTES;
  const hasTxnIndex = (flags & FLAG_HAS_TXN_INDEX) !== 0;
  const end = epochsEnd + (hasTxnIndex ? TXN_INDEX_FIELDS_BYTES : 0);
  if (bytes.length !== end + CRC_BYTES) return 'invalid';
  if (readUint32(bytes, end) !== crc32c(bytes, 0, end)) return 'invalid';
  const epochs: EpochStart[] = [];
  for (let at = SEAL_FIXED_BYTES; at < epochsEnd; at += EPOCH_ENTRY_BYTES) {
    epochs.push({ epoch: readUint32(bytes, at), startOffset: readInt64(bytes, at + 4) });
  }
  const seal = {
    logId: Buffer.from(bytes.subarray(LOG_ID_POSITION, LOG_ID_POSITION + 16)).toString('hex'),
    baseOffset: readInt64(bytes, BASE_OFFSET_POSITION),
    nextOffset: readInt64(bytes, NEXT_OFFSET_POSITION),
    logBytes: readInt64(bytes, LOG_BYTES_POSITION),
    batches: readInt64(bytes, BATCHES_POSITION),
    records: readInt64(bytes, RECORDS_POSITION),
    maxTimestamp: readInt64(bytes, MAX_TIMESTAMP_POSITION),
    runningMaxTimestamp: readInt64(bytes, RUNNING_MAX_POSITION),
    runningMaxBefore: readInt64(bytes, RUNNING_MAX_BEFORE_POSITION),
    firstAppendMs: readInt64(bytes, FIRST_APPEND_POSITION),
    headersCrc: readUint32(bytes, HEADERS_CRC_POSITION),
    hasGaps: (flags & FLAG_HAS_GAPS) !== 0,
    indexBytes: readUint32(bytes, INDEX_BYTES_POSITION),
    indexCrc: readUint32(bytes, INDEX_CRC_POSITION),
    timeIndexBytes: readUint32(bytes, TIME_INDEX_BYTES_POSITION),
    timeIndexCrc: readUint32(bytes, TIME_INDEX_CRC_POSITION),
    hasProducers: (flags & FLAG_HAS_PRODUCERS) !== 0,
    txnIndexBytes: hasTxnIndex ? readUint32(bytes, epochsEnd) : 0,
    txnIndexCrc: hasTxnIndex ? readUint32(bytes, epochsEnd + 4) : 0,
    epochs,
  };
  const isWhole = hasTxnIndex === seal.txnIndexBytes > 0;
  return isWhole && isSound(seal) ? seal : 'invalid';
}

/**
 * Whether two seals are of the same files. The checksum over the headers, each of which holds the
 * checksum of its batch, makes it improbable that other contents have the same one.
 */
export function isSameSeal(one: Seal, two: Seal): boolean {
  return (
    one.logId === two.logId &&
    one.baseOffset === two.baseOffset &&
    one.nextOffset === two.nextOffset &&
    one.logBytes === two.logBytes &&
    one.batches === two.batches &&
    one.headersCrc === two.headersCrc &&
    one.indexCrc === two.indexCrc &&
    one.timeIndexCrc === two.timeIndexCrc &&
    one.txnIndexBytes === two.txnIndexBytes &&
    one.txnIndexCrc === two.txnIndexCrc
  );
}

/** A checksum that fits does not make numbers of fields that hold none: those are NaN. */
function isSound(seal: Seal): boolean {
  const { baseOffset, nextOffset, logBytes, batches, records } = seal;
  const { maxTimestamp, runningMaxTimestamp, runningMaxBefore, firstAppendMs, epochs } = seal;
  return (
    baseOffset >= 0 &&
    nextOffset >= baseOffset &&
    logBytes >= 0 &&
    batches >= 0 &&
    records >= 0 &&
    maxTimestamp >= -1 &&
    runningMaxBefore >= -1 &&
    runningMaxTimestamp === Math.max(runningMaxBefore, maxTimestamp) &&
    firstAppendMs >= 0 &&
    epochs.every(({ startOffset }) => startOffset >= 0)
  );
}
