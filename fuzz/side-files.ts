/**
 * The small files of a log, changed: seal, watermark, epochs, log.json, partition.metadata,
 * .txnindex.
 *
 * What must hold: a decoder refuses, or what it says means exactly what the bytes say. A file with
 * a checksum is accepted only as it was written; one without, or whose checksum was made to fit,
 * only when writing its meaning again gives the same bytes. Of the two slots of a watermark, the
 * newer one that is whole counts, and no mixture of them.
 */

import assert from 'node:assert/strict';
import { writeUint32 } from '../src/base/bytes.js';
import { crc32c } from '../src/base/crc32c.js';
import { hasCode } from '../src/base/errors.js';
import type { Prng } from '../src/base/prng.js';
import { Epochs } from '../src/storage/epochs.js';
import { rememberedOf, resolveLogOptions } from '../src/storage/log-config.js';
import {
  decodeLogJson,
  decodeMetadata,
  encodeLogJson,
  encodeMetadata,
} from '../src/storage/log-json.js';
import {
  decodeSnapshot,
  encodeSnapshot,
  type SnapshotEntry,
} from '../src/storage/producer-snapshot.js';
import { decodeSeal, encodeSeal } from '../src/storage/seal.js';
import { decodeTxnIndex, encodeTxnIndex } from '../src/storage/transactions.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { isSameBytes, mutate, mutateWithin } from './mutate.js';
import { tryWatermarkFile } from './watermark-file.js';

const SPARE_BYTES = 64 * 1024;

interface SideFile {
  readonly name: string;
  readonly draw: (prng: Prng) => Uint8Array;
  /** Reads the bytes and writes again what they mean. */
  readonly again: (bytes: Uint8Array) => Uint8Array | 'invalid';
  /** Nothing but the bytes that were written is accepted. */
  readonly hasChecksum: boolean;
  /** Where a checksum over all before it lies, counted from the end. */
  readonly checksumBytes?: number;
}

const files: readonly SideFile[] = [
  {
    name: 'seal',
    draw: drawSeal,
    again: (bytes) => onceMore(decodeSeal(bytes), encodeSeal),
    hasChecksum: true,
    checksumBytes: 4,
  },
  {
    name: 'epochs',
    draw: (prng) => new Epochs(drawEpochs(prng)).encode(),
    again: (bytes) => onceMore(Epochs.decode(bytes), (epochs) => epochs.encode()),
    hasChecksum: false,
  },
  { name: 'log.json', draw: drawLogJson, again: logJsonAgain, hasChecksum: true },
  {
    name: 'partition.metadata',
    draw: (prng) => encodeMetadata(drawId(prng)),
    again: metadataAgain,
    hasChecksum: false,
  },
  {
    name: 'txnindex',
    draw: drawTxnIndex,
    again: (bytes) => onceMore(decodeTxnIndex(bytes), encodeTxnIndex),
    hasChecksum: false,
  },
  {
    name: 'snapshot',
    draw: drawSnapshot,
    again: (bytes) => onceMore(decodeSnapshot(bytes), encodeSnapshot),
    hasChecksum: true,
  },
];

export function trySideFile(event: FuzzEvent): void {
  if (event.prng.boolean(0.25)) tryWatermarkFile(event);
  else tryFile(event, event.prng.pick(files));
}

export const fuzz = fuzzWith(trySideFile);

function tryFile(event: FuzzEvent, file: SideFile): void {
  const { prng } = event;
  const { name, again, hasChecksum, checksumBytes } = file;
  const original = file.draw(prng);
  const made = again(original);
  assert.ok(made !== 'invalid' && isSameBytes(made, original), `${name} comes back as written`);
  const isRestamped = checksumBytes !== undefined && prng.boolean(0.4);
  const bytes = isRestamped ? restamped(prng, original, checksumBytes) : mutate(prng, original);
  event.input(bytes, name);
  const meaning = boundedMemory(64 * bytes.length + SPARE_BYTES, () => again(bytes));
  event.met(`${name} ${meaning === 'invalid' ? 'invalid' : 'accepted'}`);
  if (meaning === 'invalid') return;
  assert.ok(isSameBytes(meaning, bytes), `${name} means what its bytes say`);
  if (!hasChecksum || isRestamped) return;
  assert.ok(isSameBytes(bytes, original), `a changed ${name} was accepted`);
}

function restamped(prng: Prng, original: Uint8Array, checksumBytes: number): Uint8Array {
  const end = original.length - checksumBytes;
  const bytes = mutateWithin(prng, original, 0, end);
  writeUint32(bytes, end, crc32c(bytes, 0, end));
  return bytes;
}

