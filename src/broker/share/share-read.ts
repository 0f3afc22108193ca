/**
 * Reading single records of a partition by their offsets: those that are given out again.
 */

import type { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';

/** Larger gaps are jumped over by a read of its own. */
const GAP_OFFSETS = 1_000;
const READ_BYTES = 64 * 1024;

/**
 * Calls `found` for each of the offsets, which rise, that lies in the log: one read where they lie
 * close together. Throws what reading throws.
 */
export async function readOffsets(
  log: PartitionLog,
  offsets: readonly number[],
  found: (record: LogRecord) => void,
): Promise<void> {
  let next = 0;
  while ((offsets[next] ?? Number.POSITIVE_INFINITY) < log.startOffset) next += 1;
  while (next < offsets.length) {
    const from = offsets[next] ?? 0;
    if (from >= log.durableOffset) return;
    next = await readRun(log, offsets, next, found);
  }
}

/** Reads on while the next ones are near; returns the index of the first that was not reached. */
async function readRun(
  log: PartitionLog,
  offsets: readonly number[],
  first: number,
  found: (record: LogRecord) => void,
): Promise<number> {
  let next = first;
  const from = offsets[first] ?? 0;
  for await (const batch of log.read({
    from,
    isolation: 'uncommitted',
    readBytesMax: READ_BYTES,
  })) {
    for (const record of batch) {
      while ((offsets[next] ?? Number.POSITIVE_INFINITY) < record.offset) next += 1;
      if (offsets[next] !== record.offset) continue;
      found(record);
      next += 1;
    }
    const wanted = offsets[next];
    if (wanted === undefined) return next;
    if (wanted > batch.nextOffset + GAP_OFFSETS) return next;
  }
  // What was not found by now is not in the log.
  return offsets.length;
}
