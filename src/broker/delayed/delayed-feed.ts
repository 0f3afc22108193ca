/**
 * Learns of every delayed message that can be seen, once, whoever sent it.
 *
 * What is sent outside of a transaction is learned from the answer of its append, and its offsets
 * need not be read. Whatever else the log holds leaves a hole behind `fed`, and is read: messages
 * of transactions once they are committed, marks, what an append whose outcome was unknown has
 * left. The read waits while a transaction is open, and meanwhile later messages are learned.
 */

import { hasCode } from '../../base/errors.js';
import type { Batch, LogRecord } from '../../storage/main.js';
import { OffsetRanges } from '../share/share-ranges.js';
import type { PartitionLog } from '../topic/partition-log.js';

export interface FeedParts {
  readonly log: PartitionLog;
  /** Resolves when more may be learned. */
  readonly room: () => Promise<void>;
  /** A message that is new. `bytes`: about what it takes in the log. */
  readonly learn: (record: LogRecord, bytes: number) => void;
  /** There are no messages at these offsets. */
  readonly pass: (first: number, end: number) => void;
  /** A read has failed; it is tried again when something else happens. */
  readonly failed: (error: unknown) => void;
}

export class DelayedFeed {
  readonly #parts: FeedParts;
  /** Learned, and not below `fed`. */
  readonly #ahead = new OffsetRanges();
  #fed: number;
  #reading: Promise<void> | undefined;
  #abort: AbortController | undefined;
  #isClosed = false;

  constructor(parts: FeedParts, fromOffset: number) {
    this.#parts = parts;
    this.#fed = fromOffset;
  }

  /** Everything below is known. */
  get fed(): number {
    return this.#fed;
  }

  /** Whether the message at this offset is known. */
  isKnown(offset: number): boolean {
    return offset < this.#fed || this.#ahead.has(offset);
  }

  /** Messages were learned from the answer of their append. */
  sent(first: number, end: number): void {
    if (end > this.#fed) this.#ahead.add(Math.max(first, this.#fed), end);
    this.#advance(this.#fed);
    this.wake();
  }

  /** Reads what is there and visible now. */
  async catchUp(): Promise<void> {
    const { log, room } = this.#parts;
    const { stableOffset } = log;
    for await (const batch of log.read({ from: this.#fed })) {
      await room();
      this.#take(batch);
    }
    this.#passTo(stableOffset);
  }

  /** Something may have come that must be read. */
  wake(): void {
    if (this.#isClosed || this.#reading !== undefined || !this.#isBehind) return;
    this.#reading = this.#read().then((mayGoOn) => {
      this.#reading = undefined;
      // Something may have come while the read was ending.
      if (mayGoOn) this.wake();
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#abort?.abort();
    await this.#reading;
  }

  get #isBehind(): boolean {
    return this.#fed < this.#parts.log.writtenOffset;
  }

  /** Whether the next read may begin at once. */
  async #read(): Promise<boolean> {
    const { log, room, failed } = this.#parts;
    try {
      while (this.#isBehind && !this.#isClosed) {
        this.#abort = undefined;
        if (this.#fed > log.durableOffset) await log.flush(this.#fed - 1);
        const abort = new AbortController();
        this.#abort = abort;
        const onWaiting = (next: number): void => {
          this.#passTo(next);
          if (!this.#isBehind) abort.abort();
        };
        const { signal } = abort;
        for await (const batch of log.read({ from: this.#fed, follow: true, signal, onWaiting })) {
          await room();
          this.#take(batch);
          if (!this.#isBehind) break;
        }
      }
      return true;
    } catch (error) {
      if (this.#abort?.signal.aborted === true) return true;
      if (!hasCode(error, 'LOG_CLOSED')) failed(error);
      return false;
    }
  }

  #take(batch: Batch): void {
    this.#passTo(batch.baseOffset);
    const bytes = batch.bytes / Math.max(1, batch.count);
    for (const record of batch) {
      const { offset } = record;
      if (this.isKnown(offset)) continue;
      this.#passTo(offset);
      this.#parts.learn(record, bytes);
      this.#advance(offset + 1);
    }
    this.#passTo(batch.nextOffset);
  }

  /** What is not known up to here is no message. */
  #passTo(offset: number): void {
    if (offset <= this.#fed) return;
    for (const { first, end } of [...this.#ahead.missing(this.#fed, offset)]) {
      this.#parts.pass(first, end);
    }
    this.#advance(offset);
  }

  #advance(offset: number): void {
    this.#fed = this.#ahead.firstMissing(Math.max(this.#fed, offset));
    this.#ahead.trim(this.#fed);
  }
}
