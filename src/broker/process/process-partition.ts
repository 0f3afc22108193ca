/**
 * The records of one partition that are being processed: which may start, and what is finished.
 *
 * Records come in with rising offsets. Those of one key form a lane: one at a time, in their order.
 * A record without a key has a lane to itself. {@link workMoves} says what becomes of one:
 *
 *     waiting -> ready -> running -> done
 *                  ^         |-----> dead -> done
 *                  |--resting <'
 *
 * Those that are not done form a list in the order of their offsets, so what may be committed is
 * the offset at its front, and finished records cost nothing, however many there are behind it. A
 * dead record, one that will not be tried again, lets its lane go on, and holds back the commit
 * until it is dealt with together with it (see {@link PartitionWork.deadRun}).
 *
 * Nothing here knows handlers, timers or logs; times are given.
 */

import { assert } from '../../base/assert.js';
import { DeadlineHeap } from '../../base/deadline-heap.js';

export type WorkState =
  /** Another record of its key comes first. */
  | 'waiting'
  /** It may start. */
  | 'ready'
  | 'running'
  /** It failed, and is tried again at a time. */
  | 'resting'
  /** It is not tried again. */
  | 'dead'
  | 'done';

/** What a record may become, from each state. */
export const workMoves: Readonly<Record<WorkState, readonly WorkState[]>> = Object.freeze({
  waiting: ['ready'],
  ready: ['running'],
  running: ['done', 'resting', 'dead'],
  resting: ['ready'],
  dead: ['done'],
  done: [],
});

/** One record that is not done. */
export class Work<R> {
  readonly offset: number;
  /** Text that stands for the key; undefined without one. */
  readonly lane: string | undefined;
  readonly record: R;
  /** What it counts against the bound. */
  readonly bytes: number;
  state: WorkState = 'waiting';
  /** Attempts that failed. */
  failures = 0;
  /** Why it is dead, or what the last attempt failed with. */
  error: unknown;
  /** Its neighbours among those that are not done. */
  before: Work<R> | undefined;
  after: Work<R> | undefined;
  /** The next one of its lane, and the next one that is ready. */
  nextInLane: Work<R> | undefined;
  nextReady: Work<R> | undefined;

  constructor(offset: number, lane: string | undefined, record: R, bytes: number) {
    this.offset = offset;
    this.lane = lane;
    this.record = record;
    this.bytes = bytes;
  }
}

/** Dead records before which nothing is unfinished. */
export interface DeadRun<R> {
  readonly works: readonly Work<R>[];
  /** What may be committed once they are dealt with. */
  readonly nextOffset: number;
}

export class PartitionWork<R> {
  /** The newest record of each key that has any. */
  readonly #lanes = new Map<string, Work<R>>();
  readonly #resting = new DeadlineHeap<Work<R>>();
  #first: Work<R> | undefined;
  #last: Work<R> | undefined;
  #firstReady: Work<R> | undefined;
  #lastReady: Work<R> | undefined;
  #count = 0;
  #bytes = 0;
  #runningCount = 0;
  /** All records below are known. */
  #position: number;

  constructor(position: number) {
    assert(Number.isSafeInteger(position), 'a position is an offset');
    this.#position = position;
  }

  /** Records that are not done, and their bytes. */
  get count(): number {
    return this.#count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get runningCount(): number {
    return this.#runningCount;
  }

  get hasReady(): boolean {
    return this.#firstReady !== undefined;
  }

  /** When the next one has rested; undefined when none rests. */
  get nextDueMs(): number | undefined {
    return this.#resting.nextMs;
  }

  /** All records below it are done: the offset to commit. */
  get finishedOffset(): number {
    return this.#first?.offset ?? this.#position;
  }

  /** Where the next record may lie. */
  get position(): number {
    return this.#position;
  }

