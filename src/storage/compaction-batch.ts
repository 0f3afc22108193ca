/**
 * Cleans one batch: drops records, and makes of what is left a batch that says the same.
 *
 * Offsets, sequences and producer stay, and so does every surviving record, byte for byte; only a
 * delete horizon rewrites timestamp deltas (`compaction-horizon.ts`). Survivors of an uncompressed
 * batch move together in the memory where the batch was read, so a batch costs one walk and one
 * move per run of survivors. A compressed one is opened, bounded, and compressed again by the same
 * codec.
 *
 * A cleaner is made once per task and used for all batches: nothing is allocated per record. Its
 * results are fields that hold until the next call.
 */

import { assert } from '../base/assert.js';
import { writeInt16, writeInt32, writeInt64 } from '../base/bytes.js';
import { createError } from '../base/errors.js';
import { limits } from '../base/limits.js';
import type { KeyOffsetMap } from '../index/key-offset-map.js';
import type { OffsetSet } from '../index/offset-set.js';
import { type BatchBody, openBody } from './batch-body.js';
import { RecordWalker } from './batch-cursor.js';
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_DELETE_HORIZON,
  ATTRIBUTES_POSITION,
  BASE_TIMESTAMP_POSITION,
  COUNT_POSITION,
  HEADER_BYTES,
  LENGTH_END,
  LENGTH_POSITION,
  MAX_TIMESTAMP_POSITION,
  NO_TIMESTAMP,
} from './batch-format.js';
import {
  batchAttributes,
  batchBaseTimestamp,
  batchBytes,
  batchCodecId,
  batchCount,
  batchNextOffset,
  hasDeleteHorizon,
  isLogAppendTimeBatch,
  stampCrc,
} from './batch-header.js';
import type { BatchMemory } from './batch-memory.js';
import { RecordBlock } from './compaction-block.js';
import { horizonBytesMax, rewriteTimestamps } from './compaction-horizon.js';
import { type HorizonState, horizonState, recordVerdict } from './compaction-keep.js';
import { codecOf } from './compression.js';

export interface CleaningRules {
  readonly map: KeyOffsetMap;
  readonly superseded: OffsetSet;
  readonly mappedEnd: number;
  readonly nowMs: number;
  readonly tombstoneRetentionMs: number;
}

/** `'emptied'`: no record survives, and whether a header stays is for the caller to decide. */
export type CleaningOutcome = 'same' | 'rewritten' | 'emptied';

/** Whether the records of the batch can be read here. */
export function isBatchReadable(bytes: Uint8Array, start: number): boolean {
  const codecId = batchCodecId(bytes, start);
  return codecId === 0 || codecOf(codecId)?.isAvailable() === true;
}

export class BatchCleaner {
  /** The rewritten batch is `bytes[start, start + count)`. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  count = 0;
  /** Records without a key that went, in all batches so far. */
  keylessRecords = 0;
  readonly #rules: CleaningRules;
  readonly #block = new RecordBlock();
  #scratch: Buffer = Buffer.alloc(0);
  /** What the last walk found: records kept, their end in the body, and what they need. */
  #kept = 0;
  #keptEnd = 0;
  #keptMaxTimestamp = NO_TIMESTAMP;
  #hasTombstone = false;

  constructor(rules: CleaningRules) {
    this.#rules = rules;
  }

