/**
 * A log that compaction halves: each key is there twice, in an order drawn once from a fixed seed.
 *
 * So a superseded record and its successor lie anywhere, and every lookup of a key meets memory
 * that was not used of late: the hard case for the map of keys.
 */

import {
  closeSync,
  cpSync,
  fdatasyncSync,
  fsyncSync,
  openSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../src/base/crc32c.js';
import { Prng } from '../src/base/prng.js';
import { Log, type RecordInput } from '../src/storage/main.js';
import { makeRecords } from './records.js';

export const VALUE_BYTES = 100;
export const BATCH = 1000;
const KEY_BYTES = 16;
/** Values are taken from so many, in turn. */
const VALUES = 20_000;
const SEED = 20_231_123;

export interface CompactableLog {
  readonly folder: string;
  readonly records: number;
  /** Of the values that compaction keeps, one after the other. */
  readonly checksum: number;
}

/** Makes the log in `folder`; it does not compact itself. */
export async function fillCompactable(
  folder: string,
  records: number,
  segmentBytes: number,
): Promise<CompactableLog> {
  const keys = keyTable(records / 2);
  const order = shuffledPairs(records);
  const values = makeRecords(Math.min(VALUES, records), VALUE_BYTES).all;
  const log = await Log.open(folder, {
    segmentBytes,
    cleanup: 'compact',
    minCleanableDirtyRatio: 1,
  });
  for (let start = 0; start < records; start += BATCH) {
    const count = Math.min(BATCH, records - start);
    const batch = Array.from({ length: count }, (_, index): RecordInput => {
      const key = (order[start + index] ?? 0) * KEY_BYTES;
      const value = values[(start + index) % values.length]?.value ?? null;
      return { key: keys.subarray(key, key + KEY_BYTES), value };
    });
    await log.append(batch, { acks: 'written' });
  }
  await log.close();
  return { folder, records, checksum: survivorsChecksum(order, values) };
}

/** A copy of the log that is on the disk: nothing of it is written back later. */
export function copyDurably(folder: string, copy: string): void {
  rmSync(copy, { recursive: true, force: true });
  cpSync(folder, copy, { recursive: true });
  for (const name of readdirSync(copy)) synced(join(copy, name), fdatasyncSync);
  synced(copy, fsyncSync);
}

function synced(path: string, sync: (file: number) => void): void {
  const file = openSync(path, 'r');
  sync(file);
  closeSync(file);
}

/** Keys of 16 characters, one behind the other. */
function keyTable(count: number): Buffer {
  const keys = Buffer.allocUnsafeSlow(count * KEY_BYTES);
  for (let key = 0; key < count; key += 1) {
    const text = key.toString(16).padStart(KEY_BYTES, '0');
    keys.write(text, key * KEY_BYTES, 'latin1');
  }
  return keys;
}

/** For each record the number of its key. */
function shuffledPairs(records: number): Uint32Array {
  const order = Uint32Array.from({ length: records }, (_, index) => index >>> 1);
  const prng = new Prng(SEED);
  for (let index = records - 1; index > 0; index -= 1) {
    const other = prng.integer(index + 1);
    const moved = order[index] ?? 0;
    order[index] = order[other] ?? 0;
    order[other] = moved;
  }
  return order;
}

function survivorsChecksum(order: Uint32Array, values: readonly RecordInput[]): number {
  const last = new Uint32Array(order.length / 2);
  for (const [index, key] of order.entries()) last[key] = index;
  let checksum = 0;
  for (const [index, key] of order.entries()) {
    const value = values[index % values.length]?.value;
    if (last[key] !== index || !(value instanceof Uint8Array)) continue;
    checksum = crc32c(value, 0, value.length, checksum);
  }
  return checksum;
}
