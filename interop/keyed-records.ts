/**
 * Records for a log that is compacted, and the rule of compaction as a model: what must be left of
 * them, said once more without any code of the log.
 *
 * Keys come back after a while, so most records are superseded, some in the same batch and some
 * many segments later; a part of the keys ends with a tombstone.
 */

import type { RecordLine } from './record-line.js';
import { type SampleRecord, SampleRecords } from './sample-records.js';

/** Different keys in use at a time; the range moves on, so that old ones keep their last record. */
const KEYS_IN_USE = 150;
const RECORDS_PER_NEW_KEY = 9;

export class KeyedRecords {
  readonly #samples: SampleRecords;
  #count = 0;

  constructor(seed: number) {
    this.#samples = new SampleRecords(seed);
  }

  take(count: number): SampleRecord[] {
    return Array.from({ length: count }, () => {
      const i = this.#count++;
      const { value, headers, timestamp } = this.#samples.next();
      const number = Math.floor(i / RECORDS_PER_NEW_KEY) + ((i * 7) % KEYS_IN_USE);
      // An empty key is a key like any other.
      const key = Buffer.from(i % 501 === 0 ? '' : `key-${number}`);
      return { key, value, headers, timestamp };
    });
  }
}

/**
 * What is left of `records` (rising offsets, none of them aborted) when everything below `end` was
 * compacted: the last record of each key, unless that is a tombstone that `isExpired`. A record
 * without a key is not kept. From `end` on everything is.
 */
export function survivorsOf<Line extends RecordLine>(
  records: readonly Line[],
  end: number,
  isExpired: (tombstone: Line) => boolean,
): Line[] {
  const latest = new Map<string, number>();
  for (const { offset, key } of records) {
    if (offset < end && key !== null) latest.set(key, offset);
  }
  return records.filter((record) => {
    const { offset, key, value } = record;
    if (offset >= end) return true;
    if (key === null || latest.get(key) !== offset) return false;
    return value !== null || !isExpired(record);
  });
}
