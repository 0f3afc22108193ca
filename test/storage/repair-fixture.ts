/**
 * A log of several segments on an imaginary disk, for verify, repair and dump.
 */

import { InlineCleaner } from '../../src/storage/cleaner-inline.js';
import { InlineWriter } from '../../src/storage/inline-writer.js';
import { Log } from '../../src/storage/log.js';
import type { LogOptions } from '../../src/storage/log-config.js';
import { hexOfUuid, type LogEnvironment } from '../../src/storage/log-environment.js';
import { createMemoryLockManager } from '../support/memory-lock.js';
import { SimClock } from '../support/sim-clock.js';
import { SimDisk } from '../support/sim-file-system.js';

export const DIRECTORY = '/log';
export const OPTIONS: LogOptions = { segmentBytes: 4096, indexIntervalBytes: 256 };

export function environmentOf(disk: SimDisk): LogEnvironment {
  return {
    fileSystem: disk.fileSystem,
    clock: new SimClock(1_700_000_000_000),
    lockManager: createMemoryLockManager(),
    acquireWriter: () => new InlineWriter(disk.blockingFileSystem),
    acquireCleaner: () => new InlineCleaner(disk.blockingFileSystem),
    bootId: () => hexOfUuid(disk.bootId),
    newLogId: () => '0123456789abcdef0123456789abcdef',
  };
}

/** Two records per batch of about 190 bytes: offset n has the value `value-n` and padding. */
export async function fill(log: Log, batches: number): Promise<void> {
  for (let batch = 0; batch < batches; batch += 1) {
    const first = log.endOffset;
    await log.append(
      [first, first + 1].map((offset) => ({
        key: `key-${offset}`,
        value: storedValue(offset),
        timestamp: 1_700_000_000_000 + offset,
      })),
    );
  }
}

export function storedValue(offset: number): string {
  return `value-${offset}-${'x'.repeat(40)}`;
}

/** A log of 120 offsets in several segments, closed. */
export async function closedLog(batches = 60): Promise<SimDisk> {
  const disk = new SimDisk();
  const log = await Log.open(DIRECTORY, OPTIONS, environmentOf(disk));
  await fill(log, batches);
  await log.close();
  return disk;
}

/** What a reader gets: values by offset. */
export async function valuesOf(disk: SimDisk): Promise<Map<number, string>> {
  const log = await Log.open(DIRECTORY, {}, environmentOf(disk));
  const values = new Map<number, string>();
  try {
    for await (const batch of log.read()) {
      for (const record of batch) values.set(record.offset, String(record.value));
    }
  } finally {
    await log.close();
  }
  return values;
}

export function logFiles(disk: SimDisk): readonly string[] {
  return disk.list(DIRECTORY).filter((path) => path.endsWith('.log'));
}

/** Position and bytes of each batch in a `.log` file, by the length fields. */
export function batchesIn(bytes: Uint8Array): { position: number; bytes: number; base: number }[] {
  const found: { position: number; bytes: number; base: number }[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let position = 0; position < bytes.length; ) {
    const count = 12 + view.getInt32(position + 8);
    found.push({ position, bytes: count, base: Number(view.getBigInt64(position)) });
    position += count;
  }
  return found;
}
