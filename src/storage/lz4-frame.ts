/**
 * Measures an LZ4 frame before anybody inflates it: where it ends and how large its content is.
 *
 *     magic 04 22 4d 18 | flags 1 | block size 1 | content size 8? | dictionary 4? | checksum 1
 *     blocks: { size 4 (top bit: stored as is), bytes, checksum 4? } | 00 00 00 00 | checksum 4?
 *
 * A frame need not say how large its content is, and the library that inflates it takes no limit;
 * so the tokens of every block are walked, which gives the exact size and reads no content.
 * Numbers are little-endian. What the library checks (checksums, match offsets) is not checked
 * here. Frames with a dictionary and skippable frames are refused: Kafka writes neither.
 */

import { createError, type MillraceError } from '../base/errors.js';

export interface Lz4Frame {
  /** The position behind the frame. */
  readonly end: number;
  /** The exact size of the content. */
  readonly contentBytes: number;
}

const MAGIC = 0x184d_2204;
const VERSION = 1;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAG_RESERVED = 0x02;
const FLAG_DICTIONARY = 0x01;
const FLAGS_POSITION = 4;
const BLOCK_SIZE_POSITION = 5;
const OPTIONAL_POSITION = 6;
const CONTENT_SIZE_BYTES = 8;
const CHECKSUM_BYTES = 4;
const BLOCK_HEADER_BYTES = 4;
const BLOCK_STORED = 0x8000_0000;
/** Block size codes 4 to 7 are 64 KiB, 256 KiB, 1 MiB and 4 MiB. */
const BLOCK_SIZE_CODE_MIN = 4;
const BLOCK_SIZE_SHIFT = 8;
/** A length nibble of 15 goes on in further bytes, as long as they are 255. */
const NIBBLE_MORE = 15;
const MATCH_BYTES_MIN = 4;
const MATCH_OFFSET_BYTES = 2;

/**
 * Measures the frame at `start`. Throws `DECOMPRESSION_FAILED`, or `DECOMPRESSED_TOO_LARGE` as soon
 * as the content exceeds `limitBytes`.
 */
export function measureLz4Frame(bytes: Uint8Array, start: number, limitBytes: number): Lz4Frame {
  need(bytes, start, OPTIONAL_POSITION + 1);
  if (readUint32(bytes, start) !== MAGIC) throw failed('magic');
  const flags = bytes[start + FLAGS_POSITION] as number;
  if (flags >>> 6 !== VERSION) throw failed('version');
  if ((flags & (FLAG_RESERVED | FLAG_DICTIONARY)) !== 0) throw failed('flags');
  const blockBytesMax = readBlockBytesMax(bytes[start + BLOCK_SIZE_POSITION] as number);
  const hasContentSize = (flags & FLAG_CONTENT_SIZE) !== 0;
  const blockTailBytes = (flags & FLAG_BLOCK_CHECKSUM) !== 0 ? CHECKSUM_BYTES : 0;

  let position = start + OPTIONAL_POSITION + (hasContentSize ? CONTENT_SIZE_BYTES : 0) + 1;
  let contentBytes = 0;
  while (true) {
    need(bytes, position, BLOCK_HEADER_BYTES);
    const header = readUint32(bytes, position);
    position += BLOCK_HEADER_BYTES;
    if (header === 0) break;
    const isStored = header >= BLOCK_STORED;
    const blockBytes = isStored ? header - BLOCK_STORED : header;
    need(bytes, position, blockBytes + blockTailBytes);
    const made = isStored ? blockBytes : measureBlock(bytes, position, position + blockBytes);
    if (made > blockBytesMax) throw failed('block size');
    contentBytes += made;
    if (contentBytes > limitBytes) {
      throw createError('DECOMPRESSED_TOO_LARGE', { codec: 'lz4', limit: limitBytes });
    }
    position += blockBytes + blockTailBytes;
  }
  if ((flags & FLAG_CONTENT_CHECKSUM) !== 0) {
    need(bytes, position, CHECKSUM_BYTES);
    position += CHECKSUM_BYTES;
  }
  if (hasContentSize && readSize(bytes, start + OPTIONAL_POSITION) !== contentBytes) {
    throw failed('content size');
  }
  return { end: position, contentBytes };
}

/** The size of the content of a compressed block: the sum over its sequences. */
function measureBlock(bytes: Uint8Array, position: number, end: number): number {
  let made = 0;
  while (true) {
    if (position >= end) throw failed('sequence');
    const token = bytes[position] as number;
    position += 1;
    let literals = token >>> 4;
    if (literals === NIBBLE_MORE) {
      const extensionEnd = extensionEndOf(bytes, position, end);
      literals += extensionOf(bytes, position, extensionEnd);
      position = extensionEnd;
    }
    made += literals;
    position += literals;
    // The last sequence of a block ends with its literals.
    if (position === end) return made;
    // A position beyond the end is noticed at the next byte that is asked for.
    position += MATCH_OFFSET_BYTES;
    let match = token & 15;
    if (match === NIBBLE_MORE) {
      const extensionEnd = extensionEndOf(bytes, position, end);
      match += extensionOf(bytes, position, extensionEnd);
      position = extensionEnd;
    }
    made += match + MATCH_BYTES_MIN;
  }
}

/** The position behind the bytes that extend a length: 255s and one that is not. */
function extensionEndOf(bytes: Uint8Array, position: number, end: number): number {
  while (position < end && bytes[position] === 255) position += 1;
  if (position >= end) throw failed('sequence');
  return position + 1;
}

function extensionOf(bytes: Uint8Array, start: number, end: number): number {
  return (end - 1 - start) * 255 + (bytes[end - 1] as number);
}

function readBlockBytesMax(descriptor: number): number {
  const code = (descriptor >>> 4) & 7;
  if (code < BLOCK_SIZE_CODE_MIN) throw failed('block size code');
  return 1 << (BLOCK_SIZE_SHIFT + 2 * code);
}

function readUint32(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) |
      ((bytes[position + 1] as number) << 8) |
      ((bytes[position + 2] as number) << 16) |
      ((bytes[position + 3] as number) << 24)) >>>
    0
  );
}

function readSize(bytes: Uint8Array, position: number): number {
  return readUint32(bytes, position) + readUint32(bytes, position + 4) * 2 ** 32;
}

function need(bytes: Uint8Array, position: number, count: number): void {
  if (count > bytes.length - position) throw failed('length');
}

function failed(reason: string): MillraceError {
  return createError('DECOMPRESSION_FAILED', { codec: 'lz4', reason });
}
