/**
 * Ready-made batches from producers that nobody knows: valid ones of every codec, with changes in
 * them under a checksum that fits.
 *
 * What must hold: a batch is refused with one of the codes, or it is what readers and time indexes
 * rely on: dense offsets, as many records as it says, the largest timestamp the largest, nothing
 * but what a producer may set. No claim is given memory.
 */

import assert from 'node:assert/strict';
import { MillraceError } from '../src/base/errors.js';
import { Batch } from '../src/storage/batch.js';
import { ATTRIBUTES_POSITION, CRC_POSITION } from '../src/storage/batch-format.js';
import { batchBaseOffset, stampCrc } from '../src/storage/batch-header.js';
import { createBatchMemory } from '../src/storage/batch-memory.js';
import { checkReadyBatch, type ReadyBatch } from '../src/storage/batch-ready.js';
import { drawBatch } from './draw-batch.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { mutate, mutateWithin } from './mutate.js';

const CODES: readonly string[] = [
  'BATCH_INVALID',
  'BATCH_TOO_LARGE',
  'RECORD_TOO_LARGE',
  'KEY_REQUIRED',
  'CODEC_UNAVAILABLE',
  'DECOMPRESSION_FAILED',
  'DECOMPRESSED_TOO_LARGE',
];

/** The most that any codec makes of a byte (deflate), and room for buffers of a fixed size. */
const RATIO_MAX = 1032;
const SPARE_BYTES = 512 * 1024;

export function tryReadyBatch(event: FuzzEvent): void {
  const bytes = drawBytes(event);
  const cleanup = event.prng.pick(['delete', 'compact'] as const);
  const limits = { cleanup, recordBytesMax: 8192, batchBytesMax: 1024 * 1024 };
  event.input(bytes, `a ready-made batch for a log with cleanup '${cleanup}'`);
  const outcome = boundedMemory(RATIO_MAX * bytes.length + SPARE_BYTES, () => {
    try {
      return checkReadyBatch(bytes, limits);
    } catch (error) {
      assert.ok(error instanceof MillraceError && CODES.includes(error.code), String(error));
      return error.code;
    }
  });
  event.met(typeof outcome === 'string' ? outcome : 'taken');
  if (typeof outcome !== 'string') checkTaken(bytes, outcome, cleanup);
}

export const fuzz = fuzzWith(tryReadyBatch);

function drawBytes({ prng }: FuzzEvent): Buffer {
  const { bytes } = drawBatch(prng);
  const kind = prng.integer(10);
  if (kind < 2) return Buffer.from(mutate(prng, bytes));
  const isHeader = prng.boolean(0.4);
  const end = isHeader ? ATTRIBUTES_POSITION + 40 : bytes.length;
  const changed = kind < 4 ? bytes : mutateWithin(prng, bytes, CRC_POSITION + 4, end);
  stampCrc(changed, 0);
  return Buffer.from(changed);
}

function checkTaken(bytes: Buffer, { count, producer }: ReadyBatch, cleanup: string): void {
  const batch = new Batch(createBatchMemory(bytes, 'fuzz', 0), 0);
  assert.ok(!batch.isControl && batch.isTransactional === (producer?.isTransactional ?? false));
  let records = 0;
  let maxTimestamp = -1;
  for (const { offset, timestamp, key } of batch) {
    assert.equal(offset, batchBaseOffset(bytes, 0) + records, 'offsets are dense');
    assert.ok(cleanup === 'delete' || key !== null, 'a compacted log has keys');
    maxTimestamp = Math.max(maxTimestamp, timestamp);
    records += 1;
  }
  assert.equal(records, count);
  assert.equal(batch.nextOffset, batch.baseOffset + count);
  assert.equal(batch.maxTimestamp, maxTimestamp);
}
