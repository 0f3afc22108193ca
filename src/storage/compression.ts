/**
 * The codecs of a batch, behind one table: Kafka's numbers, names and formats.
 *
 * Inflating is bounded before it begins: no codec gets memory beyond `limitBytes` for its content,
 * whatever the bytes claim. Bytes may come from anywhere; that a checksum matched proves nothing.
 * A codec that is not there (lz4 without its package, zstd on a Node without it) is an answer, not
 * a crash: batches that use it are stored and served as they are, and only their records cannot be
 * read.
 *
 * The only file that loads `lz4-napi`, at the first use.
 */

import { createRequire } from 'node:module';
import * as zlib from 'node:zlib';
import { assert } from '../base/assert.js';
import { createError, errnoOf, MillraceError } from '../base/errors.js';
import { measureLz4Frame } from './lz4-frame.js';
import { compressSnappy, decompressSnappy } from './snappy.js';
import { areWholeZstdFrames } from './zstd-frame.js';

export type CodecName = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

export interface Codec {
  /** The number in the attributes of a batch. */
  readonly id: number;
  readonly name: CodecName;
  /** Throws `CODEC_UNAVAILABLE`. The result may share memory with `bytes` for `none` alone. */
  compress(bytes: Uint8Array): Buffer;
  /** Throws `CODEC_UNAVAILABLE`, `DECOMPRESSION_FAILED`, `DECOMPRESSED_TOO_LARGE`. */
  decompress(bytes: Uint8Array, limitBytes: number): Buffer;
  isAvailable(): boolean;
}

interface Lz4 {
  compressFrameSync(bytes: Uint8Array): Buffer;
  decompressFrameSync(bytes: Uint8Array): Buffer;
}

interface Zstd {
  zstdCompressSync(bytes: Uint8Array): Buffer;
  zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number }): Buffer;
}

/** Deflate makes at most 1,032 bytes from one. */
const DEFLATE_RATIO_MAX = 1032;
/** The end of a gzip stream: the size of its content, 32 bits, little-endian. */
const GZIP_SIZE_BYTES = 4;
/** zlib asks for a second chunk when the first is exactly full. */
const CHUNK_SPARE_BYTES = 64;
/** The smallest chunk to inflate into, whatever the stream says of its size. */
const CHUNK_BYTES_MIN = 16 * 1024;

const codecs: readonly Codec[] = Object.freeze([
  {
    id: 0,
    name: 'none',
    compress: asBuffer,
    decompress: passThrough,
    isAvailable: () => true,
  },
  {
    id: 1,
    name: 'gzip',
    compress: (bytes) => zlib.gzipSync(bytes),
    decompress: decompressGzip,
    isAvailable: () => true,
  },
  {
    id: 2,
    name: 'snappy',
    compress: compressSnappy,
    decompress: decompressSnappy,
    isAvailable: () => true,
  },
  {
    id: 3,
    name: 'lz4',
    compress: (bytes) => requireLz4().compressFrameSync(bytes),
    decompress: decompressLz4,
    isAvailable: () => loadLz4() !== 'absent',
  },
  {
    id: 4,
    name: 'zstd',
    compress: (bytes) => requireZstd().zstdCompressSync(bytes),
    decompress: decompressZstd,
    isAvailable: () => hasZstd(zlib),
  },
]);

let lz4: Lz4 | 'absent' | undefined;

/** The codec of a number, or undefined for the numbers that Kafka has not given out. */
export function codecOf(id: number): Codec | undefined {
  return codecs[id];
}

export function codecNamed(name: CodecName): Codec {
  const codec = codecs.find((candidate) => candidate.name === name);
  assert(codec !== undefined, 'every codec name is in the table');
  return codec;
}

/** The names, in the order of their numbers. */
export function codecNames(): readonly CodecName[] {
  return codecs.map((codec) => codec.name);
}

function passThrough(bytes: Uint8Array, limitBytes: number): Buffer {
  if (bytes.length > limitBytes) throw tooLarge('none', limitBytes);
  return asBuffer(bytes);
}

