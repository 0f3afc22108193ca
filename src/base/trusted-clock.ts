/**
 * Wall time that a jump of the clock does not carry away: what is deleted by age stays deleted.
 *
 * The wall clock is compared with the monotonic one. When it has moved on by more than the
 * tolerance beyond it, the jump is not believed before the new time has held for a grace period of
 * monotonic time; until then time goes on at the monotonic rate. When it went back, that is adopted
 * at once: nothing goes early by it.
 *
 * - A correction by NTP, or a clock set by hand: believed after the grace period, or taken back.
 * - A suspended laptop: the monotonic clock of Linux stands still meanwhile, so waking looks like a
 *   jump. Each jump waits for itself: a machine that sleeps again and again is late by the grace
 *   period of waking time, and never for ever.
 * - A container restored, a virtual machine resumed: the same.
 * - What the clock says at the beginning is believed: a process that lives shorter than the grace
 *   period would otherwise never see that time has passed while nothing ran.
 */

import { assert } from './assert.js';
import type { Clock } from './clock.js';

const MINUTE_MS = 60_000;
/** How far the wall clock may run ahead between two readings and be believed at once. */
const TOLERANCE_MS = MINUTE_MS;
/** How long a jump must hold, at most. */
const GRACE_MS = 60 * MINUTE_MS;
/** Jumps that wait at once; further ones join the newest. */
const JUMPS_MAX = 16;

/** A lead of the wall clock over the monotonic one, and since when it is at least that much. */
interface Jump {
  readonly leadMs: number;
  readonly sinceMonotonicMs: number;
}

export interface ClockTrust {
  /** What is believed: wall time minus monotonic time. */
  readonly leadMs: number;
  /** What is not believed yet, rising in both fields. */
  readonly jumps: readonly Jump[];
}

export interface ClockReading {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export interface ClockPatience {
  readonly toleranceMs: number;
  readonly graceMs: number;
}

export function beginTrust({ wallMs, monotonicMs }: ClockReading): ClockTrust {
  return { leadMs: wallMs - monotonicMs, jumps: [] };
}

/** What is believed after one more reading. */
export function nextTrust(
  trust: ClockTrust,
  reading: ClockReading,
  { toleranceMs, graceMs }: ClockPatience,
): ClockTrust {
  const { monotonicMs } = reading;
  const leadMs = reading.wallMs - monotonicMs;
  if (leadMs <= trust.leadMs) return { leadMs, jumps: [] };
  // Of a jump that is taken back in part, the rest has held since then.
  const held = trust.jumps.map((jump) => ({ ...jump, leadMs: Math.min(jump.leadMs, leadMs) }));
  const known = held.at(-1)?.leadMs ?? trust.leadMs;
  if (leadMs > known + toleranceMs) {
    if (held.length === JUMPS_MAX) held.pop();
    held.push({ leadMs, sinceMonotonicMs: monotonicMs });
  }
  const matured = held.filter((jump) => monotonicMs - jump.sinceMonotonicMs >= graceMs);
  const jumps = held.slice(matured.length);
  const believed = Math.max(trust.leadMs, matured.at(-1)?.leadMs ?? trust.leadMs);
  // Without a jump that waits, the small steps of a clock that is steered are followed.
  return { leadMs: jumps.length === 0 ? leadMs : believed, jumps };
}

/** A change that somebody should hear of. */
export interface ClockJump {
  readonly kind: 'doubted' | 'believed' | 'went-back';
  /** How far the wall clock is ahead of what was believed; negative when it went back. */
  readonly jumpMs: number;
}

export class TrustedClock {
  readonly #clock: Clock;
  readonly #onJump: (jump: ClockJump) => void;
  #trust: ClockTrust;

  constructor(clock: Clock, onJump: (jump: ClockJump) => void) {
    this.#clock = clock;
    this.#onJump = onJump;
    this.#trust = beginTrust(this.#read());
  }

  /**
   * The wall time to decide by, milliseconds since 1970; at most what the wall clock says. What
   * goes at `limitMs` of age has reached it after that much steady time anyway, so a jump is not
   * doubted for longer.
   */
  nowMs(limitMs: number): number {
    assert(limitMs > 0, 'an age limit is positive');
    const before = this.#trust;
    const reading = this.#read();
    const toleranceMs = Math.min(TOLERANCE_MS, limitMs / 4);
    const graceMs = Math.min(GRACE_MS, limitMs);
    this.#trust = nextTrust(before, reading, { toleranceMs, graceMs });
    this.#publish(before, this.#trust, reading, toleranceMs);
    return Math.floor(reading.monotonicMs + this.#trust.leadMs);
  }

  #publish(before: ClockTrust, after: ClockTrust, reading: ClockReading, tolerance: number): void {
    const jumpMs = Math.round(reading.wallMs - reading.monotonicMs - before.leadMs);
    const newest = after.jumps.at(-1);
    if (jumpMs < -tolerance) this.#onJump({ kind: 'went-back', jumpMs });
    else if (newest?.sinceMonotonicMs === reading.monotonicMs) {
      this.#onJump({ kind: 'doubted', jumpMs });
    } else if (after.leadMs > before.leadMs + tolerance) this.#onJump({ kind: 'believed', jumpMs });
  }

  #read(): ClockReading {
    return { wallMs: this.#clock.nowMs(), monotonicMs: this.#clock.monotonicMs() };
  }
}
