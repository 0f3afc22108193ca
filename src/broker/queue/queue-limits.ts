/**
 * How long a queue may get, in messages and bytes, and who waits until there is room.
 *
 * What counts is everything that is not done with: to be received, in flight, and waiting for its
 * time; and what is being sent. A send takes a place before it goes out and gives it back when it
 * has ended: from then on its message counts by itself. So the number of messages is exact. The
 * bytes are, for what was sent here; see `queue-bytes.ts`.
 *
 * Sends wait in line, bounded in number and bytes. With `drop-oldest` the first in line makes room.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { limitOf } from '../../base/options.js';
import { QueueBytes } from './queue-bytes.js';
import type { FinishedMessage, QueuePartition } from './queue-group.js';
import type { QueueConfig } from './queue-options.js';
import type { MessagePlace } from './queue-sent.js';

export interface QueueLimitsParts {
  readonly queue: string;
  readonly config: () => QueueConfig;
  /** Messages that are not done with, those that wait for their time included. */
  readonly unfinished: () => number;
  /** Looks at what was not looked at: what `unfinished` says may get less. */
  readonly catchUp: () => Promise<void>;
  /** Those priorities of the queue that were used. */
  readonly partitions: () => readonly QueuePartition[];
  /** Bytes of a message of which nothing is known, on average. */
  readonly averageBytes: number;
  /** Takes the oldest messages out; resolves to their number. */
  readonly drop: (room: MissingRoom) => Promise<number>;
}

/** What has to go, in messages and in bytes, and in how many messages at most. */
export interface MissingRoom {
  readonly count: number;
  readonly bytes: number;
  readonly countMax: number;
}

interface Waiter {
  readonly bytes: number;
  admit(): void;
  refuse(reason: unknown): void;
}

/** Messages that one step drops at most. */
const DROP_MAX = 1_000;

export class QueueLimits {
  readonly #parts: QueueLimitsParts;
  readonly #sizes = new QueueBytes();
  readonly #waiters = new Set<Waiter>();
  #waitingBytes = 0;
  #takenCount = 0;
  #takenBytes = 0;
  #catching: Promise<void> | undefined;
  #dropping: Promise<void> | undefined;
  #dropped = 0;
  #closed: { readonly reason: unknown } | undefined;

  constructor(parts: QueueLimitsParts) {
    this.#parts = parts;
  }

  static areSet({ lengthMax, lengthBytesMax }: QueueConfig): boolean {
    return lengthMax !== 'unlimited' || lengthBytesMax !== 'unlimited';
  }

  get waitingCount(): number {
    return this.#waiters.size;
  }