function onceMore<Meaning>(
  meaning: Meaning | 'invalid',
  encode: (meaning: Meaning) => Uint8Array,
): Uint8Array | 'invalid' {
  return meaning === 'invalid' ? 'invalid' : encode(meaning);
}

function logJsonAgain(bytes: Uint8Array): Uint8Array | 'invalid' {
  try {
    return encodeLogJson(decodeLogJson(bytes, 'log.json'));
  } catch (error) {
    if (hasCode(error, 'LOG_CORRUPT') || hasCode(error, 'FORMAT_UNSUPPORTED')) return 'invalid';
    throw error;
  }
}

/** The last newline may be missing: people edit this file. */
function metadataAgain(bytes: Uint8Array): Uint8Array | 'invalid' {
  const again = onceMore(decodeMetadata(bytes), encodeMetadata);
  return again === 'invalid' ? again : again.subarray(0, Math.max(bytes.length, again.length - 1));
}

function drawSnapshot(prng: Prng): Uint8Array {
  const entries = Array.from({ length: prng.integer(5) }, (_, index): SnapshotEntry => {
    const offsetDelta = prng.integer(1000);
    const hasBatch = prng.boolean(0.8);
    return {
      producerId: BigInt(prng.integer(2 ** 40) * 8 + index),
      producerEpoch: prng.integer(2 ** 15),
      lastSequence: hasBatch ? prng.integer(2 ** 31) : -1,
      lastOffset: hasBatch ? offsetDelta + prng.integer(2 ** 40) : -1,
      offsetDelta: hasBatch ? offsetDelta : 0,
      timestamp: prng.integer(2 ** 45) - 1,
      coordinatorEpoch: prng.integer(2 ** 31) - 1,
      transactionOffset: prng.boolean() ? prng.integer(2 ** 40) : undefined,
    };
  });
  return encodeSnapshot(entries);
}

function drawSeal(prng: Prng): Uint8Array {
  const baseOffset = prng.integer(2 ** 40);
  const maxTimestamp = prng.integer(2 ** 45) - 1;
  const runningMaxBefore = prng.integer(2 ** 45) - 1;
  const txnIndexBytes = prng.pick([0, 34, 340]);
  return encodeSeal({
    logId: drawId(prng),
    baseOffset,
    nextOffset: baseOffset + prng.integer(1000),
    logBytes: prng.integer(2 ** 31),
    batches: prng.integer(1000),
    records: prng.integer(1000),
    maxTimestamp,
    runningMaxTimestamp: Math.max(maxTimestamp, runningMaxBefore),
    runningMaxBefore,
    firstAppendMs: prng.integer(2 ** 45),
    headersCrc: prng.integer(2 ** 32),
    hasGaps: prng.boolean(),
    indexBytes: 8 * prng.integer(1000),
    indexCrc: prng.integer(2 ** 32),
    timeIndexBytes: 12 * prng.integer(1000),
    timeIndexCrc: prng.integer(2 ** 32),
    hasProducers: prng.boolean(),
    txnIndexBytes,
    txnIndexCrc: txnIndexBytes === 0 ? 0 : prng.integer(2 ** 32),
    epochs: drawEpochs(prng),
  });
}

function drawEpochs(prng: Prng): { epoch: number; startOffset: number }[] {
  let [epoch, startOffset] = [-1, -1];
  return Array.from({ length: prng.integer(5) }, () => {
    epoch += 1 + prng.integer(3);
    startOffset += 1 + prng.integer(1000);
    return { epoch, startOffset };
  });
}

function drawLogJson(prng: Prng): Uint8Array {
  const given = {
    segmentBytes: 4096 + prng.integer(1_000_000),
    indexIntervalBytes: prng.integer(10_000),
    cleanup: prng.pick(['delete', 'compact,delete'] as const),
    retentionMs: prng.pick([1 + prng.integer(2 ** 40), 'unlimited'] as const),
    protectedGroups: Array.from({ length: prng.integer(4) }, (_, index) => `group ${index}`),
  };
  const options = rememberedOf(resolveLogOptions(given, 'fuzz'));
  return encodeLogJson({ logId: drawId(prng), createdMs: prng.integer(2 ** 45), options });
}

function drawTxnIndex(prng: Prng): Uint8Array {
  const entries = Array.from({ length: prng.integer(4) }, () => {
    const firstOffset = prng.integer(1_000_000);
    const lastOffset = firstOffset + prng.integer(100);
    const producerId = BigInt(prng.integer(1000));
    return { producerId, firstOffset, lastOffset, lastStableOffset: lastOffset + 1 };
  });
  return encodeTxnIndex(entries);
}

function drawId(prng: Prng): string {
  return Buffer.from(prng.bytes(16)).toString('hex');
}
