/**
 * Changes to bytes, of the kinds that storage and networks make and of the kinds that hurt
 * decoders: turned bits, limits of integers in place of lengths, cut, doubled and exchanged ranges.
 */

import type { Prng } from '../src/base/prng.js';

/** Values at the limits of integers, and just beyond what a bound may say. */
const EDGES: readonly bigint[] = [
  0n,
  1n,
  -1n,
  0x7fn,
  0x80n,
  0x7fffn,
  0x8000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  64n * 1024n * 1024n,
  64n * 1024n * 1024n + 1n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

type Change = (prng: Prng, bytes: Uint8Array) => Uint8Array;

const inPlace: readonly Change[] = [flipBit, flipBit, setByte, setEdge, setEdge, fillRange];
const resizing: readonly Change[] = [cut, cutOut, extend, repeat, exchange];

/** A changed copy; one change most of the time, up to four. */
export function mutate(prng: Prng, bytes: Uint8Array): Uint8Array {
  let changed = Uint8Array.from(bytes);
  const count = prng.boolean(0.6) ? 1 : 2 + prng.integer(3);
  for (let done = 0; done < count; done += 1) {
    const changes = prng.boolean(0.75) ? inPlace : resizing;
    changed = Uint8Array.from(prng.pick(changes)(prng, changed));
  }
  return changed;
}

/** A copy of the same size, changed within [start, end). */
export function mutateWithin(
  prng: Prng,
  bytes: Uint8Array,
  start: number,
  end: number,
): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const count = prng.boolean(0.6) ? 1 : 2 + prng.integer(3);
  for (let done = 0; done < count; done += 1) {
    prng.pick(inPlace)(prng, changed.subarray(start, end));
  }
  return changed;
}

export function isSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0;
}

function flipBit(prng: Prng, bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return bytes;
  const bit = prng.integer(bytes.length * 8);
  bytes[bit >>> 3] = (bytes[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
  return bytes;
}

function setByte(prng: Prng, bytes: Uint8Array): Uint8Array {
  if (bytes.length > 0) bytes[prng.integer(bytes.length)] = prng.integer(256);
  return bytes;
}

/** An edge value in one, two, four or eight bytes, of either order. */
function setEdge(prng: Prng, bytes: Uint8Array): Uint8Array {
  const width = prng.pick([1, 2, 4, 4, 8]);
  if (bytes.length < width) return bytes;
  const start = prng.integer(bytes.length - width + 1);
  const value = BigInt.asUintN(8 * width, prng.pick(EDGES));
  const isBigEndian = prng.boolean(0.7);
  for (let index = 0; index < width; index += 1) {
    const byte = Number((value >> BigInt(8 * index)) & 0xffn);
    bytes[isBigEndian ? start + width - 1 - index : start + index] = byte;
  }
  return bytes;
}

function fillRange(prng: Prng, bytes: Uint8Array): Uint8Array {
  const [start, end] = drawRange(prng, bytes.length);
  return bytes.fill(prng.pick([0, 0, 0xff, 0x80]), start, end);
}

function cut(prng: Prng, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, prng.integer(bytes.length + 1));
}

function cutOut(prng: Prng, bytes: Uint8Array): Uint8Array {
  const [start, end] = drawRange(prng, bytes.length);
  return joined(bytes.subarray(0, start), bytes.subarray(end));
}

function extend(prng: Prng, bytes: Uint8Array): Uint8Array {
  const count = 1 + prng.integer(64);
  return joined(bytes, prng.boolean() ? new Uint8Array(count) : prng.bytes(count));
}

function repeat(prng: Prng, bytes: Uint8Array): Uint8Array {
  const [start, end] = drawRange(prng, Math.min(bytes.length, 4096));
  return joined(bytes.subarray(0, end), bytes.subarray(start, end), bytes.subarray(end));
}

/** Two neighbouring ranges change places. */
function exchange(prng: Prng, bytes: Uint8Array): Uint8Array {
  const [start, end] = drawRange(prng, bytes.length);
  const middle = start + prng.integer(end - start + 1);
  return joined(
    bytes.subarray(0, start),
    bytes.subarray(middle, end),
    bytes.subarray(start, middle),
    bytes.subarray(end),
  );
}

/** Mostly short ranges: long ones leave nothing to decode. */
function drawRange(prng: Prng, bytes: number): [start: number, end: number] {
  const start = prng.integer(bytes + 1);
  const most = prng.boolean(0.7) ? Math.min(16, bytes - start) : bytes - start;
  return [start, start + prng.integer(most + 1)];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(parts));
}
