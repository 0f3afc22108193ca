// Any records survive the way through a batch; any other bytes are refused, or walked within
// bounds.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../../src/base/errors.js';
import { Batch } from '../../src/storage/batch.js';
import { inspectBatch, isCorrupt, verifyRecords } from '../../src/storage/batch-decoder.js';
import { BatchBuilder } from '../../src/storage/batch-encoder.js';
import { HEADER_BYTES } from '../../src/storage/batch-format.js';
import { batchBytes, stampCrc } from '../../src/storage/batch-header.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { type BytesInput, recordBytes } from '../../src/storage/batch-record-size.js';
import type { RecordHeaderInput } from '../../src/storage/record.js';
import { batchOf, readAll } from '../support/batch-fixtures.js';
import { testSeed } from '../support/seed.js';

const SLAB_BYTES = 64 * 1024;
/** Around a batch lie bytes that no reader of the batch may look at. */
const MARGIN_BYTES = 64;

const bytesInput = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.constant(null),
  fc.constant(undefined),
);
const header = fc.record({ key: fc.string({ unit: 'binary', maxLength: 20 }), value: bytesInput });
const record = fc.record({
  key: bytesInput,
  value: bytesInput,
  headers: fc.option(fc.array(header, { maxLength: 4 }), { nil: undefined }),
  timestamp: fc.maxSafeNat(),
});
const records = fc.array(record, { minLength: 1, maxLength: 20 });

test('property: whatever is added reads back, and its size was known', () => {
  const builder = new BatchBuilder();
  const slabs = [Buffer.alloc(SLAB_BYTES), Buffer.from(new SharedArrayBuffer(SLAB_BYTES))];
  fc.assert(
    fc.property(records, fc.nat(), fc.constantFrom(...slabs), (inputs, baseOffset, slab) => {
      builder.begin(slab, 5, slab.length, baseOffset, 1);
      for (const [index, { key, value, headers, timestamp }] of inputs.entries()) {
        const before = builder.bytes;
        assert.ok(builder.add(key, value, headers, timestamp));
        const delta = timestamp - (inputs[0]?.timestamp ?? 0);
        const expected = recordBytes(key, value, headers, delta, index);
        assert.equal(builder.bytes - before, expected);
      }
      const bytes = builder.finish();
      assert.equal(inspectBatch(slab, 5, bytes), 'batch');
      assert.deepEqual(
        readAll(slab, 5),
        inputs.map(({ key, value, headers, timestamp }, index) => ({
          offset: baseOffset + index,
          timestamp,
          key: stored(key),
          value: stored(value),
          headers: (headers ?? []).map(storedHeader),
        })),
      );
    }),
    { seed: testSeed(), numRuns: 300 },
  );
});

/** What a reader sees of an input, as text. */
function stored(input: BytesInput): string | null {
  return input === null || input === undefined ? null : Buffer.from(input as string).toString();
}

function storedHeader(header: RecordHeaderInput): { key: string; value: string | null } {
  return { key: Buffer.from(header.key).toString(), value: stored(header.value) };
}

test('property: a flipped bit is refused, or lies in the base offset or the epoch', () => {
  fc.assert(
    fc.property(records, fc.nat(), fc.nat(7), (inputs, place, bit) => {
      const bytes = batchOf(inputs, { baseOffset: 1000, epoch: 5 });
      const position = place % bytes.length;
      bytes[position] = (bytes[position] as number) ^ (1 << bit);
      const outcome = inspectBatch(bytes, 0, bytes.length);
      // What the checksum leaves out: the log compares both with what must come next.
      const isBaseOffset = position < 8;
      const isEpoch = position >= 12 && position < 16;
      if (isBaseOffset) assert.ok(outcome === 'batch' || outcome === 'corrupt-offset');
      else if (isEpoch) assert.equal(outcome, 'batch');
      // A flipped length may ask for bytes that are not there.
      else assert.ok(isCorrupt(outcome) || outcome === 'need-more-bytes', outcome);
    }),
    { seed: testSeed(), numRuns: 1000 },
  );
});

