/**
 * Codecs: what each makes of its own streams, of changed ones, of noise, and of bombs.
 *
 * What must hold: content comes back as it was; otherwise one of three codes is thrown; the limit
 * is kept in what is returned and in the memory that is taken on the way; content within the limit
 * is never refused for its size.
 */

import assert from 'node:assert/strict';
import { hasCode } from '../src/base/errors.js';
import { limits } from '../src/base/limits.js';
import type { Prng } from '../src/base/prng.js';
import { type Codec, codecNamed } from '../src/storage/compression.js';
import { availableCodecs } from './draw-batch.js';
import type { FuzzEvent } from './event.js';
import { fuzzWith } from './fuzz-data.js';
import { boundedMemory } from './memory.js';
import { isSameBytes, mutate } from './mutate.js';

const CODES = ['DECOMPRESSION_FAILED', 'DECOMPRESSED_TOO_LARGE'] as const;
/** zlib gathers chunks and then joins them; it takes one chunk more before it notices a limit. */
const LIMIT_COPIES = 3;
/** The most that any codec makes of a byte (deflate): a claim beyond it is no reason for memory. */
const RATIO_MAX = 1032;
const SPARE_BYTES = 256 * 1024;
const LZ4_MAGIC = [0x04, 0x22, 0x4d, 0x18] as const;
const BOMB_BYTES = 2 * 1024 * 1024;

/** Bombs are large on one side only: made once. */
const bombs = new Map<string, Buffer>();

export function tryCodec(event: FuzzEvent): void {
  const { prng } = event;
  const codec = codecNamed(prng.pick(availableCodecs));
  const drawn = prng.integer(100);
  if (drawn < 20) roundTrip(event, codec);
  else if (drawn < 28) explode(event, codec);
  else if (drawn < 36) inflate(event, codec, drawClaim(event, codec), drawLimit(event));
  else if (drawn < 44) inflate(event, codec, prng.bytes(prng.integer(200)), drawLimit(event));
  else {
    const stream = codec.compress(drawContent(event));
    inflate(event, codec, mutate(prng, stream), drawLimit(event));
  }
}

export const fuzz = fuzzWith(tryCodec);

function roundTrip(event: FuzzEvent, codec: Codec): void {
  const content = drawContent(event);
  const stream = codec.compress(content);
  const limitBytes = Math.max(1, content.length + event.prng.pick([-1, 0, 1, 1000]));
  event.input(stream, `${codec.name} of ${content.length} bytes, limit ${limitBytes}`);
  if (content.length > limitBytes) {
    assert.throws(
      () => codec.decompress(stream, limitBytes),
      (error) => hasCode(error, 'DECOMPRESSED_TOO_LARGE'),
    );
    event.met(`${codec.name} refused`);
    return;
  }
  assert.ok(isSameBytes(codec.decompress(stream, limitBytes), content), 'the content came back');
  event.met(`${codec.name} whole`);
}

/** Bytes that nobody vouches for. */
function inflate(event: FuzzEvent, codec: Codec, stream: Uint8Array, limitBytes: number): void {
  event.input(stream, `${codec.name}, limit ${limitBytes}`);
  const contentMax = Math.min(limitBytes, stream.length * RATIO_MAX);
  const memoryMax = LIMIT_COPIES * contentMax + SPARE_BYTES;
  try {
    const content = boundedMemory(memoryMax, () => codec.decompress(stream, limitBytes));
    assert.ok(content.length <= limitBytes, 'the limit is kept');
    event.met(`${codec.name} accepted`);
  } catch (error) {
    const code = CODES.find((candidate) => hasCode(error, candidate));
    if (code === undefined) throw error;
    event.met(`${codec.name} ${code}`);
  }
}

/** Far more content than the limit: refused, before memory is given to it. */
function explode(event: FuzzEvent, codec: Codec): void {
  const stream = bombOf(codec);
  const limitBytes = 1 + event.prng.integer(BOMB_BYTES / 16);
  event.input(stream.subarray(0, 4096), `${codec.name} bomb, limit ${limitBytes}`);
  assert.throws(
    () =>
      boundedMemory(LIMIT_COPIES * limitBytes + SPARE_BYTES, () =>
        codec.decompress(stream, limitBytes),
      ),
    (error) => hasCode(error, 'DECOMPRESSED_TOO_LARGE'),
  );
  event.met(`${codec.name} bomb`);
}

