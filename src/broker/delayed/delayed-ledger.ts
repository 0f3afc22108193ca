/**
 * Which messages of a delayed topic are done with: entered, cancelled, or never were any.
 *
 * Ids are offsets. Everything below `start` is finished; behind it there are runs of finished ids.
 * Offsets at which no message was sent (marks of transactions, what was aborted, copies) are
 * finished from the moment on at which that is known. So whatever was learned and is not finished
 * waits, and `count` says how many those are.
 */

import { assert } from '../../base/assert.js';
import { type OffsetRange, OffsetRanges } from '../share/share-ranges.js';

export class DelayedLedger {
  readonly #finished = new OffsetRanges();
  #start = 0;
  #count = 0;

  /** The first id that is not finished. */
  get start(): number {
    return this.#start;
  }

  /** Messages that wait. */
  get count(): number {
    return this.#count;
  }

  isFinished(id: number): boolean {
    return id < this.#start || this.#finished.has(id);
  }

  /** A message was learned, which is not finished. */
  learn(): void {
    this.#count += 1;
  }

  /** Messages that were learned, and wait, are done with. */
  finish(first: number, end: number = first + 1): void {
    assert(first >= this.#start && first < end, 'messages are finished once');
    const before = this.#finished.count;
    this.#finished.add(first, end);
    assert(this.#finished.count === before + end - first, 'messages are finished once');
    this.#count -= end - first;
    this.#moveStart();
  }

  /** There are no messages at these offsets, or they are done with and were never learned. */
  pass(first: number, end: number): void {
    const from = Math.max(first, this.#start);
    if (from >= end) return;
    this.#finished.add(from, end);
    this.#moveStart();
  }

  /** All of the ids below `end` were learned, but for those that are finished. */
  learnBelow(end: number): void {
    let known = Math.max(0, end - this.#start);
    for (const run of this.#finished.ranges(this.#start)) {
      if (run.first >= end) break;
      known -= Math.min(run.end, end) - run.first;
    }
    this.#count += known;
  }

  /** The runs of ids in [first, end) that are not finished. */
  *waiting(first: number, end: number): Generator<OffsetRange> {
    const from = Math.max(first, this.#start);
    if (from < end) yield* this.#finished.missing(from, end);
  }

  /** The finished runs behind the start. */
  finishedRanges(): Generator<OffsetRange> {
    return this.#finished.ranges(this.#start);
  }

  #moveStart(): void {
    const start = this.#finished.firstMissing(this.#start);
    if (start === this.#start) return;
    this.#start = start;
    this.#finished.trim(start);
  }
}
