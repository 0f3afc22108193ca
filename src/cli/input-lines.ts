/**
 * Lines of a file or of stdin, in groups as they come in: what has arrived is handed out at once,
 * so a slow producer's lines do not wait for a full group.
 *
 * Bytes are kept as they are; a line ends with a newline, which is no part of it, and the last one
 * may go without. A line that exceeds the bound is an error before it fills the memory.
 */

import { dirname, resolve } from 'node:path';
import { nodeFileSystem, nodeLockFileSystem } from '../base/node-file-system.js';

const READ_BYTES = 256 * 1024;
const LINKS_MAX = 32;
const NEWLINE = 0x0a;

/** Where a path leads when it is a symbolic link: the file systems of Millrace follow none. */
export function followLinks(path: string): string {
  let target = resolve(path);
  for (let links = 0; links < LINKS_MAX; links += 1) {
    if (nodeLockFileSystem.identity(target)?.kind !== 'link') return target;
    target = resolve(dirname(target), nodeLockFileSystem.readLink(target) ?? '');
  }
  return target;
}

/** The bytes of a file, in pieces; and its size, for progress. */
export async function openInput(path: string): Promise<{
  readonly bytes: number;
  readonly pieces: AsyncIterable<Uint8Array>;
}> {
  const file = await nodeFileSystem.open(followLinks(path));
  async function* pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (let position = 0; ; ) {
        const piece = new Uint8Array(READ_BYTES);
        const count = await file.read(piece, 0, READ_BYTES, position);
        if (count === 0) return;
        position += count;
        yield piece.subarray(0, count);
      }
    } finally {
      await file.close();
    }
  }
  return { bytes: await file.size(), pieces: pieces() };
}

export interface LineGroup {
  readonly lines: readonly Uint8Array[];
  /** Bytes of the input that are behind, with this group. */
  readonly inputBytes: number;
}

/** `onTooLong` makes the error for a line of more than `lineBytesMax`. */
export async function* lineGroups(
  pieces: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
  onTooLong: (line: number) => Error,
): AsyncGenerator<LineGroup, void, undefined> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  let inputBytes = 0;
  let lineNumber = 1;
  for await (const piece of pieces) {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (;;) {
      const end = piece.indexOf(NEWLINE, start);
      if (end === -1) break;
      const part = piece.subarray(start, end);
      if (restBytes + part.length > lineBytesMax) throw onTooLong(lineNumber);
      lines.push(rest.length === 0 ? part : Buffer.concat([...rest, part]));
      rest = [];
      restBytes = 0;
      lineNumber += 1;
      start = end + 1;
    }
    if (start < piece.length) rest.push(piece.subarray(start));
    restBytes += piece.length - start;
    if (restBytes > lineBytesMax) throw onTooLong(lineNumber);
    inputBytes += piece.length;
    if (lines.length > 0) yield { lines, inputBytes };
  }
  if (restBytes > 0) yield { lines: [Buffer.concat(rest)], inputBytes };
}
