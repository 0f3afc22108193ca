/**
 * The system's environment with a clock that can be moved on: what takes minutes happens at once.
 */

import { systemClock } from '../src/base/clock.js';
import { systemBrokerEnvironment } from '../src/broker/broker-environment.js';
import type { BrokerEnvironment } from '../src/broker/main.js';

export class ShiftedClock {
  #shiftMs = 0;

  /** All clocks go on by so much; timers that run already do not. */
  shift(ms: number): void {
    this.#shiftMs += ms;
  }

  environment(): BrokerEnvironment {
    const clock = {
      nowMs: () => systemClock.nowMs() + Math.ceil(this.#shiftMs),
      monotonicMs: () => systemClock.monotonicMs() + this.#shiftMs,
      schedule: systemClock.schedule,
    };
    return { ...systemBrokerEnvironment, clock };
  }
}
