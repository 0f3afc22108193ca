/** The files of one partition folder, and copies of it with one damaged byte. */

import { readdirSync } from 'node:fs';
import { cp, open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

export type SegmentSuffix = '.log' | '.index' | '.timeindex' | '.txnindex' | '.snapshot';

/** Sorted by base offset: the names have twenty digits. */
export function listFiles(folder: string, ...suffixes: readonly SegmentSuffix[]): string[] {
  return readdirSync(folder)
    .filter((name) => suffixes.some((suffix) => /^\d{20}/.test(name) && name.slice(20) === suffix))
    .sort()
    .map((name) => join(folder, name));
}

/** The first offset that a segment file may hold. */
export function baseOffsetOf(file: string): number {
  const digits = /(\d{20})\.[a-z]+$/.exec(file)?.[1];
  if (digits === undefined) throw new Error(`${file} is not named like a segment`);
  return Number(digits);
}

export async function copyFolder(source: string, target: string): Promise<string> {
  await cp(source, target, { recursive: true, errorOnExist: true, force: false });
  return target;
}

/** Changes one byte; a negative `position` counts from the end of the file. */
export async function flipByte(file: string, position: number): Promise<void> {
  const { size } = await stat(file);
  const target = position < 0 ? size + position : position;
  if (target < 0 || target >= size) throw new Error(`${file} has no byte at ${target}`);
  const handle = await open(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    await handle.read(byte, 0, 1, target);
    byte.writeUInt8(byte.readUInt8(0) ^ 0x10);
    await handle.write(byte, 0, 1, target);
  } finally {
    await handle.close();
  }
}

export async function cutBytes(file: string, count: number): Promise<void> {
  const { size } = await stat(file);
  await truncate(file, size - count);
}
