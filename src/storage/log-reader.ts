/**
 * Reading forward: batches from a position on, as views, up to an end that may move.
 *
 * One positional read per chunk, which ends where an indexed batch starts; reads grow while the
 * reader goes on, and the next chunk is fetched while this one is worked on. Each batch is proved
 * before it is handed out: checksum, continued offset, epoch. The reader pins the segment it is
 * in.
 *
 * `break`, `return` and errors end it; it then holds nothing any more.
 */

import { assert } from '../base/assert.js';
import { createError, hasCode } from '../base/errors.js';
import type { SegmentIndexer } from '../index/segment-indexer.js';
import { Batch } from './batch.js';
import { inspectBatch } from './batch-decoder.js';
import { HEADER_BYTES } from './batch-format.js';
import {
  batchBaseOffset,
  batchBytes,
  batchCount,
  batchLastOffset,
  batchMaxTimestamp,
  batchNextOffset,
  isControlBatch,
} from './batch-header.js';
import { type BatchExpectation, type BatchFault, continuityFault } from './batch-scan.js';
import { visibleBytes } from './log-core.js';
import { damageError } from './log-damage.js';
import { ReadChunk } from './read-chunk.js';
import { readEnd } from './read-end.js';
import { readFault, shortFault } from './read-fault.js';
import { ReadFetch } from './read-fetch.js';
import { fullIndexOf, indexFault } from './read-index-check.js';
import { indexOf, locateOffset } from './read-locate.js';
import type { Durability, Isolation, ReadSource } from './read-source.js';
import type { Segment } from './segment.js';

/** The first record at or behind `offset` and, when it is given, at or after `timestamp`. */
export interface ReadStart {
  readonly offset: number;
  readonly timestamp: number | undefined;
}

export interface ReaderOptions {
  /** Finds where to start, at the first step. */
  readonly from: () => Promise<ReadStart>;
  /** Waits at the end for more; otherwise ends at what was the end at the first step. */
  readonly follow: boolean;
  readonly durability: Durability;
  readonly isolation: Isolation;
  readonly checkCrcs: boolean;
  /** Whether control batches are handed out too. */
  readonly control: boolean;
  /** The largest read; a batch that is larger is read whole. */
  readonly readBytesMax: number;
  readonly signal: AbortSignal | undefined;
  /** Told where it stands whenever it waits for more. */
  readonly onWaiting: ((nextOffset: number) => void) | undefined;
}

const FIRST_READ_BYTES = 8 * 1024;
const READ_GROWTH = 4;

const isDebug = process.env['MILLRACE_DEBUG'] === '1';

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