  /**
   * Drops what the rules drop from a data batch whose codec is available. `mayStartHorizon`: no
   * batch before it hides older values, and there is room for it to grow. The memory may be
   * changed in place.
   */
  clean(memory: BatchMemory, start: number, mayStartHorizon: boolean): CleaningOutcome {
    const { bytes } = memory;
    const { mappedEnd } = this.#rules;
    const total = batchCount(bytes, start);
    assert(total > 0, 'the batch has records');
    const body = openBody(memory, start);
    this.#select(memory, start, body, this.horizon(bytes, start));
    if (this.#kept === 0) return 'emptied';
    const startsHorizon =
      this.#hasTombstone &&
      mayStartHorizon &&
      !hasDeleteHorizon(bytes, start) &&
      batchNextOffset(bytes, start) <= mappedEnd;
    if (startsHorizon && this.#rebuildWithHorizon(bytes, start, body)) return 'rewritten';
    if (this.#kept === total) return 'same';
    if (body.isInflated) {
      this.#compress(bytes, start, body.bytes.subarray(body.start, this.#keptEnd));
    } else this.#finish(bytes, start, this.#keptEnd - start, this.#kept);
    return 'rewritten';
  }

  /** Gives a batch that keeps all its records a delete horizon. */
  startHorizon(memory: BatchMemory, start: number): 'same' | 'rewritten' {
    const body = openBody(memory, start);
    const walker = new RecordWalker(memory, start, body, 0);
    while (walker.next());
    this.#kept = batchCount(memory.bytes, start);
    this.#keptEnd = body.end;
    this.#keptMaxTimestamp = Number.NaN;
    return this.#rebuildWithHorizon(memory.bytes, start, body) ? 'rewritten' : 'same';
  }

  /** Leaves nothing of the batch but its header, with its largest timestamp. */
  empty(bytes: Buffer, start: number): void {
    const attributes = batchAttributes(bytes, start);
    const cleared = ATTRIBUTE_CODEC_MASK | ATTRIBUTE_DELETE_HORIZON;
    writeInt16(bytes, start + ATTRIBUTES_POSITION, attributes & ~cleared);
    writeInt64(bytes, start + BASE_TIMESTAMP_POSITION, NO_TIMESTAMP);
    this.#finish(bytes, start, HEADER_BYTES, 0);
  }

  horizon(bytes: Uint8Array, start: number): HorizonState {
    const hasHorizon = hasDeleteHorizon(bytes, start);
    return horizonState(hasHorizon, batchBaseTimestamp(bytes, start), this.#rules.nowMs);
  }

  /** Walks the records and moves those that stay to the front of the body. */
  #select(memory: BatchMemory, start: number, body: BatchBody, horizon: HorizonState): void {
    const { map, superseded, mappedEnd } = this.#rules;
    const { bytes } = body;
    const walker = new RecordWalker(memory, start, body, 0);
    let kept = 0;
    let maxTimestamp = NO_TIMESTAMP;
    let hasTombstone = false;
    // Survivors that have not moved yet are [runStart, recordStart); they go to `end`.
    let end = body.start;
    let runStart = body.start;
    let recordStart = body.start;
    const block = this.#block;
    const { offsets, timestamps, keyStarts, keyEnds, valueEnds, recordEnds } = block;
    while (block.fill(walker)) {
      // Offsets rise: when the first and the last are covered, so are all.
      const last = offsets[block.count - 1] as number;
      const isCovered = superseded.covers(offsets[0] as number) && superseded.covers(last);
      if (!isCovered) map.look(bytes, keyStarts, keyEnds, block.count);
      for (let record = 0; record < block.count; record += 1) {
        const offset = offsets[record] as number;
        const hasKey = (keyEnds[record] as number) >= 0;
        const isTombstone = (valueEnds[record] as number) < 0;
        const hasLater = isCovered ? superseded.has(offset) : hasKey && map.getAt(record) > offset;
        const verdict = recordVerdict(offset, mappedEnd, hasKey, hasLater, isTombstone, horizon);
        const recordEnd = recordEnds[record] as number;
        if (verdict === 'keep' || verdict === 'keep-tombstone') {
          kept += 1;
          if (verdict === 'keep-tombstone') hasTombstone = true;
          const timestamp = timestamps[record] as number;
          if (timestamp > maxTimestamp) maxTimestamp = timestamp;
        } else {
          if (verdict === 'keyless') this.keylessRecords += 1;
          end = move(bytes, end, runStart, recordStart);
          runStart = recordEnd;
        }
        recordStart = recordEnd;
      }
    }
    this.#keptEnd = move(bytes, end, runStart, recordStart);
    this.#kept = kept;
    this.#keptMaxTimestamp = isLogAppendTimeBatch(memory.bytes, start) ? Number.NaN : maxTimestamp;
    this.#hasTombstone = hasTombstone;
  }

  /** False when the batch cannot carry a horizon. */
  #rebuildWithHorizon(header: Buffer, start: number, body: BatchBody): boolean {
    const horizonMs = this.#rules.nowMs + this.#rules.tombstoneRetentionMs;
    const bytesMax = HEADER_BYTES + horizonBytesMax(this.#keptEnd - body.start, this.#kept);
    const target = this.#scratchOf(bytesMax);
    const end = rewriteTimestamps(
      header,
      start,
      body.bytes,
      body.start,
      this.#keptEnd,
      horizonMs,
      target,
      HEADER_BYTES,
    );
    if (end === 'inexact') return false;
    if (end > limits.inflatedBytesMax || end > limits.batchBytesMax) return false;
    const attributes = batchAttributes(header, start) | ATTRIBUTE_DELETE_HORIZON;
    writeInt16(header, start + ATTRIBUTES_POSITION, attributes);
    writeInt64(header, start + BASE_TIMESTAMP_POSITION, horizonMs);
    if (!body.isInflated) {
      target.set(header.subarray(start, start + HEADER_BYTES), 0);
      this.#finish(target, 0, end, this.#kept);
    } else this.#compress(header, start, target.subarray(HEADER_BYTES, end));
    return true;
  }

  /** Makes a batch of the survivors, compressed as they were before. */
  #compress(header: Buffer, start: number, records: Buffer): void {
    const codec = codecOf(batchCodecId(header, start));
    assert(codec !== undefined, 'a batch that was opened has a codec');
    const compressed = codec.compress(records);
    const total = HEADER_BYTES + compressed.length;
    if (total > limits.batchBytesMax) {
      throw createError('BATCH_TOO_LARGE', { bytes: total, limit: limits.batchBytesMax });
    }
    const target = Buffer.allocUnsafeSlow(total);
    target.set(header.subarray(start, start + HEADER_BYTES), 0);
    target.set(compressed, HEADER_BYTES);
    this.#finish(target, 0, total, this.#kept);
  }

  /** Writes the fields that follow from what is left, the checksum last, and shows the result. */
  #finish(bytes: Buffer, start: number, total: number, count: number): void {
    writeInt32(bytes, start + LENGTH_POSITION, total - LENGTH_END);
    writeInt32(bytes, start + COUNT_POSITION, count);
    // Times that a number does not hold exactly stay as they are, an upper bound.
    if (count > 0 && Number.isSafeInteger(this.#keptMaxTimestamp)) {
      writeInt64(bytes, start + MAX_TIMESTAMP_POSITION, this.#keptMaxTimestamp);
    }
    stampCrc(bytes, start);
    this.bytes = bytes;
    this.start = start;
    this.count = total;
    assert(batchBytes(bytes, start) === total, 'the batch has the size that its header says');
  }

  #scratchOf(bytes: number): Buffer {
    if (this.#scratch.length < bytes) this.#scratch = Buffer.allocUnsafeSlow(bytes);
    return this.#scratch;
  }
}

/** Moves `bytes[start, end)` down to `to`; returns the position behind it there. */
function move(bytes: Buffer, to: number, start: number, end: number): number {
  if (to !== start && end > start) bytes.copyWithin(to, start, end);
  return to + end - start;
}
