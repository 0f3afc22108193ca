/**
 * The bytes that a log left in its files: what `raw` writes and reads, and what is checked at last.
 */

import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32c } from '../src/base/crc32c.js';
import { batchBytes } from '../src/storage/batch-header.js';
import { Log } from '../src/storage/main.js';

/** One segment's part of the memory. */
export interface SegmentBytes {
  readonly path: string;
  /** Range in the memory. */
  readonly start: number;
  readonly end: number;
}

export interface FinishedBytes {
  readonly memory: SharedArrayBuffer;
  /** All of the memory. */
  readonly bytes: Buffer;
  readonly segments: readonly SegmentBytes[];
}

const READ_BYTES = 1024 * 1024;

/** Reads the log's segments into shared memory, one behind the other. */
export function takeBytes(directory: string): FinishedBytes {
  const names = readdirSync(directory).filter((name) => name.endsWith('.log'));
  const paths = names.sort().map((name) => join(directory, name));
  const sizes = paths.map((path) => statSync(path).size);
  const memory = new SharedArrayBuffer(sizes.reduce((sum, size) => sum + size, 0));
  const bytes = Buffer.from(memory);
  let end = 0;
  const segments = paths.map((path, index): SegmentBytes => {
    const start = end;
    end += sizes[index] ?? 0;
    readInto(path, bytes, start, end);
    return { path, start, end };
  });
  return { memory, bytes, segments };
}

function readInto(path: string, bytes: Buffer, start: number, end: number): void {
  const file = openSync(path, 'r');
  try {
    for (let at = start; at < end; ) {
      const got = readSync(file, bytes, at, Math.min(READ_BYTES, end - at), at - start);
      if (got === 0) throw new Error(`${path} became shorter`);
      at += got;
    }
  } finally {
    closeSync(file);
  }
}

/** Where each batch of a range starts, and where the last one ends. */
export function batchStarts(bytes: Buffer, start: number, end: number): readonly number[] {
  const starts: number[] = [];
  for (let at = start; at < end; at += batchBytes(bytes, at)) starts.push(at);
  starts.push(end);
  return starts;
}

/** Reads a closed log through its own reader: how many records, and the checksum of the values. */
export async function readBack(
  directory: string,
): Promise<{ readonly records: number; readonly checksum: number }> {
  const log = await Log.open(directory, { readOnly: true });
  try {
    let records = 0;
    let checksum = 0;
    for await (const batch of log.read()) {
      const cursor = batch.cursor();
      while (cursor.next()) {
        checksum = crc32c(cursor.bytes, cursor.valueStart, cursor.valueEnd, checksum);
        records += 1;
      }
    }
    return { records, checksum };
  } finally {
    await log.close();
  }
}

/** Throws unless the log holds exactly these records. */
export async function verifyLog(
  directory: string,
  expected: { readonly records: number; readonly checksum: number },
): Promise<void> {
  const actual = await readBack(directory);
  if (actual.records === expected.records && actual.checksum === expected.checksum) return;
  throw new Error(
    `the log holds ${JSON.stringify(actual)} and not ${JSON.stringify(expected)}: ${directory}`,
  );
}
