/**
 * Control records: marks for readers in batches of their own, such as the end of a transaction.
 *
 * The key is a version and a type, 16 bits each; the value of the two that end a transaction is a
 * version and the epoch of its coordinator, 32 bits. The types that Kafka's own controller writes
 * mean nothing here and are passed over, like all types that are yet to come.
 */

import { assert } from '../base/assert.js';
import { readInt16, readInt32, writeInt16, writeInt32 } from '../base/bytes.js';

export type TransactionEnd = 'abort' | 'commit';

const VERSION = 0;
const VERSION_POSITION = 0;
const TYPE_POSITION = VERSION_POSITION + 2;
const KEY_BYTES = TYPE_POSITION + 2;
const COORDINATOR_EPOCH_POSITION = VERSION_POSITION + 2;
const VALUE_BYTES = COORDINATOR_EPOCH_POSITION + 4;

const TYPE_ABORT = 0;
const TYPE_COMMIT = 1;

/** What a control record says to readers of transactions, by its key. */
export function readControlKey(key: Uint8Array | null): TransactionEnd | 'other' {
  if (key === null || key.length < KEY_BYTES) return 'other';
  if (readInt16(key, VERSION_POSITION) < VERSION) return 'other';
  const type = readInt16(key, TYPE_POSITION);
  if (type === TYPE_ABORT) return 'abort';
  return type === TYPE_COMMIT ? 'commit' : 'other';
}

/** The epoch of the coordinator that ended the transaction, by the value; -1 when it says none. */
export function readCoordinatorEpoch(value: Uint8Array | null): number {
  if (value === null || value.length < VALUE_BYTES) return -1;
  return readInt32(value, COORDINATOR_EPOCH_POSITION);
}

/** The key of the record that ends a transaction. */
export function controlKey(end: TransactionEnd): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  writeInt16(key, VERSION_POSITION, VERSION);
  writeInt16(key, TYPE_POSITION, end === 'commit' ? TYPE_COMMIT : TYPE_ABORT);
  return key;
}

/** The value of the record that ends a transaction. */
export function controlValue(coordinatorEpoch: number): Uint8Array {
  assert(coordinatorEpoch >= 0, 'the epoch is an epoch');
  const value = new Uint8Array(VALUE_BYTES);
  writeInt16(value, VERSION_POSITION, VERSION);
  writeInt32(value, COORDINATOR_EPOCH_POSITION, coordinatorEpoch);
  return value;
}
