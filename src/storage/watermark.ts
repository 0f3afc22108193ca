/**
 * The watermark: how far the log is durable, in two checksummed slots of one small file.
 *
 *     slot 0 at position 0, slot 1 at position 4096; the valid slot with the larger sequence counts
 *
 * The current slot is overwritten after each sync and before the waiters of that sync resolve,
 * without a sync of its own: after the death of the process the page cache has it exactly. Only
 * once the current slot was synced does writing move to the other one, so a power cut leaves at
 * least one whole slot, which lags the truth by at most the time between two such syncs.
 *
 * An absent file (a log that is not ours, or new) and an unreadable one (damage) are different
 * verdicts and are never treated alike.
 */

import { assert } from '../base/assert.js';
import {
  readBigInt64,
  readInt64,
  readUint32,
  writeBigInt64,
  writeInt64,
  writeUint32,
} from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';

const MAGIC_POSITION = 0;
const VERSION_POSITION = MAGIC_POSITION + 4;
const SEQUENCE_POSITION = VERSION_POSITION + 4;
const BOOT_ID_POSITION = SEQUENCE_POSITION + 8;
const NONCE_POSITION = BOOT_ID_POSITION + 16;
const EPOCH_POSITION = NONCE_POSITION + 8;
const FLAGS_POSITION = EPOCH_POSITION + 4;
const SEGMENT_BASE_POSITION = FLAGS_POSITION + 4;
const POSITION_POSITION = SEGMENT_BASE_POSITION + 8;
const DURABLE_OFFSET_POSITION = POSITION_POSITION + 8;
const UNSYNCED_BYTES_POSITION = DURABLE_OFFSET_POSITION + 8;
const START_OFFSET_POSITION = UNSYNCED_BYTES_POSITION + 8;
const FIRST_DIRTY_POSITION = START_OFFSET_POSITION + 8;
const EPOCHS_CRC_POSITION = FIRST_DIRTY_POSITION + 8;
const RESERVED_POSITION = EPOCHS_CRC_POSITION + 4;
const CRC_POSITION = RESERVED_POSITION + 24;

/** Bytes of one slot's content. */
export const WATERMARK_BYTES = CRC_POSITION + 4;
/** Distance of the slots: no sector and no page holds a part of both. */
export const WATERMARK_SLOT_DISTANCE = 4096;
export const WATERMARK_FILE_BYTES = WATERMARK_SLOT_DISTANCE + WATERMARK_BYTES;

/** Where each field starts, in order; docs/FORMAT.md lists the same. */
export const watermarkLayout: readonly number[] = [
  MAGIC_POSITION,
  VERSION_POSITION,
  SEQUENCE_POSITION,
  BOOT_ID_POSITION,
  NONCE_POSITION,
  EPOCH_POSITION,
  FLAGS_POSITION,
  SEGMENT_BASE_POSITION,
  POSITION_POSITION,
  DURABLE_OFFSET_POSITION,
  UNSYNCED_BYTES_POSITION,
  START_OFFSET_POSITION,
  FIRST_DIRTY_POSITION,
  EPOCHS_CRC_POSITION,
  RESERVED_POSITION,
  CRC_POSITION,
];

const MAGIC = 0x4d52574d; // "MRWM"
const VERSION = 1;

const FLAG_CLEAN = 1;
const FLAG_EVER_COMPACTED = 2;
const FLAG_POISONED = 4;
const FLAG_HAS_PRODUCERS = 8;
const FLAGS_ALL = FLAG_CLEAN | FLAG_EVER_COMPACTED | FLAG_POISONED | FLAG_HAS_PRODUCERS;

assert(WATERMARK_BYTES === 128, 'a watermark slot is 128 bytes');

