/**
 * The two clocks of the model: the true time, which goes on over all lives, and the wall clock,
 * which jumps. What follows from them for sure, and what may be.
 */

import type { SimClock } from '../support/sim-clock.js';
import type { MessageLedger, Moment } from './queue-ledger.js';

interface WallJump {
  readonly at: Moment;
  readonly byMs: number;
}

export class QueueTimes {
  readonly #clock: SimClock;
  readonly #jumps: WallJump[] = [];
  #tick = 0;
  #life = 0;

  constructor(clock: SimClock) {
    this.#clock = clock;
  }

  get life(): number {
    return this.#life;
  }

  beginLife(): void {
    this.#life += 1;
  }

  /** Another moment: nothing else happens at it. */
  now(): Moment {
    this.#tick += 1;
    return {
      tick: this.#tick,
      life: this.#life,
      monotonicMs: this.#clock.monotonicMs(),
      wallMs: this.#clock.nowMs(),
    };
  }

  jumpWall(byMs: number): void {
    this.#jumps.push({ at: this.now(), byMs });
    this.#clock.jumpWall(byMs);
  }

  hasJumpedSince({ tick }: Moment): boolean {
    return this.#jumps.some(({ at }) => at.tick >= tick);
  }

  /** The wall clock had jumped in that life, before. */
  hasJumpedIn({ life, tick }: Moment): boolean {
    return this.#jumps.some(({ at }) => at.life === life && at.tick <= tick);
  }

  /** A jump that came before may be doubted still, so that time seems to stand still. */
  hasJumpedInLifeOrSince(moment: Moment): boolean {
    return this.hasJumpedSince(moment) || this.#jumps.some(({ at }) => at.life === this.#life);
  }

  /** The latest that the wall clock has said between these. */
  latestWallMs(since: Moment, now: Moment): number {
    const before = this.#jumps.filter(({ at }) => at.tick >= since.tick).map(({ at }) => at.wallMs);
    return Math.max(now.wallMs, ...before);
  }

  /** Both were stored, the one so soon behind the other that its id was known. */
  areSurelyDuplicates(one: MessageLedger, other: MessageLedger): boolean {
    const windowMs = one.queue.terms.deduplicationWindowMs ?? 0;
    const [first, last] = one.askedAt.tick < other.askedAt.tick ? [one, other] : [other, one];
    if (first.answeredAt === undefined || last.answeredAt === undefined) return false;
    if (this.hasJumpedInLifeOrSince(first.askedAt)) return false;
    return last.answeredAt.monotonicMs - first.askedAt.monotonicMs < windowMs;
  }

  /** The id of the one may have been known when the other was sent. */
  mayBeDuplicates(first: MessageLedger, last: MessageLedger, now: Moment): boolean {
    const windowMs = first.queue.terms.deduplicationWindowMs ?? 0;
    if (this.hasJumpedInLifeOrSince(first.askedAt)) return true;
    const known = first.answeredAt?.monotonicMs ?? now.monotonicMs;
    return last.askedAt.monotonicMs - known <= windowMs;
  }

  /** Its time may be over, by one of the clocks. */
  mayBeExpired({ ttlMs, askedAt }: MessageLedger, now: Moment): boolean {
    if (ttlMs === undefined) return false;
    if (now.monotonicMs - askedAt.monotonicMs >= ttlMs) return true;
    return this.latestWallMs(askedAt, now) - askedAt.wallMs >= ttlMs;
  }
}
