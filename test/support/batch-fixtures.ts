/**
 * Batches for tests: built from inputs with defaults, read back as plain values.
 */

import { limits } from '../../src/base/limits.js';
import { Batch } from '../../src/storage/batch.js';
import { BatchBuilder, type ProducerFields } from '../../src/storage/batch-encoder.js';
import { HEADER_BYTES } from '../../src/storage/batch-format.js';
import { createBatchMemory } from '../../src/storage/batch-memory.js';
import { recordBytes } from '../../src/storage/batch-record-size.js';
import type { RecordInput } from '../../src/storage/record.js';

export interface BatchFixture {
  readonly baseOffset?: number;
  readonly epoch?: number;
  readonly producer?: ProducerFields;
}

/** A record with everything but its offset as text, to be compared as a whole. */
export interface PlainRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: readonly { readonly key: string; readonly value: string | null }[];
}

/** A finished batch in memory of exactly its size. */
export function batchOf(records: readonly RecordInput[], fixture: BatchFixture = {}): Buffer {
  let capacity = HEADER_BYTES;
  for (const { key, value, headers } of records) {
    capacity += recordBytes(key, value, headers, limits.offsetMax, limits.batchRecordsMax);
  }
  const target = Buffer.alloc(capacity);
  const builder = new BatchBuilder();
  builder.begin(target, 0, capacity, fixture.baseOffset ?? 0, fixture.epoch ?? 0);
  if (fixture.producer !== undefined) builder.producer(fixture.producer);
  for (const { key, value, headers, timestamp } of records) {
    if (!builder.add(key, value, headers, timestamp ?? 0)) throw new RangeError('no room');
  }
  return Buffer.from(target.subarray(0, builder.finish()));
}

/** The records of the batch at `position`, decoded. */
export function readAll(bytes: Uint8Array, position = 0): PlainRecord[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const batch = new Batch(createBatchMemory(buffer, 'test', 0), position);
  return [...batch].map(({ offset, timestamp, key, value, headers }) => ({
    offset,
    timestamp,
    key: textOf(key),
    value: textOf(value),
    headers: headers.map((header) => ({ key: header.key, value: textOf(header.value) })),
  }));
}

function textOf(bytes: Buffer | null): string | null {
  return bytes === null ? null : bytes.toString();
}
