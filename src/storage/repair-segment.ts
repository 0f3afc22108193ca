/**
 * Carries out the plan for one segment.
 *
 * The order makes every prefix recoverable: what goes away is kept in a `.broken` file; the seal
 * goes, so that nobody believes the old indexes; the new file is complete under a temporary name;
 * one rename puts it in place; indexes and seal follow. The directory is synced after each of
 * these.
 */

import { join } from 'node:path';
import { assert } from '../base/assert.js';
import { crc32c } from '../base/crc32c.js';
import { createError } from '../base/errors.js';
import type { ReadableFile } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import { ENTRY_VALUE_MAX } from '../index/index-format.js';
import {
  HEADER_BYTES,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
} from './batch-format.js';
import { stampCrc, writeBatchHeader } from './batch-header.js';
import type { Epochs } from './epochs.js';
import type { LogEnvironment } from './log-environment.js';
import { readSmallFile } from './log-folder.js';
import { ProducerStates } from './producer-states.js';
import type { ByteRange, PlannedPiece, PlannedSegment } from './repair-plan.js';
import type { Seal } from './seal.js';
import { type SealedProducers, Segment } from './segment.js';
import { brokenPath, segmentPath, TEMPORARY_SUFFIX } from './segment-files.js';
import { rebuildSegment } from './segment-loader.js';
import { sealSteps } from './segment-roll.js';
import { decodeTxnIndex, encodeTxnIndex } from './transactions.js';
import { healHeader } from './verify-survey.js';
import type { Writer, WriterFile, WriterStep } from './writer.js';

const COPY_BYTES = 1024 * 1024;

export interface RepairContext {
  readonly environment: LogEnvironment;
  readonly writer: Writer;
  readonly directory: string;
  readonly logId: string;
  readonly indexIntervalBytes: number;
  readonly epochs: Epochs;
  /** Producers were known to this log. */
  readonly hasSnapshots: boolean;
  /** Names of the `.broken` files that are there; grows and shrinks with the work. */
  readonly brokenFiles: string[];
}

/** Writes the batches of a segment anew; its seal and indexes are gone afterwards. */
export async function rewriteSegment(
  context: RepairContext,
  planned: PlannedSegment,
): Promise<string | undefined> {
  const { directory, environment } = context;
  const path = segmentPath(directory, planned.baseOffset, 'log');
  const source =
    planned.inspection === undefined ? undefined : await environment.fileSystem.open(path);
  try {
    const broken =
      source === undefined || planned.dropped.length === 0
        ? undefined
        : await keepBroken(context, planned, source);
    await context.writer.run([
      { kind: 'unlink', path: segmentPath(directory, planned.baseOffset, 'seal') },
      { kind: 'syncDirectory', path: directory },
    ]);
    await writeFile(context, path + TEMPORARY_SUFFIX, (file) =>
      writePieces(context, file, planned.pieces, source),
    );
    await context.writer.run([
      { kind: 'rename', from: path + TEMPORARY_SUFFIX, to: path },
      { kind: 'syncDirectory', path: directory },
    ]);
    return broken;
  } finally {
    await source?.close();
  }
}

/** Gives a segment indexes and a seal that fit its batches. Resolves to the segment. */
export async function sealSegment(
  context: RepairContext,
  planned: PlannedSegment,
  runningMaxTimestamp: number,
): Promise<Segment> {
  const { directory, environment, logId, indexIntervalBytes, epochs } = context;
  const { fileSystem } = environment;
  const loading = { fileSystem, logId, indexIntervalBytes, epochs };
  const { baseOffset, hasGaps } = planned;
  const walked = new ProducerStates();
  const all = Number.POSITIVE_INFINITY;
  const of = new Segment(directory, baseOffset);
  const rebuilt = await rebuildSegment(loading, of, hasGaps, all, walked);
  const { segment, invalid } = rebuilt;
  if (invalid !== undefined) {
    const { position, reason, expected, actual } = invalid;
    const facts = { file: segment.logPath, position, reason, expected, actual };
    throw createError('LOG_CORRUPT', facts);
  }
  const oldFirstMs = planned.inspection?.seal?.firstAppendMs;
  const modifiedMs = (await fileSystem.facts(segment.logPath))?.modifiedMs ?? 0;
  segment.firstAppendMs = oldFirstMs ?? modifiedMs;
  const producers = await sealedAgain(context, planned, walked);
  const files = segment.toSealedFiles(logId, epochs, runningMaxTimestamp, producers);
  await context.writer.run([
    ...sealSteps(segment, files),
    { kind: 'syncDirectory', path: directory },
  ]);
  return segment;
}

/**
 * What the new seal says of producers. The transaction index stays when it fits; otherwise it lists
 * the transactions that lie in this segment alone.
 */
async function sealedAgain(
  context: RepairContext,
  planned: PlannedSegment,
  walked: ProducerStates,
): Promise<SealedProducers> {
  const { directory, environment, hasSnapshots } = context;
  const path = segmentPath(directory, planned.baseOffset, 'txnIndex');
  const stored = await readSmallFile(environment.fileSystem, path);
  const seal = planned.inspection?.seal;
  const isKept = stored !== undefined && fitsSeal(stored, seal);
  const { aborted } = walked.transactions;
  const entries = isKept ? decodeTxnIndex(stored) : aborted.all;
  return {
    txnIndex: entries === 'invalid' || entries.length === 0 ? undefined : encodeTxnIndex(entries),
    snapshot: undefined,
    hasProducers: seal?.hasProducers ?? (hasSnapshots || !walked.isEmpty),
  };
}

