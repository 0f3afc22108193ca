/**
 * Who waits for an offset: appends and flushes, resolved in offset order.
 *
 * A queue with a moving head; targets rise because offsets are assigned in the order of the calls.
 * A flush may ask for less than the newest append did: it then waits for that one's target.
 */

import type { MillraceError } from '../base/errors.js';

/** What an append resolves to: the offsets of its first and last record. */
export interface AppendResult {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /**
   * A producer's batch was stored by an earlier append, at these offsets; at -1 when that was too
   * long ago to tell.
   */
  readonly isDuplicate: boolean;
}

export interface OffsetWaiter {
  /** Resolves once everything below this offset is there. */
  readonly target: number;
  readonly result: AppendResult;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (error: MillraceError) => void;
}

const COMPACT_AT = 1024;

export class AppendWaiters {
  #queue: OffsetWaiter[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#queue.length;
  }

  /** The largest target anybody waits for, or -1. */
  get lastTarget(): number {
    return this.isEmpty ? -1 : (this.#queue.at(-1)?.target ?? -1);
  }

  push(waiter: OffsetWaiter): void {
    this.#queue.push(waiter);
  }

  /** Resolves all waiters up to `offset`. */
  resolveUpTo(offset: number): void {
    const queue = this.#queue;
    let head = this.#head;
    while (head < queue.length) {
      const waiter = queue[head];
      if (waiter === undefined || waiter.target > offset) break;
      waiter.resolve(waiter.result);
      head += 1;
    }
    this.#head = head;
    if (head === queue.length) {
      this.#queue = [];
      this.#head = 0;
    } else if (head > COMPACT_AT && head * 2 > queue.length) {
      this.#queue = queue.slice(head);
      this.#head = 0;
    }
  }

  /** Rejects every waiter whose target lies beyond `offset`. */
  rejectBeyond(offset: number, errorOf: (waiter: OffsetWaiter) => MillraceError): void {
    const waiting = this.#queue.slice(this.#head);
    this.#queue = waiting.filter((waiter) => waiter.target <= offset);
    this.#head = 0;
    for (const waiter of waiting) {
      if (waiter.target > offset) waiter.reject(errorOf(waiter));
    }
  }
}
