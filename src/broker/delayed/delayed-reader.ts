/**
 * Reads delayed messages from where they lie: those that are near each other by one read.
 */

import { LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';

export interface ReadRequest {
  /** Rising; all of them durable. */
  readonly locations: readonly number[];
  /** No read begins when the records that were found take as much. */
  readonly bytesMax: number;
  /** Bytes of a record, about. */
  readonly averageBytes: number;
}

export interface ReadAnswer {
  /** By location. */
  readonly records: ReadonlyMap<number, LogRecord>;
  /** Where there is no record any more. */
  readonly missing: readonly number[];
}

/** Bytes that are read over rather than begin another read behind them. */
const READ_OVER_BYTES = 128 * 1024;
/** The largest read where records are few and far between. */
const SPARSE_READ_BYTES = 64 * 1024;
const READERS = 8;

interface Cluster {
  readonly locations: readonly number[];
}

/** What is in neither part of the answer was not looked for. */
export async function readDelayed(log: PartitionLog, request: ReadRequest): Promise<ReadAnswer> {
  const { locations, bytesMax, averageBytes } = request;
  const clusters = clustersOf(locations, Math.max(1, READ_OVER_BYTES / averageBytes));
  const records = new Map<number, LogRecord>();
  const missing: number[] = [];
  let bytes = 0;
  let next = 0;

  async function work(): Promise<void> {
    for (;;) {
      const cluster = clusters[next];
      if (cluster === undefined || bytes >= bytesMax) return;
      next += 1;
      await readCluster(cluster);
    }
  }

  async function readCluster(cluster: Cluster): Promise<void> {
    const left = new Set(cluster.locations);
    const gone = cluster.locations.filter((location) => location < log.startOffset);
    for (const location of gone) left.delete(location);
    missing.push(...gone);
    const [from] = left;
    if (from === undefined) return;
    const isSparse = averageBytes * cluster.locations.length < SPARSE_READ_BYTES;
    const sparse = isSparse ? { readBytesMax: SPARSE_READ_BYTES } : {};
    const last = cluster.locations.at(-1) ?? from;
    // What lies behind an open transaction is there all the same.
    for await (const batch of log.read({ from, isolation: 'uncommitted', ...sparse })) {
      const found = batch.recordsBy((place) =>
        left.has(place.offset) ? new LogRecord(place) : undefined,
      );
      for (const record of found) {
        records.set(record.offset, record);
        bytes += record.contentBytes;
      }
      for (const location of left) {
        if (location >= batch.nextOffset) break;
        left.delete(location);
        if (!records.has(location)) missing.push(location);
      }
      if (batch.nextOffset > last || bytes >= bytesMax) return;
    }
    missing.push(...left);
  }

  await Promise.all(Array.from({ length: READERS }, () => work()));
  return { records, missing };
}

function clustersOf(locations: readonly number[], gapMax: number): Cluster[] {
  const clusters: { locations: number[] }[] = [];
  let last: { locations: number[] } | undefined;
  for (const location of locations) {
    const before = last?.locations.at(-1);
    if (before !== undefined && location - before <= gapMax) last?.locations.push(location);
    else {
      last = { locations: [location] };
      clusters.push(last);
    }
  }
  return clusters;
}