function decompressGzip(bytes: Uint8Array, limitBytes: number): Buffer {
  return inflate('gzip', limitBytes, () =>
    zlib.gunzipSync(bytes, {
      maxOutputLength: limitBytes,
      chunkSize: gzipChunkBytes(bytes, limitBytes),
    }),
  );
}

/**
 * The content to expect: what the stream says at its end, as far as it can be true. With the right
 * size zlib fills one chunk and copies nothing together.
 */
function gzipChunkBytes(bytes: Uint8Array, limitBytes: number): number {
  if (bytes.length < GZIP_SIZE_BYTES) return CHUNK_BYTES_MIN;
  const claimed = asBuffer(bytes).readUInt32LE(bytes.length - GZIP_SIZE_BYTES);
  const likely = Math.min(claimed, limitBytes, bytes.length * DEFLATE_RATIO_MAX);
  return Math.max(likely + CHUNK_SPARE_BYTES, CHUNK_BYTES_MIN);
}

/**
 * Measured before, since the library takes no limit. It also passes over what follows the first
 * frame in silence, as Kafka does; bytes there are refused.
 */
function decompressLz4(bytes: Uint8Array, limitBytes: number): Buffer {
  const library = requireLz4();
  const { end, contentBytes } = measureLz4Frame(bytes, 0, limitBytes);
  if (end !== bytes.length) {
    throw createError('DECOMPRESSION_FAILED', { codec: 'lz4', reason: 'bytes behind the frame' });
  }
  const content = inflate('lz4', limitBytes, () => library.decompressFrameSync(asBuffer(bytes)));
  if (content.length !== contentBytes) {
    throw createError('DECOMPRESSION_FAILED', { codec: 'lz4', reason: 'content size' });
  }
  return content;
}

function decompressZstd(bytes: Uint8Array, limitBytes: number): Buffer {
  const library = requireZstd();
  if (!areWholeZstdFrames(bytes)) {
    throw createError('DECOMPRESSION_FAILED', { codec: 'zstd', reason: 'not whole frames' });
  }
  return inflate('zstd', limitBytes, () =>
    library.zstdDecompressSync(bytes, { maxOutputLength: limitBytes }),
  );
}

/** Runs a library's inflate and translates what it throws. */
function inflate(codec: CodecName, limitBytes: number, run: () => Buffer): Buffer {
  assert(limitBytes > 0, 'the limit leaves room for content');
  try {
    return run();
  } catch (error) {
    if (error instanceof MillraceError) throw error;
    if (errnoOf(error) === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(codec, limitBytes);
    throw createError('DECOMPRESSION_FAILED', { codec }, error);
  }
}

function requireLz4(): Lz4 {
  const library = loadLz4();
  if (library === 'absent') throw createError('CODEC_UNAVAILABLE', { codec: 'lz4' });
  return library;
}

/** Whatever keeps the package from loading, the codec is not there. */
function loadLz4(): Lz4 | 'absent' {
  if (lz4 !== undefined) return lz4;
  try {
    const loaded: unknown = createRequire(import.meta.url)('lz4-napi');
    lz4 = isLz4(loaded) ? loaded : 'absent';
  } catch {
    lz4 = 'absent';
  }
  return lz4;
}

function isLz4(loaded: unknown): loaded is Lz4 {
  if (typeof loaded !== 'object' || loaded === null) return false;
  return 'compressFrameSync' in loaded && 'decompressFrameSync' in loaded;
}

function requireZstd(): Zstd {
  const library: object = zlib;
  if (!hasZstd(library)) throw createError('CODEC_UNAVAILABLE', { codec: 'zstd' });
  return library;
}

function hasZstd(library: object): library is Zstd {
  return 'zstdCompressSync' in library && 'zstdDecompressSync' in library;
}

function tooLarge(codec: CodecName, limitBytes: number): MillraceError {
  return createError('DECOMPRESSED_TOO_LARGE', { codec, limit: limitBytes });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