export interface Watermark {
  readonly sequence: number;
  /** Boot id of the machine when it was written, 32 hexadecimal digits. */
  readonly bootId: string;
  readonly nonce: bigint;
  /** The writer epoch: `partitionLeaderEpoch` of the batches it writes. */
  readonly epoch: number;
  readonly isClean: boolean;
  readonly isEverCompacted: boolean;
  readonly isPoisoned: boolean;
  /** Producers have written: who follows the log looks for transactions. */
  readonly hasProducers: boolean;
  /** The segment and the position in it up to which everything is durable. */
  readonly segmentBase: number;
  readonly position: number;
  /** Durable end: exclusive. */
  readonly durableOffset: number;
  /** The most bytes beyond `position` that may have been written and not synced. */
  readonly unsyncedBytesMax: number;
  readonly startOffset: number;
  readonly firstDirtyOffset: number;
  /** CRC-32C of the content of `leader-epoch-checkpoint`. */
  readonly epochsCrc: number;
}

/** What a watermark says, but for its running number. */
export type MarkContent = Omit<Watermark, 'sequence'>;

/** Writes one slot's bytes to `target` at `start`. */
export function encodeWatermark(watermark: Watermark, target: Uint8Array, start: number): void {
  encodeMark(watermark, watermark.sequence, target, start);
}

/** The same of its parts: each commit writes one, and copies nothing for it. */
export function encodeMark(
  watermark: MarkContent,
  sequence: number,
  target: Uint8Array,
  start: number,
): void {
  assert(watermark.position >= 0, 'watermark position is not negative');
  assert(watermark.startOffset <= watermark.durableOffset, 'start is not beyond the durable end');
  const flags =
    (watermark.isClean ? FLAG_CLEAN : 0) |
    (watermark.isEverCompacted ? FLAG_EVER_COMPACTED : 0) |
    (watermark.isPoisoned ? FLAG_POISONED : 0) |
    (watermark.hasProducers ? FLAG_HAS_PRODUCERS : 0);
  target.fill(0, start, start + WATERMARK_BYTES);
  writeUint32(target, start + MAGIC_POSITION, MAGIC);
  writeUint32(target, start + VERSION_POSITION, VERSION);
  writeInt64(target, start + SEQUENCE_POSITION, sequence);
  writeHex(target, start + BOOT_ID_POSITION, watermark.bootId);
  writeBigInt64(target, start + NONCE_POSITION, watermark.nonce);
  writeUint32(target, start + EPOCH_POSITION, watermark.epoch);
  writeUint32(target, start + FLAGS_POSITION, flags);
  writeInt64(target, start + SEGMENT_BASE_POSITION, watermark.segmentBase);
  writeInt64(target, start + POSITION_POSITION, watermark.position);
  writeInt64(target, start + DURABLE_OFFSET_POSITION, watermark.durableOffset);
  writeInt64(target, start + UNSYNCED_BYTES_POSITION, watermark.unsyncedBytesMax);
  writeInt64(target, start + START_OFFSET_POSITION, watermark.startOffset);
  writeInt64(target, start + FIRST_DIRTY_POSITION, watermark.firstDirtyOffset);
  writeUint32(target, start + EPOCHS_CRC_POSITION, watermark.epochsCrc);
  writeUint32(target, start + CRC_POSITION, crc32c(target, start, start + CRC_POSITION));
}

export type SlotContent = Watermark | 'empty' | 'unreadable';

