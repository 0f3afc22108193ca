/**
 * Which messages of a partition are known to the share group, and which of them are finished.
 *
 *     start                                                 end
 *       |  finished | under way, or still to be given out |  |  not known yet
 *
 * The start offset is the first that is not finished; what lies below it is forgotten. Three sets
 * of runs: what is known, what is finished, and what of that is archived.
 *
 * How a message was finished is kept as far as it is out of the ordinary, for the newest of them:
 * archived, or acknowledged at a later delivery than its first. So a late acknowledgement can tell
 * whether it was its own delivery that had been acknowledged.
 */

import { assert } from '../../base/assert.js';
import { type OffsetRange, OffsetRanges } from './share-ranges.js';

/** Messages that were finished in an unusual way, and are remembered. */
const ENDINGS_MAX = 16_384;

export type Ending = 'Acknowledged' | 'Archived';

export interface FinishedRange extends OffsetRange {
  readonly ending: Ending;
}

interface KeptEnding {
  readonly ending: Ending;
  /** The delivery that ended it; 0: none did. */
  readonly delivery: number;
}

/** What others may ask. */
export type LedgerView = Pick<
  DeliveryLedger,
  'startOffset' | 'isArchived' | 'firstUnfinishedFrom' | 'knownFrom'
>;

export class DeliveryLedger {
  readonly #known = new OffsetRanges();
  readonly #finished = new OffsetRanges();
  readonly #archived = new OffsetRanges();
  readonly #endings = new Map<number, KeptEnding>();
  #startOffset: number;
  #endOffset: number;
  /** What lies below was archived at once, when the start was set. */
  #droppedBelow = 0;

  constructor(startOffset: number) {
    assert(startOffset >= 0, 'the start is an offset');
    this.#startOffset = startOffset;
    this.#endOffset = startOffset;
  }

  /** The first offset that is not finished. */
  get startOffset(): number {
    return this.#startOffset;
  }

  /** Behind the last known offset. */
  get endOffset(): number {
    return this.#endOffset;
  }

  isKnown(offset: number): boolean {
    return offset < this.#startOffset || this.#known.has(offset);
  }

  isFinished(offset: number): boolean {
    return offset < this.#startOffset || this.#finished.has(offset);
  }

  /** How many offsets from this one on are known. */
  knownFrom(offset: number): number {
    let count = 0;
    for (const { first, end } of this.#known.ranges(offset)) count += end - Math.max(first, offset);
    return count;
  }

  /** Whether it was finished otherwise than by an acknowledgement; not known below the start. */
  isArchived(offset: number): boolean {
    return this.#archived.has(offset);
  }

  /** The first offset from this one on that is not finished. */
  firstUnfinishedFrom(offset: number): number {
    return this.#finished.firstMissing(Math.max(offset, this.#startOffset));
  }

  /** Notes that the offsets are known; `learned` hears of the runs that were not. */
  learn(first: number, end: number, learned: (first: number, end: number) => void): void {
    const from = Math.max(first, this.#startOffset);
    if (from >= end) return;
    // Mostly all of it is new: the log goes on.
    const runs = from >= this.#endOffset ? [] : [...this.#known.missing(from, end)];
    if (from >= this.#endOffset) learned(from, end);
    for (const run of runs) learned(run.first, run.end);
    this.#known.add(from, end);
    this.#endOffset = Math.max(this.#endOffset, end);
  }

  /** A message that is known is finished, by the delivery of that number. */
  finish(offset: number, ending: Ending, delivery: number): void {
    assert(offset >= this.#startOffset, 'the message is not finished');
    if (ending === 'Archived') this.#archived.add(offset);
    if (ending === 'Archived' || delivery !== 1) this.#keep(offset, { ending, delivery });
    // Mostly in the order of the log: what is below the start is not kept.
    if (offset === this.#startOffset) this.#moveStart(this.#finished.firstMissing(offset + 1));
    else this.#finished.add(offset);
  }

  /** There is nothing at offsets in [first, end) that are not known. */
  skip(first: number, end: number): void {
    const from = Math.max(first, this.#startOffset);
    // Mostly there is nothing between the messages of a log.
    if (from >= end || this.#known.firstMissing(from) >= end) return;
    for (const run of [...this.#known.missing(from, end)]) this.#pass(run, 'Archived');
  }

  /** Adds what was finished before a restart. */
  restore(
    startOffset: number,
    acknowledged: readonly OffsetRange[],
    archived: readonly OffsetRange[],
  ): void {
    this.#pass({ first: this.#startOffset, end: startOffset }, 'Acknowledged');
    for (const run of acknowledged) this.#pass(run, 'Acknowledged');
    for (const run of archived) this.#pass(run, 'Archived');
  }

  #pass({ first, end }: OffsetRange, ending: Ending): void {
    const from = Math.max(first, this.#startOffset);
    if (from >= end) return;
    this.#endOffset = Math.max(this.#endOffset, end);
    if (from > this.#startOffset) {
      this.#known.add(from, end);
      this.#finished.add(from, end);
      if (ending === 'Archived') this.#archived.add(from, end);
      return;
    }
    this.#moveStart(this.#finished.firstMissing(end));
  }

  /** How many known messages below `offset` are not finished. */
  unfinishedBelow(offset: number): number {
    return this.#countBelow(this.#known, offset) - this.#countBelow(this.#finished, offset);
  }

  #countBelow(set: OffsetRanges, offset: number): number {
    let count = 0;
    for (const { first, end } of set.ranges(this.#startOffset)) {
      if (first >= offset) break;
      count += Math.min(end, offset) - first;
    }
    return count;
  }

  /** The runs of [first, end) that are known. */
  *knownRanges(first: number, end: number): Generator<OffsetRange> {
    for (const run of this.#known.ranges(first)) {
      if (run.first >= end) return;
      yield { first: run.first, end: Math.min(run.end, end) };
    }
  }

  /** Everything below `offset` is finished. */
  dropBelow(offset: number): void {
    if (offset <= this.#startOffset) return;
    this.#droppedBelow = offset;
    this.#endOffset = Math.max(this.#endOffset, offset);
    this.#moveStart(this.#finished.firstMissing(offset));
  }

  /** Whether the message ended like this, by this delivery, as far as is known. */
  hasEnded(offset: number, ending: Ending, delivery: number): boolean {
    if (!this.isFinished(offset)) return false;
    const kept = this.#endings.get(offset);
    if (kept !== undefined) return kept.ending === ending && kept.delivery === delivery;
    if (this.#archived.has(offset)) return ending === 'Archived';
    return ending === 'Acknowledged' && offset >= this.#droppedBelow;
  }

  /** Runs of finished offsets behind the start, each of one ending. */
  *finishedRanges(): Generator<FinishedRange> {
    for (const { first, end } of this.#finished.ranges(this.#startOffset)) {
      for (let from = first; from < end; ) {
        const isArchived = this.#archived.has(from);
        const until = isArchived
          ? this.#archived.firstMissing(from)
          : Math.min(end, this.#archived.firstMember(from) ?? end);
        yield { first: from, end: until, ending: isArchived ? 'Archived' : 'Acknowledged' };
        from = until;
      }
    }
  }

  #moveStart(offset: number): void {
    this.#startOffset = offset;
    this.#known.trim(offset);
    this.#finished.trim(offset);
    this.#archived.trim(offset);
  }

  #keep(offset: number, ending: KeptEnding): void {
    if (this.#endings.size >= ENDINGS_MAX) {
      for (const oldest of this.#endings.keys()) {
        this.#endings.delete(oldest);
        break;
      }
    }
    this.#endings.set(offset, ending);
  }
}
