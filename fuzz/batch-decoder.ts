/**
 * Batches from outside: random bytes, and valid batches of every codec with changes in them, some
 * under a checksum that fits again, so that what lies behind it is reached.
 *
 * What must hold: a decoder answers or throws one of its codes; a batch whose checksum was not
 * made to fit is accepted only with the bytes that were written; all ways of walking a batch agree;
 * records lie within it; nothing reads behind what is available; no claim is given memory.
 */

import assert from 'node:assert/strict';
import { writeInt32 } from '../src/base/bytes.js';
import { hasCode, MillraceError } from '../src/base/errors.js';
import { Batch } from '../src/storage/batch.js';
import { inspectBatch, isCorrupt, verifyRecords } from '../src/storage/batch-decoder.js';
import {
  CRC_POSITION,
  HEADER_BYTES,
  LENGTH_END,
  LENGTH_POSITION,
} from '../src/storage/batch-format.js';
import { batchBytes, batchCount, stampCrc } from '../src/storage/batch-header.js';
import { createBatchMemory } from '../src/storage/batch-memory.js';
import type { RecordInput } from '../src/storage/record.js';
import { type DrawnBatch, drawBatch } from './draw-batch.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { isSameBytes, mutate, mutateWithin } from './mutate.js';

const CODES = [
  'LOG_CORRUPT',
  'CODEC_UNAVAILABLE',
  'DECOMPRESSION_FAILED',
  'DECOMPRESSED_TOO_LARGE',
] as const;

/** The most that any codec makes of a byte (deflate), and room for buffers of a fixed size. */
const RATIO_MAX = 1032;
const SPARE_BYTES = 512 * 1024;

export function tryBatch(event: FuzzEvent): void {
  const { prng } = event;
  if (prng.boolean(0.1)) {
    tryBytes(event, drawGarbage(event), undefined);
    return;
  }
  const drawn = drawBatch(prng);
  const kind = prng.integer(100);
  if (kind < 5) checkWhole(event, drawn);
  else if (kind < 10) tryShortened(event, drawn);
  else if (kind < 55) tryBytes(event, mutate(prng, drawn.bytes), drawn);
  else tryBytes(event, restamped(event, drawn), undefined);
}

export const fuzz = fuzzWith(tryBatch);

/** Noise; often with a header that gets past the first looks. */
function drawGarbage({ prng }: FuzzEvent): Uint8Array {
  const bytes = prng.bytes(prng.integer(300));
  if (prng.boolean(0.3) || bytes.length < HEADER_BYTES) return bytes;
  bytes.fill(0, 0, 12);
  bytes[10] = (bytes.length - 12) >>> 8;
  bytes[11] = bytes.length - 12;
  bytes[16] = 2;
  if (prng.boolean()) stampCrc(bytes, 0);
  return bytes;
}

/** Changes behind the checksum, which then is made to fit. */
function restamped({ prng }: FuzzEvent, { bytes }: DrawnBatch): Uint8Array {
  const changed = mutateWithin(prng, bytes, CRC_POSITION + 4, bytes.length);
  stampCrc(changed, 0);
  return changed;
}

/** The batch as it was written gives back its records. */
function checkWhole(event: FuzzEvent, { bytes, records, baseOffset, codec }: DrawnBatch): void {
  event.input(bytes, `a valid ${codec} batch`);
  assert.equal(inspectBatch(bytes, 0, bytes.length), 'batch');
  const found = [...new Batch(createBatchMemory(bytes, 'fuzz', 0), 0)];
  assert.equal(found.length, records.length);
  for (const [index, record] of found.entries()) {
    const expected = records[index];
    assert.equal(record.offset, baseOffset + index);
    assert.ok(isContent(record.key, expected?.key), 'the key came back');
    assert.ok(isContent(record.value, expected?.value), 'the value came back');
    assert.equal(record.headers.length, expected?.headers?.length ?? 0);
  }
  event.met(`whole ${codec}`);
}

/**
 * A length that leaves out the end of the last record, which still lies behind the batch: a walk
 * that looks there finds everything in order.
 */
function tryShortened(event: FuzzEvent, { bytes }: DrawnBatch): void {
  const changed = Buffer.from(bytes);
  const count = 1 + event.prng.integer(Math.min(20, bytes.length - HEADER_BYTES));
  writeInt32(changed, LENGTH_POSITION, bytes.length - LENGTH_END - count);
  if (inspectBatch(changed, 0, changed.length, 'skip-crc') !== 'batch') return;
  stampCrc(changed, 0);
  event.input(changed, `a batch that is ${count} bytes short`);
  assert.equal(verifyRecords(changed, 0).outcome, 'invalid', 'nothing behind the batch counts');
  assert.equal(typeof outcomeOf(() => step(changed, 0)), 'string');
  event.met('shortened');
}

