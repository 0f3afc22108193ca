/**
 * Snappy as Kafka's clients write it: raw blocks in the framing of snappy-java (called xerial).
 *
 *     82 "SNAPPY" 00, version 4, oldest version that can read it 4, chunks { bytes 4, raw block }
 *
 * Numbers are big-endian. Some clients write one bare raw block instead; both are read, the framed
 * form is written, with blocks of 32 KiB as in snappy-java. All blocks are measured before memory
 * is given to their content: the sum against the limit, each against what its bytes can hold at
 * all.
 */

import { readInt32, writeInt32 } from '../base/bytes.js';
import { createError, type MillraceError } from '../base/errors.js';
import {
  decodeSnappyElements,
  encodeSnappyBlock,
  readSnappyLength,
  SNAPPY_RATIO_MAX,
  snappyBlockBytesMax,
} from './snappy-block.js';

const MAGIC = [0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00] as const;
const VERSION = 1;
const VERSION_POSITION = MAGIC.length;
const COMPATIBLE_POSITION = VERSION_POSITION + 4;
const STREAM_HEADER_BYTES = COMPATIBLE_POSITION + 4;
const CHUNK_HEADER_BYTES = 4;
const BLOCK_BYTES = 32 * 1024;

export function compressSnappy(bytes: Uint8Array): Buffer {
  const blocks = Math.ceil(bytes.length / BLOCK_BYTES);
  const blockBytesMax =
    CHUNK_HEADER_BYTES + snappyBlockBytesMax(Math.min(bytes.length, BLOCK_BYTES));
  const target = Buffer.allocUnsafeSlow(STREAM_HEADER_BYTES + blocks * blockBytesMax);
  target.set(MAGIC, 0);
  writeInt32(target, VERSION_POSITION, VERSION);
  writeInt32(target, COMPATIBLE_POSITION, VERSION);
  let position = STREAM_HEADER_BYTES;
  for (let start = 0; start < bytes.length; start += BLOCK_BYTES) {
    const blockStart = position + CHUNK_HEADER_BYTES;
    const end = Math.min(start + BLOCK_BYTES, bytes.length);
    const blockEnd = encodeSnappyBlock(bytes, start, end, target, blockStart);
    writeInt32(target, position, blockEnd - blockStart);
    position = blockEnd;
  }
  return target.subarray(0, position);
}

/** Throws `DECOMPRESSION_FAILED`, or `DECOMPRESSED_TOO_LARGE` before memory is given. */
export function decompressSnappy(bytes: Uint8Array, limitBytes: number): Buffer {
  return isFramed(bytes) ? decompressFramed(bytes, limitBytes) : decompressRaw(bytes, limitBytes);
}

function decompressRaw(bytes: Uint8Array, limitBytes: number): Buffer {
  const contentBytes = measureBlock(bytes, 0, bytes.length);
  if (contentBytes > limitBytes) throw tooLarge(limitBytes);
  const target = Buffer.allocUnsafeSlow(contentBytes);
  decodeBlock(bytes, 0, bytes.length, target, 0, contentBytes);
  return target;
}

/** In two passes over the chunks, measuring and decoding: what a chunk says is kept nowhere. */
function decompressFramed(bytes: Uint8Array, limitBytes: number): Buffer {
  if (readInt32(bytes, COMPATIBLE_POSITION) > VERSION) throw failed('version');
  let total = 0;
  for (let position = STREAM_HEADER_BYTES; position < bytes.length; ) {
    const end = chunkEndOf(bytes, position);
    total += measureBlock(bytes, position + CHUNK_HEADER_BYTES, end);
    if (total > limitBytes) throw tooLarge(limitBytes);
    position = end;
  }
  const target = Buffer.allocUnsafeSlow(total);
  let start = 0;
  for (let position = STREAM_HEADER_BYTES; position < bytes.length; ) {
    const end = chunkEndOf(bytes, position);
    const blockStart = position + CHUNK_HEADER_BYTES;
    const limit = start + measureBlock(bytes, blockStart, end);
    decodeBlock(bytes, blockStart, end, target, start, limit);
    start = limit;
    position = end;
  }
  return target;
}

function isFramed(bytes: Uint8Array): boolean {
  return bytes.length >= STREAM_HEADER_BYTES && MAGIC.every((byte, index) => bytes[index] === byte);
}

function chunkEndOf(bytes: Uint8Array, position: number): number {
  const available = bytes.length - position - CHUNK_HEADER_BYTES;
  if (available < 0) throw failed('chunk header');
  const chunkBytes = readInt32(bytes, position);
  if (chunkBytes <= 0 || chunkBytes > available) throw failed('chunk length');
  return position + CHUNK_HEADER_BYTES + chunkBytes;
}

/** The size of the content of a block; more than its bytes can hold is refused. */
function measureBlock(bytes: Uint8Array, start: number, end: number): number {
  const length = readSnappyLength(bytes, start, end);
  if (length === 'malformed') throw failed('block length');
  if (length.contentBytes > (end - length.position) * SNAPPY_RATIO_MAX) {
    throw failed('block length');
  }
  return length.contentBytes;
}

function decodeBlock(
  bytes: Uint8Array,
  blockStart: number,
  end: number,
  target: Uint8Array,
  start: number,
  limit: number,
): void {
  const length = readSnappyLength(bytes, blockStart, end);
  if (length === 'malformed') throw failed('block length');
  const outcome = decodeSnappyElements(bytes, length.position, end, target, start, limit);
  if (outcome === 'malformed') throw failed('block');
}

function tooLarge(limitBytes: number): MillraceError {
  return createError('DECOMPRESSED_TOO_LARGE', { codec: 'snappy', limit: limitBytes });
}

function failed(reason: string): MillraceError {
  return createError('DECOMPRESSION_FAILED', { codec: 'snappy', reason });
}
