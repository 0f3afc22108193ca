/**
 * Snappy's raw block: the decoder, and a greedy encoder for blocks of up to 64 KiB.
 *
 *     length of the content, varint | elements: tag byte, then
 *         00 literal   6 bits length - 1, or 60 to 63: length - 1 in 1 to 4 bytes; then the bytes
 *         01 copy      3 bits length - 4, 3 + 8 bits offset
 *         10 copy      6 bits length - 1, 16 bits offset, little-endian
 *         11 copy      6 bits length - 1, 32 bits offset, little-endian
 *
 * The decoder trusts nothing. Its caller gives it memory of the declared size, after comparing that
 * size with a limit and with what so few bytes can hold at all; the decoder then fills that memory
 * exactly or answers `'malformed'`. `snappy.ts` is the only caller.
 */

import { assert } from '../base/assert.js';

/** A copy of 64 bytes takes at least 3: content cannot be larger than this many times its block. */
export const SNAPPY_RATIO_MAX = 22;
/** The largest block that {@link encodeSnappyBlock} takes: positions are kept in 16 bits. */
export const SNAPPY_ENCODE_BYTES_MAX = 64 * 1024;

const TAG_LITERAL = 0;
const TAG_COPY_SHORT = 1;
const TAG_COPY_MIDDLE = 2;
/** Literals of more than 60 bytes have their length behind the tag. */
const LITERAL_INLINE_MAX = 60;
const COPY_BYTES_MAX = 64;
/** The short copy: 4 to 11 bytes from at most 2,047 back. */
const COPY_SHORT_BYTES_MAX = 11;
const COPY_SHORT_OFFSET_MAX = 2047;
const MATCH_BYTES_MIN = 4;
/** From how many bytes on a copy by `copyWithin` beats a loop. */
const COPY_WITHIN_BYTES_MIN = 48;
const HASH_BITS = 13;
const HASH_MULTIPLIER = 0x1e35_a7bd;
/** After every 32 bytes without a match the search steps one byte further at a time. */
const SKIP_SHIFT = 5;

/** For each hash, the position of the last four bytes that had it; only the encoder's own. */
const positions = new Uint16Array(1 << HASH_BITS);

/** The size that a block declares, and where its elements start. */
export function readSnappyLength(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly contentBytes: number; readonly position: number } | 'malformed' {
  let contentBytes = 0;
  let scale = 1;
  for (let position = start; position < end && position < start + 5; position += 1) {
    const byte = bytes[position] as number;
    contentBytes += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      return contentBytes < 2 ** 32 ? { contentBytes, position: position + 1 } : 'malformed';
    }
    scale *= 0x80;
  }
  return 'malformed';
}

/** Decodes the elements in `bytes[position, end)`; they fill `target[start, limit)` exactly. */
export function decodeSnappyElements(
  bytes: Uint8Array,
  position: number,
  end: number,
  target: Uint8Array,
  start: number,
  limit: number,
): 'decoded' | 'malformed' {
  let to = start;
  while (position < end) {
    const tag = bytes[position] as number;
    const kind = tag & 3;
    position += 1;
    let count = (tag >>> 2) + 1;
    if (kind === TAG_LITERAL) {
      if (count > LITERAL_INLINE_MAX) {
        const width = count - LITERAL_INLINE_MAX;
        if (position + width > end) return 'malformed';
        count = readLittleEndian(bytes, position, width) + 1;
        position += width;
      }
      if (count > end - position || count > limit - to) return 'malformed';
      copyForward(bytes, position, target, to, count);
      position += count;
    } else {
      let width = 1;
      let offset = 0;
      if (kind === TAG_COPY_SHORT) {
        count = ((tag >>> 2) & 7) + MATCH_BYTES_MIN;
        offset = (tag >>> 5) << 8;
      } else {
        width = kind === TAG_COPY_MIDDLE ? 2 : 4;
      }
      if (position + width > end) return 'malformed';
      offset += readLittleEndian(bytes, position, width);
      position += width;
      if (offset === 0 || offset > to - start || count > limit - to) return 'malformed';
      copyBack(target, to, offset, count);
    }
    to += count;
  }
  return to === limit ? 'decoded' : 'malformed';
}

/** The most bytes that {@link encodeSnappyBlock} writes for `count` bytes of content. */
export function snappyBlockBytesMax(count: number): number {
  return 32 + count + Math.ceil(count / 6);
}

