/**
 * A circuit breaker: when most calls fail, none are made for a while.
 *
 *     closed      calls are made; the last `calls` of them are counted
 *     open        none are made until `openMs` have passed
 *     half-open   `probes` calls are made, and decide
 *
 * {@link breakerMoves} is the whole of it. Results of calls that were begun in an earlier state
 * count for nothing: they tell how things were.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { type GivenOptions, optionTable, type ResolvedOptions } from '../../base/options.js';

export const breakerOptionTable = optionTable({
  failureRatio: {
    unit: 'of the calls',
    isFraction: true,
    default: 0.5,
    min: 0.000_001,
    max: 1,
    doc: 'The share of the last calls that must have failed for the circuit to open.',
  },
  calls: {
    unit: 'calls',
    default: 20,
    min: 1,
    max: 10_000,
    doc: 'How many of the last calls are looked at; it never opens before there are so many.',
  },
  openMs: {
    unit: 'milliseconds',
    default: 30_000,
    min: 1,
    max: 24 * 60 * 60 * 1000,
    doc: 'How long the circuit stays open.',
  },
  probes: {
    unit: 'calls',
    default: 1,
    min: 1,
    max: 1_000,
    doc: 'How many calls must succeed, one failing none, for the circuit to close again.',
  },
});

export type CircuitBreakerOptions = GivenOptions<typeof breakerOptionTable>;
export type CircuitBreakerConfig = ResolvedOptions<typeof breakerOptionTable>;

export type BreakerState = 'closed' | 'open' | 'half-open';

export type BreakerEvent =
  /** A call of this state succeeded; `enough`: as many as it takes have. */
  | 'success'
  | 'enough'
  /** A call of this state failed; `too-many`: too many of the last ones have. */
  | 'failure'
  | 'too-many'
  /** `openMs` have passed. */
  | 'rested';

type Row = Readonly<Record<BreakerEvent, BreakerState>>;

/** What each event makes of each state. An open circuit has no calls of its own. */
export const breakerMoves: Readonly<Record<BreakerState, Row>> = Object.freeze({
  closed: {
    success: 'closed',
    enough: 'closed',
    failure: 'closed',
    'too-many': 'open',
    rested: 'closed',
  },
  open: {
    success: 'open',
    enough: 'open',
    failure: 'open',
    'too-many': 'open',
    rested: 'half-open',
  },
  'half-open': {
    success: 'half-open',
    enough: 'closed',
    failure: 'open',
    'too-many': 'open',
    rested: 'half-open',
  },
});

/** Proof that a call was begun, and in which state. */
export type CallPermit = number;

export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #config: CircuitBreakerConfig;
  readonly #changed: (state: BreakerState, before: BreakerState) => void;
  /** Of the last calls: 1 for one that failed. */
  readonly #outcomes: Uint8Array;
  #state: BreakerState = 'closed';
  /** Rises with each change of the state. */
  #era = 0;
  #openedMs = 0;
  #counted = 0;
  #failures = 0;
  #slot = 0;
  /** Of a half-open circuit. */
  #begun = 0;
  #succeeded = 0;

  /** `changed` is told of each change, after it. */
  constructor(
    clock: Clock,
    config: CircuitBreakerConfig,
    changed: (state: BreakerState, before: BreakerState) => void,
  ) {
    this.#clock = clock;
    this.#config = config;
    this.#changed = changed;
    this.#outcomes = new Uint8Array(config.calls);
  }

  get state(): BreakerState {
    this.#rest();
    return this.#state;
  }

  /**
   * How long until a call may be made, in milliseconds: 0 when it may now, infinite when it takes
   * the result of a call that is under way.
   */
  get delayMs(): number {
    this.#rest();
    if (this.#state === 'closed') return 0;
    if (this.#state === 'half-open') {
      return this.#begun < this.#config.probes ? 0 : Number.POSITIVE_INFINITY;
    }
    return Math.max(1, this.#openedMs + this.#config.openMs - this.#clock.monotonicMs());
  }

  /** How many calls may be made now. */
  get room(): number {
    this.#rest();
    if (this.#state === 'closed') return Number.POSITIVE_INFINITY;
    return this.#state === 'open' ? 0 : this.#config.probes - this.#begun;
  }

  /** A call is made; only when `delayMs` is 0. Its result is due, in one of the next three. */
  begin(): CallPermit {
    assert(this.delayMs === 0, 'a call may be made');
    if (this.#state === 'half-open') this.#begun += 1;
    return this.#era;
  }

  succeed(permit: CallPermit): void {
    if (permit !== this.#era) return;
    if (this.#state === 'closed') this.#count(0);
    else this.#succeeded += 1;
    this.#move(this.#succeeded >= this.#config.probes ? 'enough' : 'success');
  }

  fail(permit: CallPermit): void {
    if (permit !== this.#era) return;
    if (this.#state === 'closed') this.#count(1);
    const { calls, failureRatio } = this.#config;
    const isTooMany = this.#counted === calls && this.#failures >= failureRatio * calls;
    this.#move(isTooMany ? 'too-many' : 'failure');
  }

  /** The call has ended without telling anything: it was given up. */
  giveUp(permit: CallPermit): void {
    if (permit === this.#era && this.#state === 'half-open') this.#begun -= 1;
  }

  #rest(): void {
    if (this.#state !== 'open') return;
    if (this.#clock.monotonicMs() - this.#openedMs >= this.#config.openMs) this.#move('rested');
  }

  #count(failure: 0 | 1): void {
    const slot = this.#slot;
    if (this.#counted === this.#config.calls) this.#failures -= this.#outcomes[slot] ?? 0;
    else this.#counted += 1;
    this.#outcomes[slot] = failure;
    this.#failures += failure;
    this.#slot = (slot + 1) % this.#config.calls;
  }

  #move(event: BreakerEvent): void {
    const before = this.#state;
    const state = breakerMoves[before][event];
    if (state === before) return;
    this.#state = state;
    this.#era += 1;
    this.#counted = 0;
    this.#failures = 0;
    this.#slot = 0;
    this.#begun = 0;
    this.#succeeded = 0;
    if (state === 'open') this.#openedMs = this.#clock.monotonicMs();
    this.#changed(state, before);
  }
}
