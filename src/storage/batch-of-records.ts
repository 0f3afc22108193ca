/**
 * A batch of records that were read before, for whoever gives out single records in Kafka's form.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';
import { BatchDraft } from './batch-draft.js';
import { stampBaseOffset } from './batch-header.js';
import { recordBytes } from './batch-record-size.js';
import type { LogRecord } from './record-view.js';

/** The records, at the offsets that they have, which follow on each other without a gap. */
export function batchOf(records: readonly LogRecord[]): Uint8Array {
  const [first] = records;
  assert(first !== undefined, 'a batch has a record');
  const draft = new BatchDraft();
  let bytes = 0;
  for (const { key, value, headers } of records) {
    bytes += recordBytes(key, value, headers, limits.offsetMax, limits.batchRecordsMax);
  }
  draft.reserve(bytes);
  for (const [index, record] of records.entries()) {
    assert(record.offset === first.offset + index, 'offsets follow on each other');
    const { key, value, headers, timestamp } = record;
    draft.add({ key, value, headers, timestamp }, timestamp);
  }
  const batch = draft.finish(undefined, 'none');
  // Its checksum does not cover where a batch lies.
  stampBaseOffset(batch, 0, first.offset);
  return batch;
}
