/**
 * The check of a batch that comes ready-made, as Kafka's producers send them: it is stored as it
 * came, so everything in it is proved before it gets a place.
 *
 * What a broker of Kafka refuses is refused: another magic, a checksum or a count that does not
 * fit, records that do not fill the batch or whose numbers are not dense, marks that only a log
 * sets. Besides, the largest timestamp must be the largest, since time indexes go by it; Kafka
 * writes it anew. A compressed batch is inflated, within the limit, and stored compressed.
 *
 * Where its codec is not there, a batch may be passed through: all that lies outside of its body is
 * proved, and only who has the codec can read its records. Not into a compacted log, whose records
 * need keys.
 */

import { createError, type ErrorFact, hasCode, type MillraceError } from '../base/errors.js';
import type { AppendLimits } from './append-bounds.js';
import type { AppendBatchOptions, BatchProducer } from './append-options.js';
import { openBody } from './batch-body.js';
import { RecordWalker } from './batch-cursor.js';
import { inspectBatch } from './batch-decoder.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_TRANSACTIONAL,
  HEADER_BYTES,
  NO_PRODUCER_ID,
} from './batch-format.js';
import {
  batchAttributes,
  batchBaseSequence,
  batchBytes,
  batchCodecId,
  batchCount,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchProducerEpoch,
  batchProducerIdExact,
  isTransactionalBatch,
} from './batch-header.js';
import { createBatchMemory } from './batch-memory.js';
import { codecOf } from './compression.js';

export interface ReadyBatch {
  /** Records, and so offsets. */
  readonly count: number;
  readonly producer: BatchProducer | undefined;
}

/** What a producer may set. */
const ATTRIBUTES_ALLOWED = ATTRIBUTE_CODEC_MASK | ATTRIBUTE_TRANSACTIONAL;

/**
 * Throws BATCH_INVALID, BATCH_TOO_LARGE, RECORD_TOO_LARGE, KEY_REQUIRED, CODEC_UNAVAILABLE,
 * DECOMPRESSION_FAILED, DECOMPRESSED_TOO_LARGE.
 */
export function checkReadyBatch(
  batch: Uint8Array,
  limits: AppendLimits,
  unreadable: AppendBatchOptions['unreadable'] = 'refuse',
): ReadyBatch {
  if (!(batch instanceof Uint8Array)) throw invalid('not bytes', 'a Uint8Array', typeof batch);
  const { length } = batch;
  if (length > limits.batchBytesMax) {
    const expected = `at most ${limits.batchBytesMax} bytes`;
    throw createError('BATCH_TOO_LARGE', { expected, actual: length });
  }
  if (length < HEADER_BYTES) throw invalid('too short', `${HEADER_BYTES} bytes or more`, length);
  const outcome = inspectBatch(batch, 0, length);
  if (outcome !== 'batch') throw invalid(outcome, undefined, undefined);
  if (batchBytes(batch, 0) !== length) {
    throw invalid('bytes behind the batch', batchBytes(batch, 0), length);
  }
  const attributes = batchAttributes(batch, 0);
  if ((attributes & ~ATTRIBUTES_ALLOWED) !== 0) {
    throw invalid('attributes that a producer does not set', undefined, attributes);
  }
  const count = batchCount(batch, 0);
  const lastOffsetDelta = batchLastOffsetDelta(batch, 0);
  if (count === 0) throw invalid('no records', undefined, undefined);
  if (lastOffsetDelta !== count - 1) throw invalid('last offset', count - 1, lastOffsetDelta);
  const producer = producerOf(batch);
  const isPassed = unreadable === 'store' && limits.cleanup === 'delete' && !isReadable(batch);
  if (isPassed) checkOutside(batch);
  else checkInside(batch, limits);
  return { count, producer };
}

function producerOf(batch: Uint8Array): BatchProducer | undefined {
  const producerId = batchProducerIdExact(batch, 0);
  const producerEpoch = batchProducerEpoch(batch, 0);
  const baseSequence = batchBaseSequence(batch, 0);
  const isTransactional = isTransactionalBatch(batch, 0);
  if (producerId === BigInt(NO_PRODUCER_ID)) {
    if (isTransactional) throw invalid('a transaction without a producer', undefined, undefined);
    return undefined;
  }
  if (producerId < 0n) throw invalid('producer id', '-1 or more', producerId.toString());
  if (producerEpoch < 0) throw invalid('producer epoch', '0 or more', producerEpoch);
  if (baseSequence < 0) throw invalid('base sequence', '0 or more', baseSequence);
  return { producerId, producerEpoch, baseSequence, isTransactional };
}

/** A codec that nobody knows is as good as readable: it is refused when it is read. */
function isReadable(batch: Uint8Array): boolean {
  return codecOf(batchCodecId(batch, 0))?.isAvailable() !== false;
}

/** What its header says of records that cannot be looked at, as far as it can be wrong. */
function checkOutside(batch: Uint8Array): void {
  const claimed = batchMaxTimestamp(batch, 0);
  if (Number.isSafeInteger(claimed) && claimed >= -1) return;
  throw invalid('timestamp', 'a time in milliseconds', String(claimed));
}

/** Looks at every record. */
function checkInside(batch: Uint8Array, limits: AppendLimits): void {
  const memory = createBatchMemory(asBuffer(batch), '', 0);
  let maxTimestamp = -1;
  try {
    const body = openBody(memory, 0);
    const walker = new RecordWalker(memory, 0, body, 0);
    let start = body.start;
    for (let index = 0; walker.next(); index += 1) {
      const { recordEnd, keyEnd, timestamp } = walker;
      if (limits.cleanup !== 'delete' && keyEnd < 0) {
        throw createError('KEY_REQUIRED', { index, cleanup: limits.cleanup });
      }
      if (recordEnd - start > limits.recordBytesMax) {
        const expected = `at most ${limits.recordBytesMax} bytes`;
        throw createError('RECORD_TOO_LARGE', { index, expected, actual: recordEnd - start });
      }
      if (!Number.isSafeInteger(timestamp) || timestamp < -1) {
        throw invalid('timestamp', 'a time in milliseconds', String(timestamp));
      }
      if (timestamp > maxTimestamp) maxTimestamp = timestamp;
      start = recordEnd;
    }
  } catch (error) {
    if (!hasCode(error, 'LOG_CORRUPT')) throw error;
    throw createError('BATCH_INVALID', { ...error.facts, file: undefined }, error);
  }
  const claimed = batchMaxTimestamp(batch, 0);
  if (claimed !== maxTimestamp) throw invalid('largest timestamp', maxTimestamp, claimed);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function invalid(reason: string, expected: ErrorFact, actual: ErrorFact): MillraceError {
  return createError('BATCH_INVALID', { reason, expected, actual });
}