function tryBytes(event: FuzzEvent, changed: Uint8Array, original: DrawnBatch | undefined): void {
  const { prng } = event;
  const before = prng.integer(8);
  const behind = prng.integer(8);
  const bytes = Buffer.concat([prng.bytes(before), changed, prng.bytes(behind)]);
  event.input(changed, `at position ${before} of ${bytes.length} bytes`);
  const outcome = boundedMemory(SPARE_BYTES, () => inspectBatch(bytes, before, changed.length));
  const alone = Buffer.from(changed);
  assert.equal(inspectBatch(alone, 0, alone.length), outcome, 'nothing behind the end counts');
  event.met(outcome);
  if (outcome !== 'batch') {
    assert.ok(isCorrupt(outcome) || outcome === 'need-more-bytes' || outcome === 'zero-tail');
    return;
  }
  const total = batchBytes(bytes, before);
  assert.ok(total >= HEADER_BYTES && total <= changed.length, 'the batch lies within its bytes');
  if (original !== undefined) checkSameContent(bytes.subarray(before, before + total), original);
  walk(event, bytes, before, total);
}

/** A checksum that fits says that what it covers is what was written. */
function checkSameContent(bytes: Uint8Array, original: DrawnBatch): void {
  const covered = bytes.subarray(CRC_POSITION);
  const isSame = isSameBytes(covered, original.bytes.subarray(CRC_POSITION));
  assert.ok(isSame, 'a changed batch was accepted');
}

function walk(event: FuzzEvent, bytes: Buffer, position: number, total: number): void {
  const memoryMax = total * RATIO_MAX + SPARE_BYTES;
  const verdict = boundedMemory(memoryMax, () => verifyRecords(bytes, position));
  const byIterator = outcomeOf(() => iterate(bytes, position));
  const byCursor = outcomeOf(() => step(bytes, position));
  assert.deepEqual(byIterator, byCursor, 'iterator and cursor agree');
  if (verdict.outcome === 'invalid') {
    assert.ok(
      CODES.some((code) => hasCode(verdict.error, code)),
      verdict.error.code,
    );
    assert.equal(byIterator, verdict.error.code);
    event.met(verdict.error.code);
    return;
  }
  assert.ok(Array.isArray(byIterator), 'a batch that verifies can be read');
  assert.equal(byIterator.length, batchCount(bytes, position));
  checkLateStart(event, bytes, position, byIterator);
  event.met('records');
}

/** A walk from the middle gives the rest of a whole one. */
function checkLateStart(
  event: FuzzEvent,
  bytes: Buffer,
  position: number,
  offsets: readonly number[],
): void {
  const memory = createBatchMemory(bytes, 'fuzz', 0);
  const { baseOffset, lastOffset } = new Batch(memory, position);
  const span = Math.min(lastOffset - baseOffset + 2, 1000);
  const fromOffset = baseOffset + event.prng.integer(span);
  const rest = [...new Batch(memory, position, fromOffset)].map((record) => record.offset);
  assert.deepEqual(
    rest,
    offsets.filter((offset) => offset >= fromOffset),
  );
  for (const offset of offsets) assert.ok(offset >= baseOffset && offset <= lastOffset);
}

function outcomeOf(walkAll: () => number[]): number[] | string {
  try {
    return walkAll();
  } catch (error) {
    if (error instanceof MillraceError) return error.code;
    throw error;
  }
}

/** Offsets of the records, everything of which is looked at. */
function iterate(bytes: Buffer, position: number): number[] {
  const batch = new Batch(createBatchMemory(bytes, 'fuzz', 0), position);
  return Array.from(batch, (record) => {
    const { key, value, headers, offset } = record.copy();
    assert.ok(isContent(record.key, key) && isContent(record.value, value), 'a copy is the same');
    assert.equal(record.headers.length, headers.length);
    return offset;
  });
}

function step(bytes: Buffer, position: number): number[] {
  const offsets: number[] = [];
  const cursor = new Batch(createBatchMemory(bytes, 'fuzz', 0), position).cursor();
  // An inflated body has memory of its own.
  const isInPlace = cursor.bytes === bytes;
  const end = isInPlace ? position + batchBytes(bytes, position) : cursor.bytes.length;
  while (cursor.next()) {
    assert.ok(cursor.keyEnd <= end, 'the key lies within the batch');
    assert.ok(cursor.valueEnd <= end, 'the value lies within the batch');
    assert.equal(cursor.copyHeaders().length, cursor.headerCount);
    offsets.push(cursor.offset);
  }
  return offsets;
}

function isContent(found: Buffer | null, expected: RecordInput['value']): boolean {
  if (found === null) return expected === null || expected === undefined;
  return expected instanceof Uint8Array && isSameBytes(found, expected);
}