function fitsSeal(txnIndex: Uint8Array, seal: Seal | undefined): boolean {
  if (seal === undefined) return decodeTxnIndex(txnIndex) !== 'invalid';
  const { txnIndexBytes, txnIndexCrc } = seal;
  const isSame = txnIndex.length === txnIndexBytes;
  return isSame && crc32c(txnIndex, 0, txnIndexBytes) === txnIndexCrc;
}

/** Keeps the bytes that go away, one after the other, in one file; the oldest file makes room. */
async function keepBroken(
  context: RepairContext,
  planned: PlannedSegment,
  source: ReadableFile,
): Promise<string> {
  const { directory, writer, brokenFiles } = context;
  const steps: WriterStep[] = [];
  brokenFiles.sort();
  while (brokenFiles.length >= limits.brokenFilesMax) {
    const name = brokenFiles.shift();
    assert(name !== undefined, 'there is a file to remove');
    steps.push({ kind: 'unlink', path: join(directory, name) });
  }
  const prefix = String(planned.baseOffset).padStart(20, '0');
  const numbers = brokenFiles
    .filter((name) => name.startsWith(prefix))
    .map((name) => Number(name.split('.')[1]));
  const path = brokenPath(directory, planned.baseOffset, Math.max(0, ...numbers) + 1);
  await writer.run(steps);
  await writeFile(context, path, async (file) => {
    let position = 0;
    for (const range of planned.dropped) {
      position += await copyRange(context, file, position, source, range);
    }
  });
  await writer.run([{ kind: 'syncDirectory', path: directory }]);
  brokenFiles.push(path.slice(directory.length + 1));
  return path;
}

async function writeFile(
  context: RepairContext,
  path: string,
  write: (file: WriterFile) => Promise<void>,
): Promise<void> {
  const { writer } = context;
  const file = writer.newFile();
  await writer.run([{ kind: 'open', file, path, mode: 'create' }]);
  try {
    await writer.run([{ kind: 'cut', file, bytes: 0 }]);
    await write(file);
    await writer.run([{ kind: 'sync', file }]);
  } finally {
    await writer.run([{ kind: 'close', file }]);
  }
}

async function writePieces(
  context: RepairContext,
  file: WriterFile,
  pieces: readonly PlannedPiece[],
  source: ReadableFile | undefined,
): Promise<void> {
  let position = 0;
  for (const piece of pieces) {
    if (piece.kind === 'empty') {
      const bytes = emptyBatches(piece.baseOffset, piece.nextOffset, context.epochs);
      await context.writer.run([{ kind: 'write', file, bytes, position }]);
      position += bytes.length;
      continue;
    }
    assert(source !== undefined, 'what is copied has a source');
    if (piece.kind === 'copy') {
      position += await copyRange(context, file, position, source, piece);
      continue;
    }
    const bytes = await readRange(source, piece);
    healHeader(bytes, piece.header);
    await context.writer.run([{ kind: 'write', file, bytes, position }]);
    position += bytes.length;
  }
}

async function copyRange(
  context: RepairContext,
  file: WriterFile,
  position: number,
  source: ReadableFile,
  range: ByteRange,
): Promise<number> {
  for (let from = range.from; from < range.to; from += COPY_BYTES) {
    const bytes = await readRange(source, { from, to: Math.min(range.to, from + COPY_BYTES) });
    const at = position + from - range.from;
    await context.writer.run([{ kind: 'write', file, bytes, position: at }]);
  }
  return range.to - range.from;
}

async function readRange(source: ReadableFile, { from, to }: ByteRange): Promise<Uint8Array> {
  const bytes = new Uint8Array(to - from);
  let done = 0;
  while (done < bytes.length) {
    const got = await source.read(bytes, done, bytes.length - done, from + done);
    if (got === 0) throw createError('IO_FAILED', { reason: 'a file became shorter', from, to });
    done += got;
  }
  return bytes;
}

/** Batches without records over [baseOffset, nextOffset): one, unless its delta cannot say that. */
export function emptyBatches(baseOffset: number, nextOffset: number, epochs: Epochs): Uint8Array {
  const count = Math.ceil((nextOffset - baseOffset) / (ENTRY_VALUE_MAX + 1));
  const bytes = new Uint8Array(count * HEADER_BYTES);
  let offset = baseOffset;
  for (let position = 0; position < bytes.length; position += HEADER_BYTES) {
    const lastOffsetDelta = Math.min(nextOffset - offset - 1, ENTRY_VALUE_MAX);
    writeBatchHeader(bytes, position, {
      baseOffset: offset,
      bytes: HEADER_BYTES,
      epoch: Math.max(0, epochs.at(offset)),
      attributes: 0,
      lastOffsetDelta,
      baseTimestamp: NO_TIMESTAMP,
      maxTimestamp: NO_TIMESTAMP,
      producerId: NO_PRODUCER_ID,
      producerEpoch: NO_PRODUCER_EPOCH,
      baseSequence: NO_SEQUENCE,
      count: 0,
    });
    stampCrc(bytes, position);
    offset += lastOffsetDelta + 1;
  }
  return bytes;
}
