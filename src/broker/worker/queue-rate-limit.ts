/**
 * What becomes of a message that comes when the rate is used up.
 *
 *     wait     none is taken from the queue before there is a token for it
 *     delay    it goes back until a token of its own has come in, at no cost to its counts
 *     drop     it is acknowledged, when its priority is below the bound; else it waits
 */

import type { Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import type { RateLimitConfig } from '../process/process-options.js';
import type { QueueRateConfig } from './queue-worker-options.js';

/** What a handler may do with a message without a token. */
export type OverRate = 'wait' | 'delay' | 'drop';

export class RateLimit {
  readonly #clock: Clock;
  readonly #config: QueueRateConfig;
  /** Up to here the tokens to come are promised to messages that were delayed. */
  #promisedMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, config: QueueRateConfig) {
    this.#clock = clock;
    this.#config = config;
  }

  /** The same for a gate. */
  get tokens(): RateLimitConfig {
    const { count, perMs, burst } = this.#config;
    return { records: count, perMs, burst };
  }

  /** Whether messages are taken also while there are no tokens. */
  get isTakingOver(): boolean {
    return (
      limitOf(this.#config.count) < Number.POSITIVE_INFINITY && this.#config.onLimit !== 'wait'
    );
  }

  over(priority: number): OverRate {
    const { onLimit, dropBelowPriority } = this.#config;
    if (onLimit === 'drop' && priority >= limitOf(dropBelowPriority)) return 'wait';
    return onLimit;
  }

  /**
   * How long a message is delayed, when the next token comes in `nextMs`: each gets a token that
   * was not promised to another.
   */
  delayMs(nextMs: number): number {
    const { count, perMs } = this.#config;
    const nowMs = this.#clock.monotonicMs();
    const promisedMs = Math.max(nowMs + nextMs, this.#promisedMs + perMs / limitOf(count));
    this.#promisedMs = promisedMs;
    return Math.ceil(promisedMs - nowMs);
  }
}
