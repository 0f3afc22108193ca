/**
 * The rate at which a producer hands records over, and who waits for its turn.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import { TokenBucket } from '../../base/token-bucket.js';
import type { ProducerConfig } from './producer-options.js';

export class ProducerPace {
  readonly #clock: Clock;
  readonly #records: TokenBucket | undefined;
  readonly #bytes: TokenBucket | undefined;
  #waiting = new Set<() => void>();
  #cancel: Cancel | undefined;

  constructor(clock: Clock, config: ProducerConfig) {
    this.#clock = clock;
    this.#records = bucketOf(clock, limitOf(config.recordsPerSecond));
    this.#bytes = bucketOf(clock, limitOf(config.bytesPerSecond));
  }

  /** Whether a batch may go now; else `wake` is called when one may, once. */
  mayGo(wake: () => void): boolean {
    const delayMs = Math.max(this.#records?.delayMs ?? 0, this.#bytes?.delayMs ?? 0);
    if (delayMs === 0) return true;
    this.#waiting.add(wake);
    // Somebody waits for what is behind it.
    this.#cancel ??= this.#clock.schedule(delayMs, () => this.#wake(), 'keep-alive');
    return false;
  }

  went(records: number, bytes: number): void {
    this.#records?.take(records);
    this.#bytes?.take(bytes);
  }

  /** Ends the timer; nobody waits any more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#waiting.clear();
  }

  #wake(): void {
    this.#cancel = undefined;
    const woken = this.#waiting;
    this.#waiting = new Set();
    for (const wake of woken) wake();
  }
}

function bucketOf(clock: Clock, perSecond: number): TokenBucket | undefined {
  return Number.isFinite(perSecond) ? new TokenBucket(clock, perSecond) : undefined;
}
