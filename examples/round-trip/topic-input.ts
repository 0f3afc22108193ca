/**
 * The lines of the input as records: the key is the client address, which is what stands before the
 * first space, as in an access log; the time is the line's number, counted from a base.
 *
 * So each record says which line it is, wherever it is read.
 */

import type { RecordInput } from '../../src/main.js';
import { readLines } from './lines.js';

/** A record may have 1 MiB, its key and a few more bytes included. */
const KEY_BYTES_MAX = 256;
const LINE_BYTES_MAX = 1024 * 1024 - 2 * KEY_BYTES_MAX;
const SPACE = 0x20;

export interface Input {
  readonly files: readonly string[];
  readonly linesMax: number;
}

/** The lines, in groups; the same every time. */
export async function* inputLines({ files, linesMax }: Input): AsyncGenerator<Buffer[]> {
  let left = linesMax;
  for (const file of files) {
    for await (const lines of readLines(file, LINE_BYTES_MAX)) {
      if (lines.length >= left) {
        yield lines.slice(0, left);
        return;
      }
      left -= lines.length;
      yield lines;
    }
  }
}

/** The client address of a line: a view of it. */
export function addressOf(line: Buffer): Buffer {
  const end = line.subarray(0, KEY_BYTES_MAX).indexOf(SPACE);
  return line.subarray(0, end === -1 ? KEY_BYTES_MAX : end);
}

export function recordOf(line: Buffer, number: number, baseMs: number): RecordInput {
  return { key: addressOf(line), value: line, timestamp: baseMs + number };
}
