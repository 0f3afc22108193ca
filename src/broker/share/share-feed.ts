/**
 * Reads a partition ahead, bounded, and hands on what is there.
 *
 *     finished | taken | buffered | not read yet                     | end
 *                                 ^ position                ^ stable
 *                                 | ahead: open transactions may lie between
 *
 * One cursor reads what is committed. While an open transaction holds it up, a second one goes on
 * from its place and passes the messages of no transaction on; those of a transaction enter when it
 * commits. Nothing is read unless somebody wants it, and no more than a few hundred KiB ahead.
 */

import { hasCode } from '../../base/errors.js';
import type { Batch, Isolation, LogRecord } from '../../storage/main.js';
import type { PartitionLog } from '../topic/partition-log.js';
import { OffsetRanges } from './share-ranges.js';

export interface FeedTarget {
  /** How much is read and not taken, in bytes. */
  readonly bufferedBytes: number;
  /** Messages in their order. Those that found no room are returned, and given again later. */
  offer(records: LogRecord[], bytes: number): LogRecord[];
  /** There is nothing to give out in [first, end) but for what was offered. */
  skip(first: number, end: number): void;
  /** The log begins here now. */
  lose(startOffset: number): void;
  /** Something was offered, or the end was reached. */
  moved(): void;
}

const READ_BYTES = 256 * 1024;

/** A read that can be ended while it waits. */
interface Cursor {
  readonly batches: AsyncIterator<Batch, undefined>;
  readonly ending: AbortController;
}

export class ShareFeed {
  readonly #log: PartitionLog;
  readonly #target: FeedTarget;
  readonly #bytesMax: number;
  /** Everything before it was handed on, or is not to be. */
  #position: number;
  #cursor: Cursor | undefined;
  #ahead: Cursor | undefined;
  #aheadPosition = 0;
  /** What the second cursor has handed on, and the first one has not passed. */
  readonly #offeredAhead = new OffsetRanges();
  #isHungry = false;
  #isFull = false;
  #isRunning = false;
  /** The first cursor waits for more. */
  #isWaiting = false;
  #isClosed = false;
  #failure: { readonly error: unknown } | undefined;
  #sleepers: (() => void)[] = [];
  #progress: (() => void)[] = [];

  constructor(log: PartitionLog, position: number, bytesMax: number, target: FeedTarget) {
    this.#log = log;
    this.#position = position;
    this.#bytesMax = bytesMax;
    this.#target = target;
  }

  get position(): number {
    return this.#position;
  }

  /** Whether there is something in the log that was not read, and could be. */
  get isBehind(): boolean {
    return !this.#isFull && !this.#isClosed && this.#unread > 0;
  }

  /** Offsets in the log that were not looked at yet. */
  get unread(): number {
    return Math.max(0, this.#log.durableOffset - this.#position - this.#offeredAhead.count);
  }

  get #unread(): number {
    const committed = this.#log.stableOffset - this.#position;
    if (committed > 0) return committed;
    const from = this.#ahead === undefined ? this.#position : this.#aheadPosition;
    return this.#log.durableOffset - from;
  }

  /** Somebody wants more than what was offered. */
  want(): void {
    this.#isHungry = true;
    this.#run();
    this.#lookAhead();
    this.#wake();
  }

  /** Reads as long as that is asked for, and there is more. */
  async fillWhile(isWanted: () => boolean): Promise<void> {
    let left = Number.POSITIVE_INFINITY;
    while (isWanted() && this.unread < left) {
      left = this.unread;
      await this.fill();
    }
  }

