/**
 * Millrace's side of the comparison, by its public face alone: writes a log and says what was
 * appended, reads a folder, verifies a folder. Nothing else in this folder imports Millrace.
 */

import * as zlib from 'node:zlib';
import { Log } from '../src/main.js';
import { verifyLog } from '../src/storage/main.js';
import { base64, type RecordLine } from './record-line.js';
import { type SampleRecord, SampleRecords } from './sample-records.js';

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
/** Millrace's names of Kafka's isolation levels. */
export type ReadIsolation = 'uncommitted' | 'committed';

/** Node gained zstd in 22.15 and 23.8. */
export const hasZstd = 'createZstdCompress' in zlib;

/** Small, so that every log has several segments, but with room for the largest record. */
const SEGMENT_BYTES = 512 * 1024;
/** How many records one append takes, in turn. */
const appendSizes = [1, 2, 7, 50, 400, 1, 3] as const;
/** Appends that are under way together, so that the log joins them by its own rules. */
const CONCURRENT_APPENDS = 8;

/** Writes a new log of at least `count` records and closes it; returns them as they must read. */
export async function writeLog(folder: string, codec: Codec, count: number): Promise<RecordLine[]> {
  const records = new SampleRecords(20_260_101);
  const appended: RecordLine[] = [];
  const log = await Log.open(folder, { compression: codec, segmentBytes: SEGMENT_BYTES });
  try {
    for (let turn = 0; appended.length < count; turn++) {
      const size = appendSizes[turn % appendSizes.length] ?? 1;
      const groups = Array.from({ length: turn % 3 === 2 ? CONCURRENT_APPENDS : 1 }, () =>
        records.take(size),
      );
      const ranges = await Promise.all(groups.map((group) => log.append(group)));
      for (const [i, group] of groups.entries()) {
        const range = ranges[i];
        if (range === undefined || range.lastOffset !== range.baseOffset + group.length - 1) {
          throw new Error(`${group.length} records were stored as ${JSON.stringify(range)}`);
        }
        appended.push(...group.map((record, n) => lineOf(range.baseOffset + n, record)));
      }
    }
  } finally {
    await log.close();
  }
  return appended.sort((a, b) => a.offset - b.offset);
}

/** All records of a folder that Millrace may not have written, opened for reading only. */
export async function readLog(folder: string, isolation: ReadIsolation): Promise<RecordLine[]> {
  const lines: RecordLine[] = [];
  const log = await Log.open(folder, { readOnly: true });
  try {
    for await (const batch of log.read({ from: 'earliest', isolation })) {
      for (const record of batch) lines.push(lineOf(record.offset, record));
    }
  } finally {
    await log.close();
  }
  return lines;
}

/** What `verify` finds wrong with a folder; empty when it is clean. */
export async function verifyFolder(folder: string): Promise<string[]> {
  const report = await verifyLog(folder);
  return report.ok ? [] : [JSON.stringify(report)];
}

function lineOf(offset: number, record: SampleRecord): RecordLine {
  const { timestamp, key, value, headers } = record;
  return {
    offset,
    timestamp,
    key: base64(key),
    value: base64(value),
    headers: headers.map((header) => [header.key, base64(header.value)] as const),
  };
}
