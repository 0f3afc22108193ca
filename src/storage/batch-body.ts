/**
 * The records of a batch as bytes that can be walked: those on disk or, of a compressed batch, an
 * inflated copy in memory of its own.
 *
 * The size is bounded before memory is given to it. A codec that is not there and bytes that its
 * codec refuses are errors of their own codes, with the place of the batch.
 */

import { createError, MillraceError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import { HEADER_BYTES } from './batch-format.js';
import { batchBytes, batchCodecId, batchCount } from './batch-header.js';
import type { BatchMemory } from './batch-memory.js';
import { codecOf } from './compression.js';

export interface BatchBody {
  readonly bytes: Buffer;
  /** The records are `bytes[start, end)`. */
  readonly start: number;
  readonly end: number;
  /** Whether the bytes are a copy that belongs to this batch alone. */
  readonly isInflated: boolean;
}

/** The body of the batch at `position`, which `inspectBatch` accepted. */
export function openBody(memory: BatchMemory, position: number): BatchBody {
  const { bytes } = memory;
  const start = position + HEADER_BYTES;
  const end = position + batchBytes(bytes, position);
  const codecId = batchCodecId(bytes, position);
  if (codecId === 0 || batchCount(bytes, position) === 0) {
    return { bytes, start, end, isInflated: false };
  }
  const place = { file: memory.file, position: memory.filePosition + position };
  const codec = codecOf(codecId);
  if (codec === undefined) throw createError('CODEC_UNAVAILABLE', { codec: codecId, ...place });
  try {
    const inflated = codec.decompress(bytes.subarray(start, end), limits.inflatedBytesMax);
    return { bytes: inflated, start: 0, end: inflated.length, isInflated: true };
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    throw createError(error.code, { ...error.facts, ...place }, error);
  }
}
