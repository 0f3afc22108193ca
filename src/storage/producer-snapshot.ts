/**
 * The bytes of a `.snapshot` file: what was known of the producers of a log at an offset, which is
 * the file's name. Kafka's format, version 1.
 *
 * One entry per producer: its epoch, its last batch, when it last wrote, the epoch of the
 * coordinator that last ended a transaction of it, and where its open transaction starts. The
 * checksum covers everything behind itself.
 */

import {
  readBigInt64,
  readInt16,
  readInt32,
  readInt64,
  readUint32,
  writeBigInt64,
  writeInt16,
  writeInt32,
  writeInt64,
  writeUint32,
} from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';

const VERSION_POSITION = 0;
const CRC_POSITION = VERSION_POSITION + 2;
const COUNT_POSITION = CRC_POSITION + 4;
export const SNAPSHOT_HEADER_BYTES = COUNT_POSITION + 4;
/** Where the bytes begin that the checksum covers. */
export const SNAPSHOT_CRC_START = COUNT_POSITION;

const PRODUCER_ID_POSITION = 0;
const PRODUCER_EPOCH_POSITION = PRODUCER_ID_POSITION + 8;
const LAST_SEQUENCE_POSITION = PRODUCER_EPOCH_POSITION + 2;
const LAST_OFFSET_POSITION = LAST_SEQUENCE_POSITION + 4;
const OFFSET_DELTA_POSITION = LAST_OFFSET_POSITION + 8;
const TIMESTAMP_POSITION = OFFSET_DELTA_POSITION + 4;
const COORDINATOR_EPOCH_POSITION = TIMESTAMP_POSITION + 8;
const TRANSACTION_POSITION = COORDINATOR_EPOCH_POSITION + 4;
export const SNAPSHOT_ENTRY_BYTES = TRANSACTION_POSITION + 8;

/** Where each field starts, in order; docs/FORMAT.md lists the same. */
export const snapshotLayout: readonly number[] = [
  VERSION_POSITION,
  CRC_POSITION,
  COUNT_POSITION,
  SNAPSHOT_HEADER_BYTES,
];
export const snapshotEntryLayout: readonly number[] = [
  PRODUCER_ID_POSITION,
  PRODUCER_EPOCH_POSITION,
  LAST_SEQUENCE_POSITION,
  LAST_OFFSET_POSITION,
  OFFSET_DELTA_POSITION,
  TIMESTAMP_POSITION,
  COORDINATOR_EPOCH_POSITION,
  TRANSACTION_POSITION,
];

const VERSION = 1;

export interface SnapshotEntry {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of the last batch; -1 without one. */
  readonly lastSequence: number;
  readonly lastOffset: number;
  /** The last offset of that batch minus the first one. */
  readonly offsetDelta: number;
  /** When the producer last wrote, milliseconds since 1970; -1 when that is not known. */
  readonly timestamp: number;
  /** -1 without. */
  readonly coordinatorEpoch: number;
  /** Undefined without an open transaction. */
  readonly transactionOffset: number | undefined;
}

export function encodeSnapshot(entries: readonly SnapshotEntry[]): Uint8Array {
  const bytes = new Uint8Array(SNAPSHOT_HEADER_BYTES + entries.length * SNAPSHOT_ENTRY_BYTES);
  writeInt16(bytes, VERSION_POSITION, VERSION);
  writeInt32(bytes, COUNT_POSITION, entries.length);
  let at = SNAPSHOT_HEADER_BYTES;
  for (const entry of entries) {
    writeBigInt64(bytes, at + PRODUCER_ID_POSITION, entry.producerId);
    writeInt16(bytes, at + PRODUCER_EPOCH_POSITION, entry.producerEpoch);
    writeInt32(bytes, at + LAST_SEQUENCE_POSITION, entry.lastSequence);
    writeInt64(bytes, at + LAST_OFFSET_POSITION, entry.lastOffset);
    writeInt32(bytes, at + OFFSET_DELTA_POSITION, entry.offsetDelta);
    writeInt64(bytes, at + TIMESTAMP_POSITION, entry.timestamp);
    writeInt32(bytes, at + COORDINATOR_EPOCH_POSITION, entry.coordinatorEpoch);
    writeInt64(bytes, at + TRANSACTION_POSITION, entry.transactionOffset ?? -1);
    at += SNAPSHOT_ENTRY_BYTES;
  }
  writeUint32(bytes, CRC_POSITION, crc32c(bytes, SNAPSHOT_CRC_START, bytes.length));
  return bytes;
}

/** Takes file bytes back; `'invalid'` when they are not whole, checksummed, sound entries. */
export function decodeSnapshot(bytes: Uint8Array): readonly SnapshotEntry[] | 'invalid' {
  if (bytes.length < SNAPSHOT_HEADER_BYTES) return 'invalid';
  if (readInt16(bytes, VERSION_POSITION) !== VERSION) return 'invalid';
  const count = readInt32(bytes, COUNT_POSITION);
  if (bytes.length !== SNAPSHOT_HEADER_BYTES + count * SNAPSHOT_ENTRY_BYTES) return 'invalid';
  const crc = crc32c(bytes, SNAPSHOT_CRC_START, bytes.length);
  if (readUint32(bytes, CRC_POSITION) !== crc) return 'invalid';
  const entries: SnapshotEntry[] = [];
  for (let at = SNAPSHOT_HEADER_BYTES; at < bytes.length; at += SNAPSHOT_ENTRY_BYTES) {
    const transactionOffset = readInt64(bytes, at + TRANSACTION_POSITION);
    const entry: SnapshotEntry = {
      producerId: readBigInt64(bytes, at + PRODUCER_ID_POSITION),
      producerEpoch: readInt16(bytes, at + PRODUCER_EPOCH_POSITION),
      lastSequence: readInt32(bytes, at + LAST_SEQUENCE_POSITION),
      lastOffset: readInt64(bytes, at + LAST_OFFSET_POSITION),
      offsetDelta: readInt32(bytes, at + OFFSET_DELTA_POSITION),
      timestamp: readInt64(bytes, at + TIMESTAMP_POSITION),
      coordinatorEpoch: readInt32(bytes, at + COORDINATOR_EPOCH_POSITION),
      transactionOffset: transactionOffset === -1 ? undefined : transactionOffset,
    };
    if (!isSound(entry)) return 'invalid';
    entries.push(entry);
  }
  return entries;
}

/** A checksum that fits does not make numbers of fields that hold none: those are NaN. */
function isSound(entry: SnapshotEntry): boolean {
  const { producerId, producerEpoch, lastSequence, lastOffset, offsetDelta } = entry;
  const hasBatch = lastSequence >= 0;
  return (
    producerId >= 0n &&
    producerEpoch >= -1 &&
    lastSequence >= -1 &&
    offsetDelta >= 0 &&
    (hasBatch ? lastOffset >= offsetDelta : lastOffset >= -1) &&
    entry.timestamp >= -1 &&
    entry.coordinatorEpoch >= -1 &&
    (entry.transactionOffset === undefined || entry.transactionOffset >= 0)
  );
}
