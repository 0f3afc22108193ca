/**
 * Who waits for messages of a group: those of a higher priority first, then in the order of calls.
 *
 * One timer serves all of them, and one look serves as many as there are messages for. While
 * somebody waits the process stays alive.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { DeadlineHeap } from '../../base/deadline-heap.js';
import type { ShareMember } from './share-member.js';
import { WaitSignals } from './share-wait-signals.js';

export interface ShareWaiter<Request> {
  readonly member: ShareMember;
  readonly request: Request;
}

class Waiting<Request, Taken> implements ShareWaiter<Request> {
  readonly member: ShareMember;
  readonly request: Request;
  readonly promise: Promise<Taken | undefined>;
  readonly #signal: AbortSignal | undefined;
  readonly #signals: WaitSignals<Waiting<Request, Taken>>;
  #settle: ((taken: Taken | undefined) => void) | undefined;
  #fail: ((error: unknown) => void) | undefined;

  constructor(
    { member, request }: ShareWaiter<Request>,
    signal: AbortSignal | undefined,
    signals: WaitSignals<Waiting<Request, Taken>>,
  ) {
    this.member = member;
    this.request = request;
    this.#signal = signal;
    this.#signals = signals;
    this.promise = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    if (signal !== undefined) signals.add(signal, this);
  }

  get isOver(): boolean {
    return this.#settle === undefined;
  }

  resolve(taken: Taken | undefined): void {
    this.#settle?.(taken);
    this.#leave();
  }

  reject(error: unknown): void {
    this.#fail?.(error);
    this.#leave();
  }

  abort(reason: unknown): void {
    this.reject(reason);
  }

  #leave(): void {
    this.#settle = undefined;
    this.#fail = undefined;
    if (this.#signal !== undefined) this.#signals.remove(this.#signal, this);
  }
}

const COMPACT_AT = 1_024;

export class ShareWaits<Request, Taken> {
  readonly #clock: Clock;
  readonly #take: (waiter: ShareWaiter<Request>) => Taken | 'nothing' | 'not-now';
  readonly #signals = new WaitSignals<Waiting<Request, Taken>>(() => this.#drop());
  #waiting: Waiting<Request, Taken>[] = [];
  #deadlines = new DeadlineHeap<Waiting<Request, Taken>>();
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | undefined;
  #isServing = false;

  /**
   * `take` gives a waiter what there is: `nothing` when there is none for anybody, `not-now` when
   * this one may not have it.
   */
  constructor(clock: Clock, take: (waiter: ShareWaiter<Request>) => Taken | 'nothing' | 'not-now') {
    this.#clock = clock;
    this.#take = take;
  }

  get count(): number {
    return this.#waiting.length;
  }

  /** Whether one who waits and could take comes before a member of this priority. */
  hasAhead(priority: number, mayTake: (waiter: ShareWaiter<Request>) => boolean): boolean {
    for (const waiting of this.#waiting) {
      if (waiting.member.priority < priority) return false;
      if (mayTake(waiting)) return true;
    }
    return false;
  }

  /** What was taken, or nothing at the deadline; rejects with the signal's reason. */
  wait(
    waiter: ShareWaiter<Request>,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Taken | undefined> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const waiting = new Waiting<Request, Taken>(waiter, signal, this.#signals);
    this.#add(waiting, deadlineMs);
    // Something may have come since the member looked.
    this.wake();
    return waiting.promise;
  }

  /** There may be something for those who wait: looked at once, after this step. */
  wake(): void {
    if (this.#isServing || this.#waiting.length === 0) return;
    this.#isServing = true;
    queueMicrotask(() => {
      this.#isServing = false;
      this.#serve();
    });
  }

  /** The first one who waits is told. */
  fail(error: unknown): boolean {
    const [first] = this.#waiting;
    first?.reject(error);
    this.#drop();
    return first !== undefined;
  }

  /** Ends the waits of one member, or of all. */
  end(member?: ShareMember): void {
    for (const waiting of this.#waiting) {
      if (member === undefined || waiting.member === member) waiting.resolve(undefined);
    }
    this.#drop();
  }

  endWith(error: unknown): void {
    for (const waiting of this.#waiting) waiting.reject(error);
    this.#drop();
  }

  #serve(): void {
    let hasServed = false;
    for (const waiting of this.#waiting) {
      const taken = this.#take(waiting);
      if (taken === 'nothing') break;
      if (taken === 'not-now') continue;
      hasServed = true;
      waiting.resolve(taken);
    }
    if (hasServed) this.#drop();
  }

  #add(waiting: Waiting<Request, Taken>, deadlineMs: number): void {
    const list = this.#waiting;
    let at = list.length;
    while (at > 0 && (list[at - 1]?.member.priority ?? 0) < waiting.member.priority) at -= 1;
    list.splice(at, 0, waiting);
    if (this.#deadlines.count > COMPACT_AT && this.#deadlines.count > 4 * list.length) {
      this.#compact();
    }
    this.#deadlines.push(waiting, deadlineMs);
    this.#arm();
  }

  /** Waits that ended early are forgotten when they outnumber the others. */
  #compact(): void {
    const kept = new DeadlineHeap<Waiting<Request, Taken>>();
    for (;;) {
      const dueMs = this.#deadlines.nextMs;
      if (dueMs === undefined) break;
      const waiting = this.#deadlines.takeDue(dueMs);
      if (waiting?.isOver === false) kept.push(waiting, dueMs);
    }
    this.#deadlines = kept;
  }

  #drop(): void {
    this.#waiting = this.#waiting.filter(({ isOver }) => !isOver);
    if (this.#waiting.length > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #arm(): void {
    const dueMs = this.#deadlines.nextMs;
    if (dueMs === undefined || (this.#timer !== undefined && this.#timer.dueMs <= dueMs)) return;
    this.#timer?.cancel();
    const delayMs = Math.max(0, dueMs - this.#clock.monotonicMs());
    const cancel = this.#clock.schedule(delayMs, () => this.#due(), 'keep-alive');
    this.#timer = { dueMs, cancel };
  }

  #due(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    for (;;) {
      const waiting = this.#deadlines.takeDue(nowMs);
      if (waiting === undefined) break;
      if (!waiting.isOver) waiting.resolve(undefined);
    }
    this.#drop();
    if (this.#waiting.length > 0) this.#arm();
  }
}
