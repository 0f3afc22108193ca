/**
 * Millrace's side of the comparison, by its public face alone: writes a log and says what was
 * appended, compacts, reads, verifies and dumps a folder. Nothing else in this folder imports
 * Millrace.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import * as zlib from 'node:zlib';
import { Log, MillraceError, type PassReport } from '../src/main.js';
import { dumpFile, verifyLog } from '../src/storage/main.js';
import { KeyedRecords } from './keyed-records.js';
import { base64, type RecordLine } from './record-line.js';
import { type SampleRecord, SampleRecords } from './sample-records.js';
import { listFiles } from './segment-files.js';

export type Codec = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';
/** Millrace's names of Kafka's isolation levels. */
export type ReadIsolation = 'uncommitted' | 'committed';

/** Node gained zstd in 22.15 and 23.8. */
export const hasZstd = 'createZstdCompress' in zlib;

/** Small, so that every log has several segments, but with room for the largest record. */
const SEGMENT_BYTES = 512 * 1024;
/** How many records one append takes, in turn. */
const appendSizes = [1, 2, 7, 50, 400, 1, 3] as const;
/** Of tombstones that are to go in the run: long enough that a first pass keeps them. */
export const SHORT_RETENTION_MS = 1;
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

export interface CompactedLog {
  /** Everything that was appended, rising. */
  readonly appended: readonly RecordLine[];
  /** Exclusive end of what was compacted. */
  readonly compactedEnd: number;
  /** How many segments there have been in all; compaction joins them. */
  readonly segmentsWritten: number;
}

export interface CompactedLogOptions {
  /** The log is written in as many rounds, one codec after the other. */
  readonly codecs: readonly Codec[];
  readonly recordsPerRound: number;
  readonly tombstoneRetentionMs: number;
}

/**
 * Writes a new log with keys, in rounds: each is appended to what the ones before left and
 * compacted, by a process that opens the log anew. What comes after the last compaction stays as it
 * is. Tombstones that need not be kept have had their time when this returns.
 */
export async function writeCompactedLog(
  folder: string,
  { codecs, recordsPerRound, tombstoneRetentionMs }: CompactedLogOptions,
): Promise<CompactedLog> {
  const records = new KeyedRecords(20_260_202);
  const appended: RecordLine[] = [];
  const segments = new Set<string>();
  let compactedEnd = 0;
  for (const [round, compression] of codecs.entries()) {
    const isLast = round === codecs.length - 1;
    const options = { compression, segmentBytes: SEGMENT_BYTES, tombstoneRetentionMs } as const;
    const log = await Log.open(folder, { ...options, cleanup: 'compact' });
    try {
      await appendRound(log, records, recordsPerRound, appended);
      for (const file of listFiles(folder, '.log')) segments.add(file);
      await log.compact();
      if (!isLast) continue;
      await sleep(Math.min(tombstoneRetentionMs, SHORT_RETENTION_MS) + 5);
      await log.compact();
      compactedEnd = log.endOffset;
      await appendRound(log, records, recordsPerRound / 4, appended);
    } finally {
      await log.close();
    }
  }
  return { appended, compactedEnd, segmentsWritten: segments.size };
}

async function appendRound(
  log: Log,
  records: KeyedRecords,
  count: number,
  appended: RecordLine[],
): Promise<void> {
  for (let turn = 0, done = 0; done < count; turn += 1) {
    const group = records.take(appendSizes[turn % appendSizes.length] ?? 1);
    const { baseOffset } = await log.append(group);
    appended.push(...group.map((record, n) => lineOf(baseOffset + n, record)));
    done += group.length;
  }
}

/**
 * Takes over a folder of another engine and compacts it twice, so that what got a horizon in the
 * first pass may go in the second one; how far, and what both of them did.
 */
