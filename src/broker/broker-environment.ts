/**
 * The outside of a broker, injected as one value: storage, clock and randomness.
 *
 * Production uses the system's; the simulation brings a disk that forgets, a clock that is moved
 * and a seed.
 */

import { type Clock, systemClock } from '../base/clock.js';
import { randomSeed } from '../base/prng.js';
import { type LogEnvironment, systemEnvironment } from '../storage/main.js';

export interface BrokerEnvironment {
  readonly storage: LogEnvironment;
  readonly clock: Clock;
  /** A seed for a generator that keeps no secrets. */
  readonly newSeed: () => number;
}

export const systemBrokerEnvironment: BrokerEnvironment = Object.freeze({
  storage: systemEnvironment,
  clock: systemClock,
  newSeed: randomSeed,
});
