/**
 * Tells what lies at a position of bytes that came from outside: a file, a socket, a test.
 *
 * `inspectBatch` decides from the header and the checksum alone and reads nothing beyond
 * `available`. Its answer `'batch'` is what every other reader of batches builds on: the header is
 * there and sane, the whole batch is there, and its length lies within the bound. Whether the
 * offsets continue those of the batch before is the log's question, not this file's.
 *
 * `verifyRecords` looks inside. A checksum proves that the bytes are those that were written, not
 * that whoever wrote them knew the format; bytes from elsewhere get this second look.
 */

import { assert } from '../base/assert.js';
import { MillraceError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import { openBody } from './batch-body.js';
import { RecordWalker } from './batch-cursor.js';
import { HEADER_BYTES, MAGIC, RECORD_BYTES_MIN } from './batch-format.js';
import {
  batchBaseOffset,
  batchBytes,
  batchCodecId,
  batchCount,
  batchLastOffsetDelta,
  batchMagic,
  verifyCrc,
} from './batch-header.js';
import { createBatchMemory } from './batch-memory.js';

/** Why bytes are no batch, named after the field that shows it. */
export type CorruptReason =
  | 'corrupt-magic'
  | 'corrupt-length'
  | 'corrupt-offset'
  | 'corrupt-count'
  | 'corrupt-crc';

/**
 * `'batch'`: a whole, valid batch. `'need-more-bytes'`: so far nothing is wrong, the end is
 * missing. `'zero-tail'`: the header is all zeros, as in blocks that were never written.
 */
export type BatchOutcome = 'batch' | 'need-more-bytes' | 'zero-tail' | CorruptReason;

export type RecordsVerdict =
  | { readonly outcome: 'valid' }
  /**
   * The error is `LOG_CORRUPT` or the codec's; `CODEC_UNAVAILABLE` says nothing about the bytes.
   */
  | { readonly outcome: 'invalid'; readonly error: MillraceError };

const VALID: RecordsVerdict = Object.freeze({ outcome: 'valid' });

/**
 * What lies at `position`, of which `available` bytes are readable. Without the checksum a batch
 * may still be damaged: skip it only for bytes that were verified before.
 */
export function inspectBatch(
  bytes: Uint8Array,
  position: number,
  available: number,
  checksum: 'check-crc' | 'skip-crc' = 'check-crc',
  bytesMax: number = limits.batchBytesMax,
): BatchOutcome {
  assert(position >= 0 && available >= 0, 'the range is a range');
  assert(position + available <= bytes.length, 'what is available lies within the bytes');
  if (available < HEADER_BYTES) return 'need-more-bytes';
  if (batchMagic(bytes, position) !== MAGIC) {
    return isZero(bytes, position, position + HEADER_BYTES) ? 'zero-tail' : 'corrupt-magic';
  }
  const total = batchBytes(bytes, position);
  if (total < HEADER_BYTES || total > bytesMax) return 'corrupt-length';
  const baseOffset = batchBaseOffset(bytes, position);
  const lastOffsetDelta = batchLastOffsetDelta(bytes, position);
  if (!(baseOffset >= 0) || lastOffsetDelta < 0) return 'corrupt-offset';
  if (baseOffset + lastOffsetDelta > limits.offsetMax) return 'corrupt-offset';
  if (!isCountPlausible(bytes, position, total, lastOffsetDelta)) return 'corrupt-count';
  if (available < total) return 'need-more-bytes';
  if (checksum === 'check-crc' && !verifyCrc(bytes, position)) return 'corrupt-crc';
  return 'batch';
}

/** Whether an outcome says that the bytes are damaged. */
export function isCorrupt(outcome: BatchOutcome): outcome is CorruptReason {
  return outcome !== 'batch' && outcome !== 'need-more-bytes' && outcome !== 'zero-tail';
}

/**
 * Walks every record of a batch that {@link inspectBatch} accepted: they fill the body exactly,
 * their offsets rise within the batch, their number is the one in the header. A compressed batch
 * is inflated for it, within the limit. `file` and `filePosition`, where the first of `bytes` is
 * stored, go into the error.
 */
export function verifyRecords(
  bytes: Uint8Array,
  position: number,
  file = '',
  filePosition = 0,
): RecordsVerdict {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const memory = createBatchMemory(buffer, file, filePosition);
  try {
    const records = new RecordWalker(memory, position, openBody(memory, position), 0);
    while (records.next());
    return VALID;
  } catch (error) {
    if (!(error instanceof MillraceError)) throw error;
    return { outcome: 'invalid', error };
  }
}

/**
 * A count that the bytes cannot hold, or the offsets cannot number, is refused before it is used.
 */
function isCountPlausible(
  bytes: Uint8Array,
  position: number,
  total: number,
  lastOffsetDelta: number,
): boolean {
  const count = batchCount(bytes, position);
  const bodyBytes = total - HEADER_BYTES;
  if (count < 0 || count > lastOffsetDelta + 1) return false;
  if (count === 0) return bodyBytes === 0;
  if (batchCodecId(bytes, position) !== 0) return bodyBytes > 0;
  return count <= Math.floor(bodyBytes / RECORD_BYTES_MIN);
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  for (let position = start; position < end; position += 1) {
    if (bytes[position] !== 0) return false;
  }
  return true;
}