test('property: damaged records under a fitting checksum are refused, or walked in bounds', () => {
  const damage = fc.array(fc.record({ place: fc.nat(), byte: fc.nat(255) }), {
    minLength: 1,
    maxLength: 4,
  });
  fc.assert(
    fc.property(records, damage, (inputs, changes) => {
      const batch = batchOf(inputs);
      const bytes = Buffer.alloc(batch.length + 2 * MARGIN_BYTES, 0x80);
      bytes.set(batch, MARGIN_BYTES);
      for (const { place, byte } of changes) {
        const position = HEADER_BYTES + (place % (batch.length - HEADER_BYTES));
        bytes[MARGIN_BYTES + position] = byte;
      }
      stampCrc(bytes, MARGIN_BYTES);
      assert.equal(inspectBatch(bytes, MARGIN_BYTES, batch.length), 'batch');
      assertWalkIsBounded(bytes, MARGIN_BYTES);
    }),
    { seed: testSeed(), numRuns: 1000 },
  );
});

test('property: random bodies under a fitting header are refused, or walked in bounds', () => {
  const body = fc.uint8Array({ minLength: 7, maxLength: 200, max: 40 });
  fc.assert(
    fc.property(body, fc.nat(4), fc.integer({ min: 1, max: 8 }), (random, codecId, count) => {
      const bytes = Buffer.concat([batchOf([{ value: 'header only' }]), Buffer.alloc(300)]);
      bytes.writeInt32BE(HEADER_BYTES + random.length - 12, 8);
      bytes.writeInt16BE(codecId, 21);
      bytes.writeInt32BE(7, 23);
      bytes.writeInt32BE(count, 57);
      bytes.set(random, HEADER_BYTES);
      stampCrc(bytes, 0);
      const outcome = inspectBatch(bytes, 0, bytes.length);
      assert.ok(outcome === 'batch' || outcome === 'corrupt-count', outcome);
      if (outcome === 'batch') assertWalkIsBounded(bytes, 0);
    }),
    { seed: testSeed(), numRuns: 2000 },
  );
});

test('property: random bytes are never taken for a batch', () => {
  const random = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(random, fc.boolean(), (bytes, hasMagic) => {
      if (hasMagic && bytes.length > 16) bytes[16] = 2;
      const outcome = inspectBatch(bytes, 0, bytes.length);
      assert.notEqual(outcome, 'batch');
      if (bytes.length < HEADER_BYTES) assert.equal(outcome, 'need-more-bytes');
    }),
    { seed: testSeed(), numRuns: 1000 },
  );
});

/**
 * A walk ends, after as many records as the header says or with an error; all lies in the batch.
 */
function assertWalkIsBounded(bytes: Buffer, position: number): void {
  const end = position + batchBytes(bytes, position);
  const memory = createBatchMemory(bytes, 'test', 100);
  const verdict = verifyRecords(bytes, position, 'test', 100);
  const batch = new Batch(memory, position);
  let count = 0;
  try {
    const cursor = batch.cursor();
    const isInflated = cursor.bytes !== bytes;
    const first = isInflated ? 0 : position + HEADER_BYTES;
    const limit = isInflated ? cursor.bytes.length : end;
    while (cursor.next()) {
      count += 1;
      for (const place of [cursor.keyStart, cursor.valueStart, cursor.keyEnd, cursor.valueEnd]) {
        assert.ok(place === -1 || (place >= first && place <= limit));
      }
      assert.equal(cursor.copyHeaders().length, cursor.headerCount);
      assert.ok(cursor.offset >= batch.baseOffset);
      assert.ok(cursor.offset <= batch.lastOffset);
    }
    assert.equal(count, batch.count);
    assert.equal(verdict.outcome, 'valid');
  } catch (error) {
    assert.ok(count <= batch.count);
    assert.equal(verdict.outcome, 'invalid');
    const isExpected =
      hasCode(error, 'LOG_CORRUPT') ||
      hasCode(error, 'DECOMPRESSION_FAILED') ||
      hasCode(error, 'DECOMPRESSED_TOO_LARGE') ||
      hasCode(error, 'CODEC_UNAVAILABLE');
    if (!isExpected) throw error;
    assert.equal(error.facts['position'], 100 + position);
    assert.equal(error.facts['file'], 'test');
  }
}
