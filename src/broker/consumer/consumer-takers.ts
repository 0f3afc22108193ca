/**
 * Who waits for the next batch of a consumer, in the order of the calls.
 *
 * What is ready goes before what went wrong, and that before the end. While somebody waits the
 * process stays alive.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import type { FetchedBatch } from './consumer-lease.js';

interface Taker {
  resolve(fetched: FetchedBatch | undefined): void;
  reject(error: unknown): void;
}

const HOLD_MS = 24 * 60 * 60 * 1000;
/** Partitions whose errors nobody has asked for yet; more than so many say nothing new. */
const ERRORS_MAX = 1_000;

export class ConsumerTakers {
  readonly #clock: Clock;
  readonly #ready: () => FetchedBatch | undefined;
  readonly #waiting = new Set<Taker>();
  /** Each is told once. */
  readonly #errors: unknown[] = [];
  /** Told to everybody from then on. */
  #final: { readonly error: unknown } | undefined;
  #isEnded = false;
  #hold: Cancel | undefined;

  constructor(clock: Clock, ready: () => FetchedBatch | undefined) {
    this.#clock = clock;
    this.#ready = ready;
  }

  take(signal: AbortSignal | undefined): Promise<FetchedBatch | undefined> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    if (this.#isEnded) return Promise.resolve(undefined);
    const fetched = this.#ready();
    if (fetched !== undefined) return Promise.resolve(fetched);
    if (this.#errors.length > 0) return Promise.reject(this.#errors.shift());
    if (this.#final !== undefined) return Promise.reject(this.#final.error);
    return this.#wait(signal);
  }

  /** There is something ready. */
  arrived(): void {
    for (const taker of this.#waiting) {
      const fetched = this.#ready();
      if (fetched === undefined) return;
      taker.resolve(fetched);
    }
  }

  /** The next one to take is told, once. */
  fail(error: unknown): void {
    for (const taker of this.#waiting) {
      taker.reject(error);
      return;
    }
    if (this.#errors.length < ERRORS_MAX) this.#errors.push(error);
  }

  /** Everybody is told from now on. */
  breakOff(error: unknown): void {
    this.#final ??= { error };
    for (const taker of [...this.#waiting]) taker.reject(error);
  }

  /** Nothing more comes, also of what is ready. */
  end(): void {
    this.#isEnded = true;
    for (const taker of [...this.#waiting]) taker.resolve(undefined);
  }

  #wait(signal: AbortSignal | undefined): Promise<FetchedBatch | undefined> {
    this.#hold ??= this.#clock.schedule(HOLD_MS, () => this.#holdAgain(), 'keep-alive');
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(taker);
        signal?.removeEventListener('abort', aborted);
        if (this.#waiting.size === 0) this.#letGo();
      };
      const aborted = (): void => taker.reject(signal?.reason);
      const taker: Taker = {
        resolve: (fetched) => {
          leave();
          resolve(fetched);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
      };
      signal?.addEventListener('abort', aborted);
      this.#waiting.add(taker);
    });
  }

  #holdAgain(): void {
    this.#hold = this.#clock.schedule(HOLD_MS, () => this.#holdAgain(), 'keep-alive');
  }

  #letGo(): void {
    this.#hold?.();
    this.#hold = undefined;
  }
}