  /** Something was taken, or finished: there may be room again. */
  roomMade(): void {
    if (this.#sleepers.length > 0) this.#wake();
  }

  /** Resolves when something was read, or there is nothing to read. Throws what reading threw. */
  async fill(): Promise<void> {
    this.checkFailure();
    if (!this.isBehind) return;
    const moved = new Promise<void>((resolve) => this.#progress.push(resolve));
    this.want();
    await moved;
    this.checkFailure();
  }

  /** Throws what reading threw, once. */
  checkFailure(): void {
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  /** Goes on at a later place. */
  seek(position: number): void {
    if (position <= this.#position) return;
    this.#offeredAhead.remove(this.#position, position);
    this.#position = position;
    this.#endCursors();
  }

  close(): void {
    this.#isClosed = true;
    this.#endCursors();
    this.#wake();
    this.#moved();
  }

  #run(): void {
    if (this.#isRunning || this.#isClosed) return;
    this.#isRunning = true;
    void this.#follow().finally(() => {
      this.#isRunning = false;
      this.#endCursors();
      this.#moved();
    });
  }

  async #follow(): Promise<void> {
    while (await this.#wanted()) {
      const cursor = this.#cursor ?? this.#read('committed', this.#position);
      this.#cursor = cursor;
      try {
        const { value: batch } = await cursor.batches.next();
        this.#isWaiting = false;
        // The log was closed, and with it its topic.
        if (batch === undefined) this.#isClosed = true;
        else if (this.#cursor === cursor) await this.#pass(cursor, batch);
      } catch (error) {
        this.#isWaiting = false;
        if (this.#cursor !== cursor) continue;
        this.#endCursors();
        if (!this.#hasMoved(error)) return;
      }
    }
  }

  async #pass(cursor: Cursor, batch: Batch): Promise<void> {
    const isOffered = this.#offeredAhead.has(batch.lastOffset);
    if (!isOffered) await this.#offer(batch, () => this.#cursor === cursor);
    if (this.#cursor !== cursor) return;
    this.#moveTo(batch.nextOffset);
    this.#moved();
  }

  /** Reads on behind an open transaction. */
  async #followAhead(cursor: Cursor): Promise<void> {
    try {
      while (this.#ahead === cursor && (await this.#wanted())) {
        const { value: batch } = await cursor.batches.next();
        if (this.#ahead !== cursor || batch === undefined) return;
        if (!batch.isTransactional && batch.lastOffset >= this.#position) {
          await this.#offer(batch, () => this.#ahead === cursor);
          if (this.#ahead !== cursor) return;
          this.#offeredAhead.add(Math.max(batch.baseOffset, this.#position), batch.nextOffset);
        }
        this.#aheadPosition = batch.nextOffset;
        this.#moved();
      }
    } catch (error) {
      // It is begun anew where the first cursor waits; what is damaged that one meets as well.
      if (this.#ahead === cursor) this.#ahead = undefined;
      else return;
      if (!this.#isClosed) this.#failure = { error };
      this.#moved();
    }
  }

  /** Offers all records of the batch, as there is room for them. */
  async #offer(batch: Batch, isOn: () => boolean): Promise<void> {
    let left = this.#target.offer(batch.toArray(), batch.bytes);
    while (left.length > 0) {
      this.#isFull = true;
      this.#moved();
      await this.#sleep();
      this.#isFull = false;
      if (this.#isClosed || !isOn()) return;
      left = this.#target.offer(left, batch.bytes);
    }
  }

  /** Waits until somebody wants more; false when it is over. */
  async #wanted(): Promise<boolean> {
    while (!this.#isClosed) {
      if (this.#isHungry || 2 * this.#target.bufferedBytes < this.#bytesMax) {
        this.#isHungry = false;
        return true;
      }
      await this.#sleep();
    }
    return false;
  }

  #read(isolation: Isolation, from: number): Cursor {
    const ending = new AbortController();
    const batches = this.#log.read({
      from,
      follow: true,
      isolation,
      readBytesMax: READ_BYTES,
      signal: ending.signal,
      onWaiting: (nextOffset) =>
        isolation === 'committed' ? this.#waiting(nextOffset) : this.#waitingAhead(nextOffset),
    });
    return { batches, ending };
  }

  /** The first cursor has come to the end, or to an open transaction. */
  #waiting(nextOffset: number): void {
    this.#moveTo(nextOffset);
    this.#isWaiting = true;
    this.#lookAhead();
    this.#moved();
  }

  /** Something lies behind what holds the first cursor up. */
  #lookAhead(): void {
    if (!this.#isWaiting || this.#ahead !== undefined || this.#isClosed) return;
    if (this.#log.durableOffset <= this.#position) return;
    const cursor = this.#read('uncommitted', this.#position);
    this.#aheadPosition = this.#position;
    this.#ahead = cursor;
    void this.#followAhead(cursor);
  }

  #waitingAhead(nextOffset: number): void {
    this.#aheadPosition = Math.max(this.#aheadPosition, nextOffset);
    this.#moved();
  }

  #moveTo(position: number): void {
    if (position <= this.#position) return;
    this.#target.skip(this.#position, position);
    this.#offeredAhead.remove(this.#position, position);
    this.#position = position;
    if (this.#ahead === undefined || position < this.#aheadPosition) return;
    // Nothing holds the first cursor up any more.
    const ahead = this.#ahead;
    this.#ahead = undefined;
    ahead.ending.abort();
  }

  /** Whether the log begins behind the place now: reading goes on there. */
  #hasMoved(error: unknown): boolean {
    const { startOffset } = this.#log;
    if (hasCode(error, 'OFFSET_OUT_OF_RANGE') && this.#position < startOffset) {
      this.#target.lose(startOffset);
      this.seek(startOffset);
      this.#isHungry = true;
      return true;
    }
    if (!this.#isClosed) this.#failure = { error };
    return false;
  }

  #endCursors(): void {
    const cursors = [this.#cursor, this.#ahead];
    this.#cursor = undefined;
    this.#ahead = undefined;
    for (const cursor of cursors) cursor?.ending.abort();
  }

  #moved(): void {
    const waiting = this.#progress;
    this.#progress = [];
    for (const resolve of waiting) resolve();
    this.#target.moved();
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => this.#sleepers.push(resolve));
  }

  #wake(): void {
    const sleepers = this.#sleepers;
    this.#sleepers = [];
    for (const resolve of sleepers) resolve();
  }
}
