/**
 * Dumps the small files of a log: indexes, seal, Kafka's snapshots, watermark and text files.
 *
 * Each function takes the file's bytes and yields lines; what is malformed yields a problem with
 * its position, and the dump goes on where entries have a fixed size.
 */

import { readBigInt64, readInt16, readInt32, readInt64, readUint32 } from '../base/bytes.js';
import { crc32c } from '../base/crc32c.js';
import { MillraceError } from '../base/errors.js';
import {
  OFFSET_ENTRY_BYTES,
  OFFSET_ENTRY_POSITION,
  OFFSET_ENTRY_RELATIVE,
  TIME_ENTRY_BYTES,
  TIME_ENTRY_RELATIVE,
  TIME_ENTRY_TIMESTAMP,
} from '../index/index-format.js';
import { type DumpFields, type DumpLine, problem } from './dump-line.js';
import { Epochs } from './epochs.js';
import { decodeLogJson, decodeMetadata } from './log-json.js';
import {
  SNAPSHOT_CRC_START,
  SNAPSHOT_ENTRY_BYTES,
  SNAPSHOT_HEADER_BYTES,
} from './producer-snapshot.js';
import { decodeSeal } from './seal.js';
import { TXN_ENTRY_BYTES } from './transactions.js';
import { decodeSlot, WATERMARK_SLOT_DISTANCE } from './watermark.js';

type Lines = Generator<DumpLine, void, undefined>;

export function* dumpOffsetIndex(file: string, bytes: Uint8Array, baseOffset: number): Lines {
  const isPreallocated = (at: number): boolean =>
    at > 0 && readInt32(bytes, at) === 0 && readInt32(bytes, at + OFFSET_ENTRY_POSITION) === 0;
  let last = -1;
  for (const at of entries(bytes, OFFSET_ENTRY_BYTES)) {
    if (isPreallocated(at)) break;
    const relative = readInt32(bytes, at + OFFSET_ENTRY_RELATIVE);
    const target = readInt32(bytes, at + OFFSET_ENTRY_POSITION);
    yield { type: 'offset-entry', position: at, offset: baseOffset + relative, target };
    if (relative <= last) yield problem(file, at, 'the entry does not rise above the one before');
    last = relative;
  }
  yield* partialEntry(file, bytes, OFFSET_ENTRY_BYTES);
}

export function* dumpTimeIndex(file: string, bytes: Uint8Array, baseOffset: number): Lines {
  let last = -1;
  for (const at of entries(bytes, TIME_ENTRY_BYTES)) {
    const timestamp = readInt64(bytes, at + TIME_ENTRY_TIMESTAMP);
    const relative = readInt32(bytes, at + TIME_ENTRY_RELATIVE);
    if (at > 0 && timestamp === 0 && relative === 0) break;
    const offset = baseOffset + relative;
    yield { type: 'time-entry', position: at, timestamp: finite(timestamp), offset };
    if (!(timestamp > last))
      yield problem(file, at, 'the entry does not rise above the one before');
    last = timestamp;
  }
  yield* partialEntry(file, bytes, TIME_ENTRY_BYTES);
}

export function* dumpSeal(file: string, bytes: Uint8Array): Lines {
  const seal = decodeSeal(bytes);
  if (seal === 'invalid') {
    yield problem(file, 0, 'not a whole seal, or damaged', { bytes: bytes.length });
    return;
  }
  const epochs = seal.epochs.map(({ epoch, startOffset }) => ({ epoch, startOffset }));
  yield { type: 'seal', ...seal, epochs };
}

export function* dumpAborted(file: string, bytes: Uint8Array): Lines {
  for (const at of entries(bytes, TXN_ENTRY_BYTES)) {
    yield {
      type: 'aborted-transaction',
      position: at,
      version: readInt16(bytes, at),
      producerId: exact(bytes, at + 2),
      firstOffset: exact(bytes, at + 10),
      lastOffset: exact(bytes, at + 18),
      lastStableOffset: exact(bytes, at + 26),
    };
  }
  yield* partialEntry(file, bytes, TXN_ENTRY_BYTES);
}

