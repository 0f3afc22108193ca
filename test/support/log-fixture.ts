/**
 * A log on an imaginary disk: opened, killed, cut from power, and looked at from outside.
 *
 *     const sim = new SimLog();
 *     const log = await sim.open({ segmentBytes: 4096 });
 *     ...
 *     const later = sim.kill();            // another process, the page cache survives
 *     const reopened = await later.open();
 *
 * One fixture is one process: it has one clock and one set of locks.
 */

import { join } from 'node:path';
import type { Batch } from '../../src/storage/batch.js';
import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import { hexOfUuid, type LogEnvironment } from '../../src/storage/log-environment.js';
import type { ReadOptions } from '../../src/storage/read-options.js';
import type { RecordInput } from '../../src/storage/record.js';
import type { LogRecord } from '../../src/storage/record-view.js';
import { type SegmentSuffix, segmentFileName } from '../../src/storage/segment-files.js';
import { createMemoryLockManager } from './memory-lock.js';
import { SimClock } from './sim-clock.js';
import { type CrashChoice, SimDisk } from './sim-file-system.js';

export const DIRECTORY = '/log';
export const LOG_ID = '0123456789abcdef0123456789abcdef';

export class SimLog {
  readonly disk: SimDisk;
  readonly clock: SimClock;
  readonly environment: LogEnvironment;

  constructor(disk?: SimDisk, clock: SimClock = new SimClock()) {
    this.clock = clock;
    this.disk = disk ?? new SimDisk({ nowMs: () => clock.nowMs() });
    this.environment = {
      fileSystem: this.disk.fileSystem,
      clock,
      lockManager: createMemoryLockManager(),
      acquireWriter: () => new InlineWriter(this.disk.blockingFileSystem),
      acquireCleaner: () => new InlineCleaner(this.disk.blockingFileSystem),
      bootId: () => hexOfUuid(this.disk.bootId),
      newLogId: () => LOG_ID,
    };
  }

  open(options: LogOptions = {}): Promise<Log> {
    return Log.open(DIRECTORY, options, this.environment);
  }

  /** The same folder in the next process: nothing that was written is lost. */
  kill(): SimLog {
    return new SimLog(this.disk.kill(), this.clock);
  }

  /** The same folder after a power cut. */
  crash(choice: CrashChoice): SimLog {
    return new SimLog(this.disk.crash(choice), this.clock);
  }

  /** The path of a side file, or of a file of the segment that starts at `baseOffset`. */
  path(name: string): string;
  path(baseOffset: number, suffix: SegmentSuffix): string;
  path(name: string | number, suffix: SegmentSuffix = 'log'): string {
    return join(DIRECTORY, typeof name === 'string' ? name : segmentFileName(name, suffix));
  }

  /** Base offsets of the `.log` files on the disk, in order. */
  segments(): number[] {
    return this.disk
      .list(DIRECTORY)
      .filter((path) => path.endsWith('.log'))
      .map((path) => Number(path.slice(DIRECTORY.length + 1, -'.log'.length)));
  }

  /** Every file and its bytes as text: equal before and after means that nothing was changed. */
  content(): Record<string, string> {
    const files = this.disk.list(DIRECTORY);
    return Object.fromEntries(
      files.map((path) => [path, Buffer.from(this.disk.readAll(path)).toString('base64')]),
    );
  }
}

/** Appends one record per value, each as a batch of its own. */
export async function fill(log: Log, values: readonly string[]): Promise<void> {
  for (const value of values) await log.append([{ value }]);
}

/** Values that differ and have `bytes` bytes each: `v0....`, `v1....`, and so on. */
export function valuesOf(count: number, bytes = 1000, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `v${from + index}`.padEnd(bytes, '.'));
}

/** A log of `count` records of one kibibyte each, in segments of four records. */
export async function filledLog(sim: SimLog, count: number, options: LogOptions = {}) {
  const log = await sim.open({ segmentBytes: 4096 + 512, indexIntervalBytes: 0, ...options });
  await fill(log, valuesOf(count));
  return log;
}

export interface PlainLogRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string | null;
  readonly value: string | null;
  readonly headers: Record<string, string | null>;
}

/** All records that a read gives, as plain values. */
export async function readRecords(log: Log, options: ReadOptions = {}): Promise<PlainLogRecord[]> {
  const records: PlainLogRecord[] = [];
  for await (const batch of log.read(options))
    for (const record of batch) records.push(plain(record));
  return records;
}

/** The offsets that a read gives. */
export async function readOffsets(log: Log, options: ReadOptions = {}): Promise<number[]> {
  return (await readRecords(log, options)).map(({ offset }) => offset);
}

/** The values that a read gives, without what `valuesOf` filled them up with. */
export async function readValues(log: Log, options: ReadOptions = {}): Promise<string[]> {
  return (await readRecords(log, options)).map(({ value }) => shortened(value));
}

/** Values of a batch, shortened like those of `readValues`. */
export function valuesIn(batch: Batch): string[] {
  return [...batch].map((record) => shortened(plain(record).value));
}

/** The next batch's values; undefined when the read has ended. */
export async function nextValues(reader: AsyncIterator<Batch>): Promise<string[] | undefined> {
  const { done, value } = await reader.next();
  return done === true ? undefined : valuesIn(value);
}

export function names(count: number, from = 0): string[] {
  return valuesOf(count, 0, from);
}

export function recordsOf(count: number, bytes = 100): RecordInput[] {
  return valuesOf(count, bytes).map((value) => ({ value }));
}

/** What a read gives before it fails, and the error. */
export async function readUntilError(log: Log, options: ReadOptions = {}) {
  const offsets: number[] = [];
  try {
    for await (const batch of log.read(options)) {
      for (const record of batch) offsets.push(record.offset);
    }
  } catch (error) {
    return { offsets, error };
  }
  return { offsets, error: undefined };
}

function plain({ offset, timestamp, key, value, headers }: LogRecord): PlainLogRecord {
  return {
    offset,
    timestamp,
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: Object.fromEntries(
      headers.map((header) => [header.key, header.value?.toString() ?? null]),
    ),
  };
}

function shortened(value: string | null): string {
  return (value ?? 'null').replace(/\.+$/, '');
}
