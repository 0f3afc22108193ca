/**
 * Whether one more handler may start: concurrency, rate limit and circuit breaker together.
 *
 * When none may, the gate wakes its owner as soon as time alone changes that; the end of a handler
 * the owner sees by itself.
 */

import { assert } from '../../base/assert.js';
import type { Cancel, Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import { TokenBucket } from '../../base/token-bucket.js';
import { type BreakerState, type CallPermit, CircuitBreaker } from './circuit-breaker.js';
import type { ProcessConfig, RateLimitConfig } from './process-options.js';

export interface GateEvents {
  /** A handler may start now. */
  wake(): void;
  breakerChanged(state: BreakerState, before: BreakerState): void;
}

export type GateConfig = Pick<ProcessConfig, 'circuitBreaker' | 'concurrency' | 'rateLimit'>;

/** How a call ended; one that was given up tells nothing of how calls go. */
export type CallEnd = 'success' | 'failure' | 'given up';

export class ProcessGate {
  readonly #clock: Clock;
  readonly #concurrency: number;
  readonly #wake: () => void;
  readonly #breaker: CircuitBreaker | undefined;
  readonly #bucket: TokenBucket | undefined;
  #running = 0;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, config: GateConfig, events: GateEvents) {
    const { circuitBreaker, concurrency, rateLimit } = config;
    this.#clock = clock;
    this.#concurrency = concurrency;
    this.#wake = () => {
      this.#cancel = undefined;
      events.wake();
    };
    this.#bucket = bucketOf(clock, rateLimit);
    if (circuitBreaker === undefined) return;
    this.#breaker = new CircuitBreaker(clock, circuitBreaker, (state, before) => {
      events.breakerChanged(state, before);
    });
  }

  get runningCount(): number {
    return this.#running;
  }

  get breakerState(): BreakerState {
    return this.#breaker?.state ?? 'closed';
  }

  /** How many handlers may start now, but for the rate. */
  get room(): number {
    return Math.min(this.#concurrency - this.#running, this.#breaker?.room ?? this.#concurrency);
  }

  /** How many more handlers the rate allows now; infinite without a limit. */
  get tokens(): number {
    return this.#bucket?.count ?? Number.POSITIVE_INFINITY;
  }

  /** How long until the rate allows so many more, in milliseconds. */
  tokenDelayMs(count: number): number {
    return this.#bucket?.delayForMs(count) ?? 0;
  }

  /**
   * Whether a handler may start; if only time is missing, `wake` is called then. What the rate says
   * may be left out of account: whoever starts one asks for `tokens` then.
   */
  mayBegin(rate: 'heeded' | 'ignored' = 'heeded'): boolean {
    if (this.#running >= this.#concurrency) return false;
    const tokenDelayMs = rate === 'heeded' ? this.tokenDelayMs(1) : 0;
    const delayMs = Math.max(this.#breaker?.delayMs ?? 0, tokenDelayMs);
    if (delayMs === 0) return true;
    if (Number.isFinite(delayMs)) this.#cancel ??= this.#clock.schedule(delayMs, this.#wake);
    return false;
  }

  /** A handler starts; only when it may. */
  begin(): CallPermit {
    assert(this.#running < this.#concurrency, 'handlers are bounded');
    this.#running += 1;
    this.#bucket?.take(1);
    return this.#breaker?.begin() ?? 0;
  }

  end(permit: CallPermit, how: CallEnd): void {
    assert(this.#running > 0, 'a handler that ends was begun');
    this.#running -= 1;
    if (how === 'success') this.#breaker?.succeed(permit);
    else if (how === 'failure') this.#breaker?.fail(permit);
    else this.#breaker?.giveUp(permit);
  }

  /** Wakes nobody any more. */
  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}

function bucketOf(clock: Clock, { records, perMs, burst }: RateLimitConfig) {
  const count = limitOf(records);
  if (!Number.isFinite(count)) return undefined;
  return new TokenBucket(clock, (count * 1000) / perMs, burst === 'auto' ? count : burst);
}
