/**
 * Zig-zag variable-length integers of 32 and 64 bits, as Kafka's records carry them.
 *
 * Seven bits per byte, lowest first, the top bit says that more follow. Zig-zag maps 0, -1, 1, -2
 * to 0, 1, 2, 3, so small negative numbers stay short. Writers trust their caller's sizes: the
 * encoder computes the exact size of a record before it writes the first byte. Readers trust
 * nothing: they stop at `end` and at the longest legal form. Values of one byte are read in place
 * by the hot loops; these functions are for the longer ones.
 *
 * 64-bit values are numbers. What is beyond 2^53 comes from foreign bytes only and is read rounded.
 */

/** What {@link readVarint} answers for bytes that are no varint; no field may have this value. */
export const MALFORMED = -0x8000_0000;

const LOW_BITS = 28;
const TWO_TO_27 = 2 ** 27;
const TWO_TO_55 = 2 ** 55;
const TWO_TO_30 = 2 ** 30;

/** The bytes that `value` (32 bits, signed) takes. */
export function varintBytes(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x20_0000) return 3;
  return zigzag < 0x1000_0000 ? 4 : 5;
}

/** Writes `value` (32 bits, signed) at `position` and returns the position behind it. */
export function writeVarint(bytes: Uint8Array, position: number, value: number): number {
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  while (rest >= 0x80) {
    bytes[position] = (rest & 0x7f) | 0x80;
    position += 1;
    rest >>>= 7;
  }
  bytes[position] = rest;
  return position + 1;
}

/** The bytes that `count` (0 or more) takes: {@link varintBytes} for the hot path. */
export function countBytes(count: number): number {
  return count < 0x40 ? 1 : count < 0x2000 ? 2 : varintBytes(count);
}

/** Writes `count` (0 or more): {@link writeVarint} for the hot path. */
export function writeCount(bytes: Uint8Array, position: number, count: number): number {
  if (count < 0x40) {
    bytes[position] = count << 1;
    return position + 1;
  }
  if (count < 0x2000) {
    bytes[position] = (count << 1) | 0x80;
    bytes[position + 1] = count >> 6;
    return position + 2;
  }
  return writeVarint(bytes, position, count);
}

/** The bytes that `value` (a safe integer) takes. */
export function varlongBytes(value: number): number {
  if (value > -TWO_TO_30 && value < TWO_TO_30) return varintBytes(value);
  // The sign takes the lowest bit, so the first byte holds six bits of the magnitude.
  let rest = Math.floor((value < 0 ? -1 - value : value) / 0x40);
  let count = 1;
  while (rest > 0) {
    rest = Math.floor(rest / 0x80);
    count += 1;
  }
  return count;
}

/** Writes `value` (a safe integer) at `position` and returns the position behind it. */
export function writeVarlong(bytes: Uint8Array, position: number, value: number): number {
  if (value > -TWO_TO_30 && value < TWO_TO_30) return writeVarint(bytes, position, value);
  const magnitude = value < 0 ? -1 - value : value;
  // Twice the magnitude may not be exact, hence the first byte by hand.
  let byte = (magnitude % 0x40) * 2 + (value < 0 ? 1 : 0);
  let rest = Math.floor(magnitude / 0x40);
  while (rest > 0) {
    bytes[position] = byte | 0x80;
    position += 1;
    byte = rest % 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[position] = byte;
  return position + 1;
}

/**
 * The 32-bit value at `position`, or {@link MALFORMED} when it does not end before `end` or within
 * five bytes. After a value that is not malformed, {@link varintEnd} says where it ends.
 */
export function readVarint(bytes: Uint8Array, position: number, end: number): number {
  if (position < end) {
    const byte = bytes[position] as number;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    if (position + 1 < end) {
      const next = bytes[position + 1] as number;
      if (next < 0x80) return ((next << 6) | ((byte & 0x7f) >>> 1)) ^ -(byte & 1);
    }
  }
  return readLongVarint(bytes, position, end);
}

/**
 * The 64-bit value at `position`, rounded beyond 2^53, or NaN when it does not end before `end` or
 * within ten bytes.
 */
export function readVarlong(bytes: Uint8Array, position: number, end: number): number {
  if (position < end) {
    const byte = bytes[position] as number;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
  }
  return readLongVarlong(bytes, position, end);
}

/** The position behind the varint or varlong at `position`, which was read before. */
export function varintEnd(bytes: Uint8Array, position: number): number {
  if ((bytes[position] as number) < 0x80) return position + 1;
  if ((bytes[position + 1] as number) < 0x80) return position + 2;
  return longVarintEnd(bytes, position + 2);
}

function readLongVarint(bytes: Uint8Array, position: number, end: number): number {
  let zigzag = 0;
  for (let shift = 0; shift <= LOW_BITS; shift += 7) {
    if (position >= end) return MALFORMED;
    const byte = bytes[position] as number;
    position += 1;
    if (shift === LOW_BITS && byte > 0x0f) return MALFORMED;
    zigzag |= (byte & 0x7f) << shift;
    if (byte < 0x80) return (zigzag >>> 1) ^ -(zigzag & 1);
  }
  return MALFORMED;
}

function readLongVarlong(bytes: Uint8Array, position: number, end: number): number {
  // Three parts of 28, 28 and 8 bits: each stays a small integer.
  let low = 0;
  let middle = 0;
  let high = 0;
  for (let shift = 0; shift <= 63; shift += 7) {
    if (position >= end) return Number.NaN;
    const byte = bytes[position] as number;
    position += 1;
    if (shift === 63 && byte > 1) return Number.NaN;
    const bits = byte & 0x7f;
    if (shift < LOW_BITS) low |= bits << shift;
    else if (shift < 2 * LOW_BITS) middle |= bits << (shift - LOW_BITS);
    else high |= bits << (shift - 2 * LOW_BITS);
    if (byte < 0x80) {
      const magnitude = (low >>> 1) + middle * TWO_TO_27 + high * TWO_TO_55;
      return (low & 1) === 0 ? magnitude : -1 - magnitude;
    }
  }
  return Number.NaN;
}

function longVarintEnd(bytes: Uint8Array, position: number): number {
  while ((bytes[position] as number) >= 0x80) position += 1;
  return position + 1;
}