  /** Messages that made room for others. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Messages that count, those that are being sent included, and their bytes. */
  length(): { readonly count: number; readonly bytes: number } {
    const { unfinished, averageBytes } = this.#parts;
    const count = unfinished();
    const bytes = this.#sizes.total(count, averageBytes);
    return { count: count + this.#takenCount, bytes: bytes + this.#takenBytes };
  }

  /**
   * A place for a message. Undefined: it has it; else it resolves when it has. Throws and rejects
   * with QUEUE_FULL, BUFFER_FULL, and the signal's reason.
   */
  take(bytes: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#closed !== undefined) throw this.#closed.reason;
    if (this.#waiters.size === 0 && this.#hasRoom(1, bytes)) {
      this.#reserve(bytes);
      return undefined;
    }
    const mayBeLess = this.#parts.partitions().some(({ mayReadAhead }) => mayReadAhead);
    if (this.#mayRefuse && !mayBeLess) throw this.#fullError();
    const room = this.#wait(bytes, signal);
    if (mayBeLess) this.#catching ??= this.#catchUp();
    return room;
  }

  get #mayRefuse(): boolean {
    return this.#parts.config().overflow === 'reject';
  }

  /** What was not looked at may be no messages; what cannot be read is told to who receives. */
  async #catchUp(): Promise<void> {
    await this.#parts.catchUp().catch(ignore);
    this.#catching = undefined;
    this.look();
    if (!this.#mayRefuse) return;
    for (const waiter of this.#waiters) waiter.refuse(this.#fullError());
  }

  /** The send has ended; `offset` where its message is to be received, if it is. */
  give(bytes: number, place?: MessagePlace): void {
    this.#takenCount -= 1;
    this.#takenBytes -= bytes;
    // Somebody may have received it, and be done with it, by now.
    const isKnown = place !== undefined && !this.#isFinished(place);
    if (isKnown) this.#sizes.add(place.partition, place.offset, bytes);
    if (this.#waiters.size > 0) this.look();
  }

  /** Messages are done with; undefined: nobody knows which. */
  finished(messages: readonly FinishedMessage[] | undefined): void {
    for (const { partition, offset } of messages ?? []) this.#sizes.remove(partition, offset);
    if (messages === undefined) {
      for (const { partition, startOffset } of this.#parts.partitions()) {
        this.#sizes.removeBelow(partition, startOffset);
      }
    }
    this.look();
  }

  /** Something has changed: whoever has room goes on. */
  look(): void {
    for (const waiter of this.#waiters) {
      if (!this.#hasRoom(1, waiter.bytes)) break;
      this.#reserve(waiter.bytes);
      waiter.admit();
    }
    if (this.#waiters.size > 0 && this.#parts.config().overflow === 'drop-oldest') {
      this.#dropping ??= this.#makeRoom();
    }
  }

  /** Whoever waits is refused. */
  close(reason: unknown): void {
    this.#closed = { reason };
    for (const waiter of this.#waiters) waiter.refuse(reason);
  }

  #isFinished({ partition, offset }: MessagePlace): boolean {
    const found = this.#parts.partitions().find((one) => one.partition === partition);
    return found?.isFinished(offset) ?? false;
  }

  #hasRoom(count: number, bytes: number): boolean {
    const { lengthMax, lengthBytesMax } = this.#parts.config();
    const length = this.length();
    if (length.count + count > limitOf(lengthMax)) return false;
    // One message may be larger than the limit, when it is alone.
    return length.count === 0 || length.bytes + bytes <= limitOf(lengthBytesMax);
  }

  #reserve(bytes: number): void {
    this.#takenCount += 1;
    this.#takenBytes += bytes;
  }

  #wait(bytes: number, signal: AbortSignal | undefined): Promise<void> {
    const { queueWaitersMax, queueWaitingBytesMax } = limits;
    // Its promise would hear of no abort that has been.
    signal?.throwIfAborted();
    const isFull = this.#waiters.size >= queueWaitersMax;
    if (isFull || this.#waitingBytes + bytes > queueWaitingBytesMax) {
      const bytesMax = queueWaitingBytesMax;
      const expected = `at most ${queueWaitersMax} sends and ${bytesMax} bytes that wait`;
      throw createError('BUFFER_FULL', { queue: this.#parts.queue, expected });
    }
    return new Promise<void>((resolve, reject) => {
      const leave = (): void => waiter.refuse(signal?.reason);
      const over = (): void => {
        signal?.removeEventListener('abort', leave);
        if (this.#waiters.delete(waiter)) this.#waitingBytes -= bytes;
      };
      const waiter: Waiter = {
        bytes,
        admit: () => {
          over();
          resolve();
        },
        refuse: (reason) => {
          over();
          reject(reason);
        },
      };
      this.#waiters.add(waiter);
      this.#waitingBytes += bytes;
      signal?.addEventListener('abort', leave, { once: true });
      this.look();
    });
  }

  /** Until nobody waits; those for whom nothing can be dropped are refused. */
  async #makeRoom(): Promise<void> {
    try {
      while (this.#waiters.size > 0 && this.#closed === undefined) {
        const onTheWay = this.#takenCount;
        const dropped = await this.#parts.drop(this.#missing());
        this.#dropped += dropped;
        // What is being sent can be dropped once it is there: then somebody looks again.
        if (dropped === 0 && this.#takenCount > 0) return;
        if (dropped === 0 && onTheWay === 0) this.#refuseFirst(this.#fullError());
        this.#admitAll();
      }
    } catch (error) {
      for (const waiter of this.#waiters) waiter.refuse(error);
    } finally {
      this.#dropping = undefined;
    }
  }

  #admitAll(): void {
    for (const waiter of this.#waiters) {
      if (!this.#hasRoom(1, waiter.bytes)) return;
      this.#reserve(waiter.bytes);
      waiter.admit();
    }
  }

  /** What has to go for those that wait, or for as many of them as one step serves. */
  #missing(): MissingRoom {
    const { lengthMax, lengthBytesMax } = this.#parts.config();
    const length = this.length();
    let count = length.count - limitOf(lengthMax);
    let bytes = length.bytes - limitOf(lengthBytesMax);
    for (const waiter of this.#waiters) {
      if (count >= DROP_MAX) break;
      count += 1;
      bytes += waiter.bytes;
    }
    count = Math.min(Math.max(count, 0), DROP_MAX);
    bytes = Math.max(bytes, 0);
    const averageBytes = Math.max(1, length.bytes / Math.max(1, length.count));
    const countMax = Math.max(count, Math.min(DROP_MAX, Math.ceil(bytes / averageBytes)), 1);
    return { count, bytes, countMax };
  }

  #refuseFirst(reason: unknown): void {
    const [first] = this.#waiters;
    first?.refuse(reason);
  }

  #fullError(): Error {
    const { queue, config } = this.#parts;
    const { lengthMax, lengthBytesMax } = config();
    const { count, bytes } = this.length();
    const expected = `at most ${lengthMax} messages and ${lengthBytesMax} bytes`;
    return createError('QUEUE_FULL', { queue, expected, messages: count, bytes });
  }
}

function ignore(): void {}
