/**
 * Big-endian integers in bytes: the only place that knows how Kafka's formats order them.
 *
 * Plain functions over `Uint8Array` and numbers: nothing is allocated, except by the two that speak
 * of bigints. Positions are asserted, so no read ever sees the `undefined` behind the end; a caller
 * that takes a length from outside compares it with the bytes left before it reads. Values are
 * asserted on write: an integer that does not fit its field is a bug of ours, never wrapped.
 *
 * A 64-bit field may hold more than a number can: foreign bytes do, and that is no bug of ours.
 * `readInt64` then answers NaN, which no comparison accepts; `readBigInt64` reads all of them.
 */

import { assert } from './assert.js';

const TWO_TO_32 = 2 ** 32;
/** The high words of the safe integers: from -(2^53) to 2^53 - 1. */
const SAFE_HIGH_MIN = -(2 ** 21);
const SAFE_HIGH_MAX = 2 ** 21 - 1;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export function readInt8(bytes: Uint8Array, position: number): number {
  assertRange(bytes, position, 1);
  return ((bytes[position] as number) << 24) >> 24;
}

export function readInt16(bytes: Uint8Array, position: number): number {
  assertRange(bytes, position, 2);
  return (((bytes[position] as number) << 24) | ((bytes[position + 1] as number) << 16)) >> 16;
}

export function readInt32(bytes: Uint8Array, position: number): number {
  assertRange(bytes, position, 4);
  return word(bytes, position);
}

export function readUint32(bytes: Uint8Array, position: number): number {
  assertRange(bytes, position, 4);
  return word(bytes, position) >>> 0;
}

/** The value when it is a safe integer, NaN when it is not: test it with `Number.isNaN`. */
export function readInt64(bytes: Uint8Array, position: number): number {
  assertRange(bytes, position, 8);
  const high = word(bytes, position);
  const low = word(bytes, position + 4) >>> 0;
  if (high < SAFE_HIGH_MIN || high > SAFE_HIGH_MAX) return Number.NaN;
  if (high === SAFE_HIGH_MIN && low === 0) return Number.NaN;
  return high * TWO_TO_32 + low;
}

/** Every 64-bit value, for fields that are only compared (a producer id); it allocates. */
export function readBigInt64(bytes: Uint8Array, position: number): bigint {
  assertRange(bytes, position, 8);
  const high = BigInt(word(bytes, position));
  return (high << 32n) | BigInt(word(bytes, position + 4) >>> 0);
}

export function writeInt8(bytes: Uint8Array, position: number, value: number): void {
  assertRange(bytes, position, 1);
  assert((value << 24) >> 24 === value, 'the value fits in 8 bits');
  bytes[position] = value;
}

export function writeInt16(bytes: Uint8Array, position: number, value: number): void {
  assertRange(bytes, position, 2);
  assert((value << 16) >> 16 === value, 'the value fits in 16 bits');
  bytes[position] = value >> 8;
  bytes[position + 1] = value;
}

export function writeInt32(bytes: Uint8Array, position: number, value: number): void {
  assertRange(bytes, position, 4);
  assert((value | 0) === value, 'the value fits in 32 bits');
  putWord(bytes, position, value);
}

export function writeUint32(bytes: Uint8Array, position: number, value: number): void {
  assertRange(bytes, position, 4);
  assert(value >>> 0 === value, 'the value fits in 32 unsigned bits');
  putWord(bytes, position, value);
}

export function writeInt64(bytes: Uint8Array, position: number, value: number): void {
  assertRange(bytes, position, 8);
  assert(Number.isSafeInteger(value), 'the value is a safe integer');
  putWord(bytes, position, Math.floor(value / TWO_TO_32));
  putWord(bytes, position + 4, value >>> 0);
}

export function writeBigInt64(bytes: Uint8Array, position: number, value: bigint): void {
  assertRange(bytes, position, 8);
  assert(value >= INT64_MIN && value <= INT64_MAX, 'the value fits in 64 bits');
  putWord(bytes, position, Number(value >> 32n));
  putWord(bytes, position + 4, Number(value & 0xffff_ffffn));
}

/** One unsigned conversion shows at once that a position is whole, not negative, and a number. */
function assertRange(bytes: Uint8Array, position: number, count: number): void {
  assert(position >>> 0 === position, 'the position is a whole number from 0 on');
  assert(position + count <= bytes.length, 'the field lies within the bytes');
}

function word(bytes: Uint8Array, position: number): number {
  return (
    ((bytes[position] as number) << 24) |
    ((bytes[position + 1] as number) << 16) |
    ((bytes[position + 2] as number) << 8) |
    (bytes[position + 3] as number)
  );
}

function putWord(bytes: Uint8Array, position: number, value: number): void {
  bytes[position] = value >>> 24;
  bytes[position + 1] = value >>> 16;
  bytes[position + 2] = value >>> 8;
  bytes[position + 3] = value;
}
