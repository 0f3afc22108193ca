/**
 * Requests that wait for their replies, all those of one broker.
 *
 * Who asks and who answers use the broker in one process, so a reply goes from hand to hand, as
 * with RabbitMQ's direct reply-to: it is in no log, and when the process ends, so do the requests
 * that waited in it. A request carries the name of its broker's run and its own number; a reply to
 * a request that waits no more (it was answered, or its time is over, or it is of an earlier run)
 * is dropped, and counted.
 *
 * Deadlines lie in one line for each length of time, oldest first, so one timer serves all.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';

export interface RequestStats {
  /** Requests that wait for a reply now. */
  readonly waiting: number;
  readonly requests: number;
  /** Replies that were taken. */
  readonly replies: number;
  /** Replies that nobody waited for any more. */
  readonly late: number;
  readonly timedOut: number;
}

export interface OpenRequest {
  /** What a reply has to name. */
  readonly replyTo: string;
  /** Rejects with REQUEST_TIMED_OUT, the signal's reason, BROKER_CLOSED. */
  readonly reply: Promise<Buffer>;
  /** It waits no more: it could not be sent. */
  fail(error: unknown): void;
}

interface Waiting {
  readonly number: number;
  readonly queue: string;
  readonly timeoutMs: number;
  readonly deadlineMs: number;
  readonly resolve: (reply: Buffer) => void;
  readonly reject: (error: unknown) => void;
}

const REPLY_TO = /^([0-9a-f]{32})-(\d{1,15})$/;

export class Replies {
  readonly #clock: Clock;
  readonly #run: string;
  readonly #waiting = new Map<number, Waiting>();
  /** By their length, and then by number, which is by deadline. */
  readonly #lines = new Map<number, Map<number, Waiting>>();
  readonly #counts = { requests: 0, replies: 0, late: 0, timedOut: 0 };
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | undefined;
  #isClosed = false;

  /** `run`: 32 hexadecimal digits that no other run of a broker has. */
  constructor(clock: Clock, run: string) {
    this.#clock = clock;
    this.#run = run;
  }

  stats(): RequestStats {
    return { waiting: this.#waiting.size, ...this.#counts };
  }

  /** Throws BUFFER_FULL, BROKER_CLOSED, and the reason of a signal that has aborted. */
  open(queue: string, timeoutMs: number, signal: AbortSignal | undefined): OpenRequest {
    if (this.#isClosed) throw createError('BROKER_CLOSED', { queue });
    signal?.throwIfAborted();
    if (this.#waiting.size >= limits.requestsMax) {
      throw createError('BUFFER_FULL', { queue, requests: limits.requestsMax });
    }
    this.#counts.requests += 1;
    const number = this.#counts.requests;
    const leave = (): void => this.#fail(number, signal?.reason);
    const settled = (): void => signal?.removeEventListener('abort', leave);
    const reply = new Promise<Buffer>((resolve, reject) => {
      const deadlineMs = this.#clock.monotonicMs() + timeoutMs;
      this.#add({ number, queue, timeoutMs, deadlineMs, resolve, reject });
    });
    signal?.addEventListener('abort', leave, { once: true });
    reply.then(settled, settled);
    const fail = (error: unknown): void => this.#fail(number, error);
    return { replyTo: `${this.#run}-${number}`, reply, fail };
  }

  /** Whether somebody waited for it. */
  reply(replyTo: string, value: Buffer): boolean {
    const [, run, digits] = REPLY_TO.exec(replyTo) ?? [];
    const waiting = run === this.#run ? this.#take(Number(digits)) : undefined;
    if (waiting === undefined) {
      this.#counts.late += 1;
      return false;
    }
    this.#counts.replies += 1;
    waiting.resolve(value);
    return true;
  }

  /** Nobody waits any more. Idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#rest();
    for (const { number, queue } of [...this.#waiting.values()]) {
      this.#fail(number, createError('BROKER_CLOSED', { queue }));
    }
  }

  #add(waiting: Waiting): void {
    const { number, timeoutMs, deadlineMs } = waiting;
    this.#waiting.set(number, waiting);
    const line = this.#lines.get(timeoutMs);
    if (line === undefined) this.#lines.set(timeoutMs, new Map([[number, waiting]]));
    else line.set(number, waiting);
    if (this.#timer === undefined || deadlineMs < this.#timer.dueMs) this.#arm(deadlineMs);
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number);
    if (waiting === undefined) return undefined;
    this.#waiting.delete(number);
    const line = this.#lines.get(waiting.timeoutMs);
    line?.delete(number);
    if (line?.size === 0) this.#lines.delete(waiting.timeoutMs);
    if (this.#waiting.size === 0) this.#rest();
    return waiting;
  }

  /** Nobody waits, so the process may end. */
  #rest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #fail(number: number, error: unknown): void {
    this.#take(number)?.reject(error);
  }

  #arm(dueMs: number): void {
    this.#timer?.cancel();
    const delayMs = Math.max(0, dueMs - this.#clock.monotonicMs());
    // Somebody waits for the reply, and so for this.
    const cancel = this.#clock.schedule(delayMs, () => this.#expire(), 'keep-alive');
    this.#timer = { dueMs, cancel };
  }

  #expire(): void {
    this.#timer = undefined;
    const nowMs = this.#clock.monotonicMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const line of [...this.#lines.values()]) {
      for (const waiting of line.values()) {
        if (waiting.deadlineMs > nowMs) {
          nextMs = Math.min(nextMs, waiting.deadlineMs);
          break;
        }
        this.#timeOut(waiting);
      }
    }
    if (nextMs !== Number.POSITIVE_INFINITY) this.#arm(nextMs);
  }

  #timeOut({ number, queue, timeoutMs }: Waiting): void {
    this.#counts.timedOut += 1;
    this.#fail(number, createError('REQUEST_TIMED_OUT', { queue, timeoutMs }));
  }
}