/** Encodes `bytes[start, end)` as one block at `position`; returns the position behind it. */
export function encodeSnappyBlock(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
): number {
  assert(end - start <= SNAPPY_ENCODE_BYTES_MAX, 'positions in a block fit in 16 bits');
  position = writeLength(target, position, end - start);
  positions.fill(0);
  let literal = start;
  let from = start + 1;
  while (from + MATCH_BYTES_MIN <= end) {
    const word = readWord(bytes, from);
    const hash = Math.imul(word, HASH_MULTIPLIER) >>> (32 - HASH_BITS);
    const candidate = start + (positions[hash] as number);
    positions[hash] = from - start;
    if (readWord(bytes, candidate) !== word) {
      from += 1 + ((from - literal) >> SKIP_SHIFT);
      continue;
    }
    let count = MATCH_BYTES_MIN;
    while (from + count < end && bytes[from + count] === bytes[candidate + count]) count += 1;
    position = writeLiteral(bytes, literal, from, target, position);
    position = writeCopies(target, position, from - candidate, count);
    from += count;
    literal = from;
  }
  return writeLiteral(bytes, literal, end, target, position);
}

function writeLength(target: Uint8Array, position: number, count: number): number {
  while (count >= 0x80) {
    target[position] = (count & 0x7f) | 0x80;
    position += 1;
    count >>>= 7;
  }
  target[position] = count;
  return position + 1;
}

function writeLiteral(
  bytes: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  position: number,
): number {
  const count = end - start;
  if (count === 0) return position;
  if (count <= LITERAL_INLINE_MAX) {
    target[position] = ((count - 1) << 2) | TAG_LITERAL;
    position += 1;
  } else if (count <= 0x100) {
    target[position] = (LITERAL_INLINE_MAX << 2) | TAG_LITERAL;
    target[position + 1] = count - 1;
    position += 2;
  } else {
    target[position] = ((LITERAL_INLINE_MAX + 1) << 2) | TAG_LITERAL;
    target[position + 1] = count - 1;
    target[position + 2] = (count - 1) >> 8;
    position += 3;
  }
  copyForward(bytes, start, target, position, count);
  return position + count;
}

/** A long match becomes several copies, the last of which has at least four bytes. */
function writeCopies(target: Uint8Array, position: number, offset: number, count: number): number {
  while (count > COPY_BYTES_MAX) {
    const part = count >= COPY_BYTES_MAX + MATCH_BYTES_MIN ? COPY_BYTES_MAX : LITERAL_INLINE_MAX;
    position = writeCopy(target, position, offset, part);
    count -= part;
  }
  return writeCopy(target, position, offset, count);
}

function writeCopy(target: Uint8Array, position: number, offset: number, count: number): number {
  if (count <= COPY_SHORT_BYTES_MAX && offset <= COPY_SHORT_OFFSET_MAX) {
    target[position] = ((offset >> 8) << 5) | ((count - MATCH_BYTES_MIN) << 2) | TAG_COPY_SHORT;
    target[position + 1] = offset;
    return position + 2;
  }
  target[position] = ((count - 1) << 2) | TAG_COPY_MIDDLE;
  target[position + 1] = offset;
  target[position + 2] = offset >> 8;
  return position + 3;
}

function copyForward(
  bytes: Uint8Array,
  from: number,
  target: Uint8Array,
  to: number,
  count: number,
): void {
  if (count >= COPY_WITHIN_BYTES_MIN) {
    target.set(bytes.subarray(from, from + count), to);
    return;
  }
  for (let index = 0; index < count; index += 1) {
    target[to + index] = bytes[from + index] as number;
  }
}

/** Byte by byte where source and target overlap: that repeats a pattern, as the format means. */
function copyBack(target: Uint8Array, to: number, offset: number, count: number): void {
  if (count >= COPY_WITHIN_BYTES_MIN && offset >= count) {
    target.copyWithin(to, to - offset, to - offset + count);
    return;
  }
  for (let index = to; index < to + count; index += 1) {
    target[index] = target[index - offset] as number;
  }
}

function readWord(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position] as number) |
    ((bytes[position + 1] as number) << 8) |
    ((bytes[position + 2] as number) << 16) |
    ((bytes[position + 3] as number) << 24)
  );
}

function readLittleEndian(bytes: Uint8Array, position: number, width: number): number {
  let value = 0;
  for (let index = width - 1; index >= 0; index -= 1) {
    value = value * 0x100 + (bytes[position + index] as number);
  }
  return value;
}