export function* dumpSnapshot(file: string, bytes: Uint8Array): Lines {
  if (bytes.length < SNAPSHOT_HEADER_BYTES) {
    yield problem(file, 0, 'too short for a snapshot', { bytes: bytes.length });
    return;
  }
  const crc = readUint32(bytes, 2);
  const count = readInt32(bytes, SNAPSHOT_CRC_START);
  yield { type: 'snapshot', version: readInt16(bytes, 0), crc, count };
  const actual = crc32c(bytes, SNAPSHOT_CRC_START, bytes.length);
  if (actual !== crc) yield problem(file, 2, 'the checksum differs', { expected: crc, actual });
  const held = Math.floor((bytes.length - SNAPSHOT_HEADER_BYTES) / SNAPSHOT_ENTRY_BYTES);
  for (let index = 0; index < held; index += 1) {
    const at = SNAPSHOT_HEADER_BYTES + index * SNAPSHOT_ENTRY_BYTES;
    yield {
      type: 'producer',
      position: at,
      producerId: exact(bytes, at),
      producerEpoch: readInt16(bytes, at + 8),
      lastSequence: readInt32(bytes, at + 10),
      lastOffset: exact(bytes, at + 14),
      offsetDelta: readInt32(bytes, at + 22),
      timestamp: exact(bytes, at + 26),
      coordinatorEpoch: readInt32(bytes, at + 34),
      currentTransactionFirstOffset: exact(bytes, at + 38),
    };
  }
  const expected = SNAPSHOT_HEADER_BYTES + count * SNAPSHOT_ENTRY_BYTES;
  if (expected === bytes.length) return;
  yield problem(file, bytes.length, 'the size differs', { expected, actual: bytes.length });
}

export function* dumpWatermark(file: string, bytes: Uint8Array): Lines {
  for (const slot of [0, 1]) {
    const position = slot * WATERMARK_SLOT_DISTANCE;
    const content = decodeSlot(bytes, position);
    if (typeof content === 'string') {
      if (content === 'empty') yield { type: 'watermark', slot, position, state: 'empty' };
      else yield problem(file, position, 'the slot is not whole, or damaged', { slot });
      continue;
    }
    yield { type: 'watermark', slot, ...content, nonce: content.nonce.toString() };
  }
}

export function* dumpEpochs(file: string, bytes: Uint8Array): Lines {
  const epochs = Epochs.decode(bytes);
  if (epochs === 'invalid') {
    yield problem(file, 0, 'not of the form of an epoch table');
    return;
  }
  for (const { epoch, startOffset } of epochs.entries) yield { type: 'epoch', epoch, startOffset };
}

export function* dumpMetadata(file: string, bytes: Uint8Array): Lines {
  const topicId = decodeMetadata(bytes);
  if (topicId === 'invalid') yield problem(file, 0, 'not of the form of partition metadata');
  else yield { type: 'metadata', topicId };
}

export function* dumpLogJson(file: string, bytes: Uint8Array): Lines {
  try {
    const { logId, createdMs, options } = decodeLogJson(bytes, file);
    yield { type: 'log', logId, createdMs, options: { ...options } satisfies DumpFields };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    yield problem(file, 0, String(error.facts['reason'] ?? error.message));
  }
}

function* entries(bytes: Uint8Array, entryBytes: number): Generator<number, void, undefined> {
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) yield at;
}

function* partialEntry(file: string, bytes: Uint8Array, entryBytes: number): Lines {
  const rest = bytes.length % entryBytes;
  if (rest === 0) return;
  yield problem(file, bytes.length - rest, 'the last entry is not whole', { bytes: rest });
}

/** A number, or the digits of one that a number cannot hold. */
function exact(bytes: Uint8Array, position: number): number | string {
  const value = readInt64(bytes, position);
  return Number.isNaN(value) ? readBigInt64(bytes, position).toString() : value;
}

function finite(value: number): number | null {
  return Number.isNaN(value) ? null : value;
}
