/**
 * The lines of a file as bytes, streamed: memory is one chunk and one line, whatever the file's size.
 *
 * A line is what lies between newlines. A carriage return stays part of it, an empty line is a line,
 * bytes that are not UTF-8 are left as they are, and what follows the last newline is a line only
 * when there is something.
 */

import { createReadStream } from 'node:fs';

const NEWLINE = 0x0a;
const CHUNK_BYTES = 256 * 1024;

export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';
}

/** Yields the lines of a chunk at a time. Throws {@link LineTooLong} naming the line's number. */
export async function* readLines(path: string, bytesMax: number): AsyncGenerator<Buffer[]> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let number = 1;
  for await (const data of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const chunk: Buffer = data;
    const lines: Buffer[] = [];
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      const bytes = restBytes + (end === -1 ? chunk.length : end) - start;
      if (bytes > bytesMax) throw tooLong(path, number, bytesMax);
      if (end === -1) break;
      const tail = chunk.subarray(start, end);
      lines.push(rest.length === 0 ? tail : Buffer.concat([...rest, tail]));
      rest = [];
      restBytes = 0;
      number += 1;
      start = end + 1;
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
    }
    if (lines.length > 0) yield lines;
  }
  if (restBytes > 0) yield [Buffer.concat(rest)];
}

function tooLong(path: string, number: number, bytesMax: number): LineTooLong {
  const limit = bytesMax.toLocaleString('en');
  return new LineTooLong(`line ${number} of ${path} is longer than ${limit} bytes`);
}