function bombOf(codec: Codec): Uint8Array {
  const known = bombs.get(codec.name);
  if (known !== undefined) return known;
  const bomb = codec.compress(Buffer.alloc(BOMB_BYTES));
  bombs.set(codec.name, bomb);
  return bomb;
}

/** A few bytes that claim much, in the words of the codec. */
function drawClaim({ prng }: FuzzEvent, codec: Codec): Uint8Array {
  const length = prng.pick([0x7fff_ffff, 0xffff_ffff, 0x0400_0000, 0x1000_0000]);
  const rest = prng.bytes(prng.integer(40));
  switch (codec.name) {
    case 'snappy':
      return Buffer.concat([...snappyStart(prng, rest.length + 5), varint(length), rest]);
    case 'lz4':
      return prng.boolean() ? lz4Claim(prng, length) : lz4Frame(prng);
    case 'gzip': {
      const stream = Buffer.from(codec.compress(rest));
      stream.writeUInt32LE(length, stream.length - 4);
      return stream;
    }
    default:
      return rest;
  }
}

/** A frame that says how large its content is, and a block that makes the most of its bytes. */
function lz4Claim(prng: Prng, length: number): Uint8Array {
  const contentBytes = Buffer.alloc(8);
  contentBytes.writeUInt32LE(length, 0);
  const ones = Buffer.alloc(prng.integer(3000), 0xff);
  const block = Buffer.alloc(4);
  block.writeUInt32LE(ones.length + 4, 0);
  const start = Uint8Array.of(...LZ4_MAGIC, 0x68, 0x70);
  const checksum = prng.bytes(1);
  return Buffer.concat([start, contentBytes, checksum, block, Uint8Array.of(0x1f, 0, 1, 0), ones]);
}

/** A frame of one stored block with whatever parts its flags ask for. */
function lz4Frame(prng: Prng): Uint8Array {
  const flags = 0x60 | prng.pick([0, 0x04, 0x08, 0x0c, 0x10, 0x1c, 0x01, 0x02]);
  const content = prng.bytes(prng.integer(50));
  const contentBytes = Buffer.alloc((flags & 0x08) === 0 ? 0 : 8);
  if (contentBytes.length > 0) contentBytes.writeUInt32LE(content.length, 0);
  const block = Buffer.alloc(4);
  block.writeUInt32LE(0x8000_0000 + content.length, 0);
  return Buffer.concat([
    Uint8Array.of(...LZ4_MAGIC, flags, 0x40),
    contentBytes,
    prng.bytes(1),
    block,
    content,
    prng.bytes((flags & 0x10) === 0 ? 0 : 4),
    Buffer.alloc(4),
    prng.bytes((flags & 0x04) === 0 ? 0 : 4),
  ]);
}

/** The framing of snappy-java around one chunk of `bytes` bytes; some clients leave it out. */
function snappyStart(prng: Prng, bytes: number): Uint8Array[] {
  if (prng.boolean()) return [];
  const version = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, bytes);
  return [Buffer.from('82534e4150505900', 'hex'), version];
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = BigInt(value); ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...bytes, Number(rest)]);
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
}

function drawContent({ prng }: FuzzEvent): Uint8Array {
  const count = prng.pick([0, 1, 60, prng.integer(300), prng.integer(5000), prng.integer(80_000)]);
  const part = prng.bytes(1 + prng.integer(40));
  if (prng.boolean(0.3)) return prng.bytes(count);
  const content = Buffer.alloc(count, part);
  for (let noise = prng.integer(20); noise > 0 && count > 0; noise -= 1) {
    content[prng.integer(count)] = prng.integer(256);
  }
  return content;
}

function drawLimit({ prng }: FuzzEvent): number {
  return prng.pick([1, 100, 4096, 65_536, 1024 * 1024, limits.inflatedBytesMax]);
}