export async function adoptAndCompact(
  folder: string,
  tombstoneRetentionMs: number,
): Promise<{ readonly end: number; readonly report: PassReport }> {
  const log = await Log.open(folder, { cleanup: 'compact', tombstoneRetentionMs });
  try {
    const first = await log.compact();
    await sleep(Math.min(tombstoneRetentionMs, SHORT_RETENTION_MS) + 5);
    const second = await log.compact();
    const keylessRecords = first.keylessRecords + second.keylessRecords;
    return { end: log.endOffset, report: { ...first, keylessRecords } };
  } finally {
    await log.close();
  }
}

/** What Kafka's tools must say of a log of producers, in the words that they use. */
export interface ProducedLog {
  readonly endOffset: number;
  readonly producers: readonly Readonly<Record<string, string>>[];
  readonly aborted: readonly Readonly<Record<string, string>>[];
}

/** Writes a new log of three producers: one plain, two with transactions, one of these open. */
export async function writeProducedLog(folder: string): Promise<ProducedLog> {
  const log = await Log.open(folder, { segmentBytes: 16 * 1024 });
  try {
    const sequences = [0, 0, 0];
    const starts = new Map<number, number>();
    const aborted: Record<string, string>[] = [];
    const send = async (id: number, count: number): Promise<void> => {
      const baseSequence = sequences[id] ?? 0;
      const records = Array.from({ length: count }, () => ({ value: 'v'.repeat(700) }));
      const isTransactional = id > 0;
      const producer = { producerId: 4000 + id, producerEpoch: id, baseSequence, isTransactional };
      const { baseOffset } = await log.append(records, { producer });
      sequences[id] = baseSequence + count;
      if (isTransactional && !starts.has(id)) starts.set(id, baseOffset);
    };
    const end = async (id: number, kind: 'commit' | 'abort'): Promise<void> => {
      const producer = { producerId: 4000 + id, producerEpoch: id };
      const { offset } = await log.appendMarker({ ...producer, kind, coordinatorEpoch: 3 });
      const firstOffset = starts.get(id) ?? 0;
      starts.delete(id);
      const lastStableOffset = Math.min(offset + 1, ...starts.values());
      if (kind === 'commit') return;
      const fields = { firstOffset, lastOffset: offset, lastStableOffset };
      aborted.push({ producerId: `${4000 + id}`, ...texts(fields) });
    };
    for (let turn = 0; turn < 20; turn += 1) {
      await send(0, 1 + (turn % 4));
      await send(1, 2);
      await send(2, 3);
      if (turn % 5 === 1) await end(1, turn % 10 === 1 ? 'abort' : 'commit');
      if (turn % 7 === 3) await end(2, turn % 2 === 1 ? 'abort' : 'commit');
    }
    const producers = log.producers().map((known) => {
      const { producerId, transactionOffset, lastTimestamp, ...fields } = known;
      const isOpen = transactionOffset !== undefined;
      return {
        producerId: `${producerId}`,
        currentTxnFirstOffset: isOpen ? `OptionalLong[${transactionOffset}]` : 'OptionalLong.empty',
        lastTimestamp: `${lastTimestamp}`,
        ...texts({ ...fields }),
      };
    });
    return { endOffset: log.endOffset, producers, aborted };
  } finally {
    await log.close();
  }
}

/** Whether Millrace refuses to write to a folder, by the code. */
export async function refusalOf(folder: string): Promise<string | undefined> {
  try {
    const log = await Log.open(folder, { cleanup: 'compact' });
    await log.close();
    return undefined;
  } catch (error) {
    return error instanceof MillraceError ? error.code : String(error);
  }
}

/** The offsets of all records in a segment file, as Millrace's dump prints them. */
export async function dumpedOffsets(file: string): Promise<number[]> {
  const offsets: number[] = [];
  for await (const line of dumpFile(file, { records: true })) {
    if (line['type'] === 'record') offsets.push(Number(line['offset']));
  }
  return offsets;
}

function texts(fields: Readonly<Record<string, number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, `${value}`]));
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