export class LogReader implements AsyncIterableIterator<Batch> {
  readonly #source: ReadSource;
  readonly #options: ReaderOptions;
  readonly #fetch: ReadFetch;
  /** The next offset to hand out; -1 before the first step. */
  #offset = -1;
  /** Until the first record at or after this time, records are passed over. */
  #timestamp: number | undefined;
  /** Where a reader that does not follow ends. */
  #end: number | undefined;
  #segment: Segment | undefined;
  /** Position in the segment of the next chunk. */
  #position = 0;
  /** The next batch starts at this offset; -1 when the index alone says where we are. */
  #expected = -1;
  #anchorLast = -1;
  /** Of a cleaned segment: has an entry for every batch, to hold each one against. */
  #fullIndex: SegmentIndexer | undefined;
  /** Filled anew for each batch. */
  readonly #expectation: Mutable<BatchExpectation> = {
    nextOffset: 0,
    hasGaps: false,
    epochs: undefined,
  };
  #fallback = 0;
  #chunk: ReadChunk | undefined;
  #readBytes = FIRST_READ_BYTES;
  #batchBytesMin = HEADER_BYTES;
  #isEnded = false;

  constructor(source: ReadSource, options: ReaderOptions) {
    this.#source = source;
    this.#options = options;
    this.#fetch = new ReadFetch(source, () => this.#outOfRange());
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch, undefined>> {
    const chunk = this.#chunk;
    const isAborted = this.#options.signal?.aborted === true;
    if (chunk !== undefined && !this.#isEnded && !isAborted) {
      chunk.step(isDebug);
      try {
        const batch = this.#take(chunk);
        if (batch !== undefined) return Promise.resolve({ done: false, value: batch });
      } catch (error) {
        return this.#endUnlessMoved(error);
      }
    }
    return this.#advance();
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    await this.#finish();
    return { done: true, value: undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#finish();
  }

  async #endWith(error: unknown): Promise<never> {
    await this.#finish();
    throw error;
  }

  /** Goes on when another segment stands where the reader was; else ends with the error. */
  async #endUnlessMoved(error: unknown): Promise<IteratorResult<Batch, undefined>> {
    if (this.#isEnded || !(await this.#source.hasMoved(this.#segment, error))) {
      // Files go, one after the other, when the log starts behind the reader now.
      const isOvertaken = this.#offset !== -1 && this.#offset < this.#source.core.offsets.start;
      const isGone = isOvertaken && (hasCode(error, 'IO_FAILED') || hasCode(error, 'LOG_CORRUPT'));
      return this.#endWith(isGone ? this.#outOfRange() : error);
    }
    this.#chunk = undefined;
    this.#fetch.drop();
    this.#segment?.unpin();
    this.#segment = undefined;
    return this.#advance();
  }

  async #advance(): Promise<IteratorResult<Batch, undefined>> {
    try {
      while (!this.#isEnded) {
        this.#options.signal?.throwIfAborted();
        if (this.#source.isClosed) break;
        if (this.#offset === -1) await this.#start();
        const chunk = this.#chunk;
        const batch = chunk === undefined ? undefined : this.#take(chunk);
        if (batch !== undefined) return { done: false, value: batch };
        this.#endChunk();
        const ahead = await this.#awaitMore();
        if (ahead === 'end') break;
        if (ahead === 'woken') continue;
        if (this.#segment?.isReplaced !== false) await this.#locate();
        else if (!(await this.#nextChunk())) await this.#nextSegment();
      }
    } catch (error) {
      return this.#endUnlessMoved(error);
    }
    await this.#finish();
    return { done: true, value: undefined };
  }

  async #start(): Promise<void> {
    const { offset, timestamp } = await this.#options.from();
    this.#offset = offset;
    this.#timestamp = timestamp;
  }

  /** The end of what this reader hands out now, exclusive. */
  #limit(): number {
    if (!this.#options.follow && this.#end !== undefined) return this.#end;
    const end = this.#source.endOffset(this.#options.durability);
    const { transactions } = this.#source.core.producers;
    this.#end = this.#options.isolation === 'committed' ? transactions.stableOffset(end) : end;
    return this.#end;
  }

  /** Whether there is something at the reader's offset, waiting for it when it follows. */
  async #awaitMore(): Promise<'more' | 'end' | 'woken'> {
    if (this.#offset < this.#limit()) return 'more';
    const { damage } = this.#source;
    if (damage !== undefined && damage.offset >= this.#offset) throw damageError(damage);
    if (!this.#options.follow) return 'end';
    // No record was so new: what is appended from now on is what was asked for.
    this.#timestamp = undefined;
    const { durability, signal, onWaiting } = this.#options;
    onWaiting?.(this.#offset);
    // Before an open transaction the end is beyond already: its marker moves it on.
    const seen = Math.max(this.#offset, this.#source.endOffset(durability));
    await this.#source.waitBeyond(seen, durability, signal);
    // The end may have moved, or another one, or the log has closed: it is looked at again.
    return 'woken';
  }

  /** Goes to the segment and the position where the reader's offset lies. */
  async #locate(): Promise<void> {
    const { core } = this.#source;
    if (this.#offset < core.offsets.start) throw this.#outOfRange();
    const segment = core.segments.floor(this.#offset);
    const { damage } = this.#source;
    if (damage !== undefined && this.#offset < segment.baseOffset) throw damageError(damage);
    this.#enter(segment);
    const indexer = await indexOf(this.#source, segment);
    const place = locateOffset(indexer, this.#offset);
    this.#position = place.position;
    this.#anchorLast = place.lastOffset;
    this.#fallback = place.fallback;
    this.#expected = place.position === 0 ? segment.baseOffset : -1;
  }

  #outOfRange(): Error {
    const { offsets } = this.#source.core;
    return createError('OFFSET_OUT_OF_RANGE', {
      offset: this.#offset,
      startOffset: offsets.start,
      endOffset: this.#source.endOffset(this.#options.durability),
    });
  }

  #enter(segment: Segment): void {
    segment.pin();
    this.#segment?.unpin();
    this.#segment = segment;
    this.#position = 0;
    this.#batchBytesMin = HEADER_BYTES;
    this.#fetch.drop();
  }

  async #nextSegment(): Promise<void> {
    const segment = this.#current();
    if (segment.isReplaced) return this.#locate();
    const next = this.#source.core.segments.after(segment);
    assert(next !== undefined, 'what lies before the end lies in a segment');
    // Records were deleted behind the segment that this reader had pinned.
    if (this.#offset < this.#source.core.offsets.start) throw this.#outOfRange();
    if (this.#offset < next.baseOffset && !segment.hasGaps) {
      throw this.#corrupt(segment, this.#position, {
        reason: 'the segment ends early',
        expected: next.baseOffset,
        actual: this.#offset,
      });
    }
    this.#offset = Math.max(this.#offset, next.baseOffset);
    this.#enter(next);
    this.#expected = next.baseOffset;
    this.#anchorLast = -1;
    // Its index says where chunks end; a walk without one would read batches in part.
    if (this.#readBytes > FIRST_READ_BYTES) await indexOf(this.#source, next);
  }

  #current(): Segment {
    assert(this.#segment !== undefined, 'the reader is in a segment');
    return this.#segment;
  }

  /** Reads the next chunk of the current segment; false at its visible end. */
  async #nextChunk(): Promise<boolean> {
    const segment = this.#current();
    const visible = await this.#visibleEnd(segment);
    this.#fullIndex = fullIndexOf(segment);
    if (this.#position >= visible) {
      if (this.#expected !== -1 || this.#fallback >= this.#position) return false;
      // The batch that was tried first is written and not yet visible: this read ends before it.
      this.#stepBack(segment);
    }
    const bytesMin = this.#batchBytesMin;
    const fetched =
      (await this.#fetch.take(this.#position, bytesMin)) ??
      (await this.#fetch.fetch(
        segment,
        this.#position,
        this.#readEnd(segment, this.#position, visible),
        bytesMin,
      ));
    const end = fetched.position + fetched.count;
    if (fetched.count < bytesMin) {
      const { position, fault } = shortFault(fetched.position, end, visible, bytesMin);
      throw this.#corrupt(segment, position, fault);
    }
    this.#chunk = new ReadChunk(fetched.bytes, fetched.count, segment.logPath, fetched.position);
    this.#batchBytesMin = HEADER_BYTES;
    if (this.#readBytes === this.#options.readBytesMax) {
      this.#prefetch(segment, end, visible);
    }
    return true;
  }

  async #visibleEnd(segment: Segment): Promise<number> {
    const place = this.#source.endPlace(this.#options.durability);
    const known = visibleBytes(segment, place);
    const isChecked = segment.hasGaps && segment.baseOffset < place.segmentBase;
    if (known !== undefined && (!isChecked || segment.indexer !== undefined)) return known;
    await indexOf(this.#source, segment);
    const loaded = visibleBytes(segment, place);
    assert(loaded !== undefined, 'a loaded segment has a size');
    return loaded;
  }

  #readEnd({ indexer }: Segment, position: number, visible: number): number {
    const wish = { position, visible, wanted: this.#readBytes, bytesMin: this.#batchBytesMin };
    return readEnd(indexer, wish);
  }

  /** Reads ahead when the end of the read is known to be the start of a batch. */
  #prefetch(segment: Segment, position: number, visible: number): void {
    const { indexer } = segment;
    if (indexer === undefined || position >= visible) return;
    const slot = indexer.offsets.floorByPosition(position);
    if (slot < 0 || indexer.offsets.position(slot) !== position) return;
    this.#fetch.begin(segment, position, this.#readEnd(segment, position, visible));
  }

  /** The next batch of the chunk that is to be handed out, or undefined when it has no more. */
  #take(chunk: ReadChunk): Batch | undefined {
    const segment = this.#current();
    const limit = this.#limit();
    const { bytes } = chunk.memory;
    while (chunk.start < chunk.count) {
      if (this.#offset >= limit) return undefined;
      const available = chunk.count - chunk.start;
      const crc = this.#options.checkCrcs ? 'check-crc' : 'skip-crc';
      const outcome = inspectBatch(bytes, chunk.start, available, crc);
      if (outcome === 'need-more-bytes') {
        if (available >= HEADER_BYTES) this.#batchBytesMin = batchBytes(bytes, chunk.start);
        if (chunk.start === 0 && available >= this.#batchBytesMin) {
          throw this.#corrupt(segment, chunk.position, { reason: outcome });
        }
        return undefined;
      }
      if (outcome !== 'batch') {
        throw this.#corrupt(segment, chunk.position, { reason: outcome });
      }
      if (!this.#isInPlace(segment, chunk)) return undefined;
      this.#expected = batchNextOffset(bytes, chunk.start);
      if (this.#expected <= this.#offset || this.#isHidden(chunk) || this.#isTooOld(chunk)) {
        this.#offset = Math.max(this.#offset, this.#expected);
        chunk.start += batchBytes(bytes, chunk.start);
        continue;
      }
      const batch = new Batch(chunk.memory, chunk.start, this.#offset);
      this.#offset = this.#expected;
      chunk.give(batch);
      return batch;
    }
    return undefined;
  }

  /** Whether the batch is no news to this reader: emptied, a mark, or of an aborted transaction. */
  #isHidden(chunk: ReadChunk): boolean {
    const { bytes } = chunk.memory;
    if (batchCount(bytes, chunk.start) === 0) return true;
    if (isControlBatch(bytes, chunk.start)) return !this.#options.control;
    const { aborted } = this.#source.core.producers.transactions;
    return this.#options.isolation === 'committed' && aborted.has(bytes, chunk.start);
  }

  /** Whether the batch lies before the time asked for; else its first record that does not. */
  #isTooOld(chunk: ReadChunk): boolean {
    const timestamp = this.#timestamp;
    if (timestamp === undefined) return false;
    if (batchMaxTimestamp(chunk.memory.bytes, chunk.start) < timestamp) return true;
    const cursor = new Batch(chunk.memory, chunk.start, this.#offset).cursor();
    while (cursor.next()) {
      if (cursor.timestamp < timestamp) continue;
      this.#offset = cursor.offset;
      this.#timestamp = undefined;
      return false;
    }
    return true;
  }

  /** Proves that the batch is the one that belongs here; false when the reader must start over. */
  #isInPlace(segment: Segment, chunk: ReadChunk): boolean {
    const { bytes } = chunk.memory;
    const baseOffset = batchBaseOffset(bytes, chunk.start);
    if (this.#expected === -1) {
      if (batchLastOffset(bytes, chunk.start) !== this.#anchorLast) {
        throw this.#corrupt(segment, chunk.position, {
          reason: 'the index does not lead to its batch',
          expected: this.#anchorLast,
          actual: batchLastOffset(bytes, chunk.start),
        });
      }
      if (baseOffset > this.#offset && this.#fallback < chunk.position) {
        this.#stepBack(segment);
        return false;
      }
    }
    const expectation = this.#expectation;
    expectation.nextOffset = this.#expected === -1 ? baseOffset : this.#expected;
    expectation.hasGaps = segment.hasGaps;
    expectation.epochs = this.#source.epochs;
    const fault =
      continuityFault(bytes, chunk.start, expectation) ??
      indexFault(this.#fullIndex, segment, bytes, chunk.start, chunk.position);
    if (fault !== undefined) throw this.#corrupt(segment, chunk.position, fault);
    return true;
  }

  /** Starts over at the entry before: the one that was tried lies behind what is asked for. */
  #stepBack(segment: Segment): void {
    this.#position = this.#fallback;
    this.#expected = this.#fallback === 0 ? segment.baseOffset : -1;
    const { offsets } = segment.indexer ?? { offsets: undefined };
    const slot = offsets?.floorByPosition(this.#fallback) ?? -1;
    this.#anchorLast = slot < 0 ? -1 : segment.baseOffset + (offsets?.relative(slot) ?? 0);
    this.#chunk = undefined;
    this.#fetch.drop();
  }

  #corrupt(segment: Segment, position: number, fault: BatchFault): Error {
    return readFault(segment, position, this.#offset, fault);
  }

  /** The chunk has no whole batch left: the next one starts where its last batch ended. */
  #endChunk(): void {
    const chunk = this.#chunk;
    if (chunk === undefined) return;
    this.#chunk = undefined;
    this.#position = chunk.position;
    // What was read in vain, such as the mere head of a large batch, is no reason to read more.
    const { readBytesMax } = this.#options;
    if (chunk.start > 0) this.#readBytes = Math.min(readBytesMax, this.#readBytes * READ_GROWTH);
    chunk.end(isDebug);
  }

  async #finish(): Promise<void> {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#chunk?.step(isDebug);
    this.#chunk = undefined;
    await this.#fetch.close();
    this.#segment?.unpin();
    this.#segment = undefined;
  }
}
