/**
 * Gives the disk back when a few messages that wait for long lie among many that are done with.
 *
 * When less than half of what is kept waits, the oldest part of the log is read, the messages of it
 * that wait are appended again, and the part is deleted. A copy carries the id of its message, so
 * the message is still one: whatever it was known by stays, and a crash in between leaves two
 * records of one message, of which one enters.
 */

import type { LogRecord, RecordInput } from '../../storage/main.js';
import {
  DELAYED_HEADER,
  type DelayedPlace,
  delayedHeader,
  readDelayedHeader,
} from './delayed-header.js';
import type { DelayedLimits } from './delayed-limits.js';
import type { DelayedStore } from './delayed-store.js';

/** What one step reads, and what it appends again, in bytes; and how many messages. */
const READ_BYTES = 16 * 1024 * 1024;
const COPIED_BYTES = 512 * 1024;
const COPIES_MAX = 1_000;

export function isRenewalDue(store: DelayedStore, limits: DelayedLimits): boolean {
  const { retained, averageBytes, ledger, messages, covered } = store;
  if (retained * averageBytes < limits.renewedBytes) return false;
  // What is not covered is read at an open: it stays.
  return ledger.count < retained / 2 && messages.startOffset < covered;
}

/** Renews a part. */
export async function renew(store: DelayedStore): Promise<void> {
  const { messages } = store;
  const part = await readPart(store);
  if (part.records.length > 0) {
    const { baseOffset } = await messages.append(part.records);
    store.appended(baseOffset, part.places, part.bytes);
  }
  await store.deleteBefore(part.end);
}

interface Part {
  readonly records: readonly RecordInput[];
  readonly places: readonly DelayedPlace[];
  readonly bytes: number;
  /** Behind the part. */
  readonly end: number;
}

async function readPart(store: DelayedStore): Promise<Part> {
  const { messages, covered } = store;
  const records: RecordInput[] = [];
  const places: DelayedPlace[] = [];
  let bytes = 0;
  let read = 0;
  for await (const batch of messages.read({ isolation: 'uncommitted' })) {
    for (const record of batch) {
      const { offset } = record;
      if (offset >= covered) return { records, places, bytes, end: covered };
      const place = waitingPlace(store, record);
      if (place === undefined) continue;
      const size = record.contentBytes;
      const isFull = bytes + size > COPIED_BYTES || records.length === COPIES_MAX;
      if (isFull && records.length > 0) return { records, places, bytes, end: offset };
      places.push(place);
      records.push(copyOf(record, place));
      bytes += size;
    }
    read += batch.bytes;
    const { nextOffset } = batch;
    if (read >= READ_BYTES && nextOffset < covered)
      return { records, places, bytes, end: nextOffset };
  }
  return { records, places, bytes, end: covered };
}

/** Undefined when the message does not wait. */
function waitingPlace(store: DelayedStore, record: LogRecord): DelayedPlace | undefined {
  const { offset, headers } = record;
  const place = readDelayedHeader(headers, offset);
  const id = place.id ?? offset;
  return store.isWaiting(id) ? { ...place, id } : undefined;
}

function copyOf({ key, value, headers, timestamp }: LogRecord, place: DelayedPlace): RecordInput {
  const others = headers.filter((header) => header.key !== DELAYED_HEADER);
  return { key, value, timestamp, headers: [delayedHeader(place), ...others] };
}