  /** Whether one more of so many bytes has room; one alone always has. */
  hasRoom(bytes: number, recordsMax: number, bytesMax: number): boolean {
    if (this.#count === 0) return true;
    return this.#count < recordsMax && this.#bytes + bytes <= bytesMax;
  }

  /** Takes in the record at `offset`, and notes that there is none between the last one and it. */
  add(offset: number, lane: string | undefined, record: R, bytes: number): void {
    assert(offset >= this.#position, 'offsets rise');
    assert(bytes >= 0, 'a size is not negative');
    const work = new Work(offset, lane, record, bytes);
    this.#position = offset + 1;
    this.#count += 1;
    this.#bytes += bytes;
    work.before = this.#last;
    if (this.#last === undefined) this.#first = work;
    else this.#last.after = work;
    this.#last = work;
    const ahead = lane === undefined ? undefined : this.#lanes.get(lane);
    if (lane !== undefined) this.#lanes.set(lane, work);
    if (ahead === undefined) this.#makeReady(work);
    else ahead.nextInLane = work;
  }

  /** There is no record from the position up to `nextOffset`. */
  passOver(nextOffset: number): void {
    assert(Number.isSafeInteger(nextOffset), 'a position is an offset');
    this.#position = Math.max(this.#position, nextOffset);
  }

  /** Starts the one that has been ready for longest; undefined when none is. */
  start(): Work<R> | undefined {
    const work = this.#firstReady;
    if (work === undefined) return undefined;
    this.#firstReady = work.nextReady;
    if (this.#firstReady === undefined) this.#lastReady = undefined;
    work.nextReady = undefined;
    this.#move(work, 'running');
    this.#runningCount += 1;
    return work;
  }

  /** A record that runs is finished. */
  finish(work: Work<R>): void {
    this.#runningCount -= 1;
    this.#move(work, 'done');
    this.#leaveLane(work);
    this.#remove(work);
  }

  /** A record that runs has failed, and may start again at `dueMs`; its lane waits for it. */
  rest(work: Work<R>, error: unknown, dueMs: number): void {
    this.#runningCount -= 1;
    work.failures += 1;
    work.error = error;
    this.#move(work, 'resting');
    this.#resting.push(work, dueMs);
  }

  /** A record that runs has failed for good; its lane goes on. */
  die(work: Work<R>, error: unknown): void {
    this.#runningCount -= 1;
    work.failures += 1;
    work.error = error;
    this.#move(work, 'dead');
    this.#leaveLane(work);
  }

  /** Those that have rested are ready again. */
  wake(nowMs: number): void {
    for (;;) {
      const work = this.#resting.takeDue(nowMs);
      if (work === undefined) return;
      this.#makeReady(work);
    }
  }

  /** The dead records that nothing but them keeps from being committed past, at most so many. */
  deadRun(recordsMax: number, bytesMax: number): DeadRun<R> | undefined {
    const works: Work<R>[] = [];
    let bytes = 0;
    let next = this.#first;
    while (next !== undefined && next.state === 'dead' && works.length < recordsMax) {
      bytes += next.bytes;
      if (works.length > 0 && bytes > bytesMax) break;
      works.push(next);
      next = next.after;
    }
    return works.length === 0 ? undefined : { works, nextOffset: next?.offset ?? this.#position };
  }

  /** The dead records are dealt with. */
  bury({ works }: DeadRun<R>): void {
    for (const work of works) {
      this.#move(work, 'done');
      this.#remove(work);
    }
  }

  #move(work: Work<R>, state: WorkState): void {
    assert(workMoves[work.state].includes(state), 'a record goes from state to state by the table');
    work.state = state;
  }

  #makeReady(work: Work<R>): void {
    this.#move(work, 'ready');
    if (this.#lastReady === undefined) this.#firstReady = work;
    else this.#lastReady.nextReady = work;
    this.#lastReady = work;
  }

  #leaveLane(work: Work<R>): void {
    const { lane, nextInLane } = work;
    if (lane === undefined) return;
    work.nextInLane = undefined;
    if (nextInLane !== undefined) this.#makeReady(nextInLane);
    else this.#lanes.delete(lane);
  }

  #remove(work: Work<R>): void {
    const { before, after } = work;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    work.before = undefined;
    work.after = undefined;
    this.#count -= 1;
    this.#bytes -= work.bytes;
    assert(this.#count >= 0, 'no record is finished twice');
  }
}