/** What one slot holds; `bytes` may end early (a short file). */
export function decodeSlot(bytes: Uint8Array, start: number): SlotContent {
  const end = Math.min(bytes.length, start + WATERMARK_BYTES);
  if (bytes.subarray(start, end).every((byte) => byte === 0)) return 'empty';
  if (end < start + WATERMARK_BYTES) return 'unreadable';
  if (readUint32(bytes, start + MAGIC_POSITION) !== MAGIC) return 'unreadable';
  if (readUint32(bytes, start + VERSION_POSITION) !== VERSION) return 'unreadable';
  const crc = crc32c(bytes, start, start + CRC_POSITION);
  if (readUint32(bytes, start + CRC_POSITION) !== crc) return 'unreadable';
  const flags = readUint32(bytes, start + FLAGS_POSITION);
  if ((flags & ~FLAGS_ALL) !== 0) return 'unreadable';
  const reserved = bytes.subarray(start + RESERVED_POSITION, start + CRC_POSITION);
  if (reserved.some((byte) => byte !== 0)) return 'unreadable';
  const watermark = {
    sequence: readInt64(bytes, start + SEQUENCE_POSITION),
    bootId: readHex(bytes, start + BOOT_ID_POSITION, 16),
    nonce: readBigInt64(bytes, start + NONCE_POSITION),
    epoch: readUint32(bytes, start + EPOCH_POSITION),
    isClean: (flags & FLAG_CLEAN) !== 0,
    isEverCompacted: (flags & FLAG_EVER_COMPACTED) !== 0,
    isPoisoned: (flags & FLAG_POISONED) !== 0,
    hasProducers: (flags & FLAG_HAS_PRODUCERS) !== 0,
    segmentBase: readInt64(bytes, start + SEGMENT_BASE_POSITION),
    position: readInt64(bytes, start + POSITION_POSITION),
    durableOffset: readInt64(bytes, start + DURABLE_OFFSET_POSITION),
    unsyncedBytesMax: readInt64(bytes, start + UNSYNCED_BYTES_POSITION),
    startOffset: readInt64(bytes, start + START_OFFSET_POSITION),
    firstDirtyOffset: readInt64(bytes, start + FIRST_DIRTY_POSITION),
    epochsCrc: readUint32(bytes, start + EPOCHS_CRC_POSITION),
  };
  return isSound(watermark) ? watermark : 'unreadable';
}

/** A checksum that fits does not make numbers of fields that hold none: those are NaN. */
function isSound(watermark: Watermark): boolean {
  const { sequence, segmentBase, position, unsyncedBytesMax } = watermark;
  const { startOffset, durableOffset, firstDirtyOffset } = watermark;
  return (
    sequence >= 0 &&
    segmentBase >= 0 &&
    position >= 0 &&
    unsyncedBytesMax >= 0 &&
    startOffset >= 0 &&
    durableOffset >= startOffset &&
    firstDirtyOffset >= 0
  );
}

export type WatermarkVerdict =
  | { readonly kind: 'absent' }
  /** The file is there and no slot can be trusted. */
  | { readonly kind: 'unreadable' }
  /** `damagedSlot`: the other slot is unreadable, so this one may be the older of the two. */
  | {
      readonly kind: 'present';
      readonly watermark: Watermark;
      readonly slot: 0 | 1;
      readonly damagedSlot: boolean;
    };

/** Decides from the file's bytes; undefined means that there is no file. */
export function judgeWatermark(bytes: Uint8Array | undefined): WatermarkVerdict {
  if (bytes === undefined) return { kind: 'absent' };
  const first = decodeSlot(bytes, 0);
  const second = decodeSlot(bytes, WATERMARK_SLOT_DISTANCE);
  const damagedSlot = first === 'unreadable' || second === 'unreadable';
  if (typeof first === 'string' && typeof second === 'string') return { kind: 'unreadable' };
  if (typeof second === 'string') {
    assert(typeof first !== 'string', 'the first slot is valid');
    return { kind: 'present', watermark: first, slot: 0, damagedSlot };
  }
  if (typeof first === 'string' || second.sequence > first.sequence) {
    return { kind: 'present', watermark: second, slot: 1, damagedSlot };
  }
  return { kind: 'present', watermark: first, slot: 0, damagedSlot };
}

function writeHex(target: Uint8Array, position: number, digits: string): void {
  for (let index = 0; index * 2 < digits.length; index++) {
    target[position + index] = Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16);
  }
}

function readHex(bytes: Uint8Array, position: number, count: number): string {
  let digits = '';
  for (let index = 0; index < count; index++) {
    digits += (bytes[position + index] ?? 0).toString(16).padStart(2, '0');
  }
  return digits;
}
