/**
 * What a queue says about itself: what it holds, what has happened, and how fast.
 *
 * Counters begin when the queue is opened in this process. Rates are averages over about the last
 * minute: a sample of the counters is kept now and then, when messages are taken or statistics are
 * asked for, and compared with the oldest one of that minute.
 */

import type { GroupCounts } from './queue-group.js';

export interface QueueRates {
  /** Messages a second. */
  readonly sentPerSecond: number;
  readonly deliveredPerSecond: number;
  readonly acknowledgedPerSecond: number;
}

export interface QueueStats {
  readonly queue: string;
  /** Messages that can be received now. */
  readonly depth: number;
  /** Messages that consumers have. */
  readonly inFlight: number;
  readonly inFlightBytes: number;
  /** Messages that were received and wait for another try. */
  readonly waiting: number;
  /** Messages that wait for the time that they were sent with. */
  readonly delayed: number;
  /** When the next of them can be received, in milliseconds since 1970. */
  readonly nextDelayedMs: number | undefined;
  /** Messages on their way to the dead letters. */
  readonly dying: number;
  /** Messages in the queue of dead letters that are not done with; 0 without one. */
  readonly dead: number;
  /** All that is not done with. */
  readonly length: number;
  /** Of them in bytes; undefined where `lengthBytesMax` and `lengthMax` are unlimited. */
  readonly lengthBytes: number | undefined;
  /** Age of the oldest message that is not done with, in milliseconds; 0 without one. */
  readonly oldestAgeMs: number;
  /** Sends that wait for room. */
  readonly waitingSends: number;
  readonly sent: number;
  readonly delivered: number;
  readonly redelivered: number;
  readonly acknowledged: number;
  readonly released: number;
  /** Leases that ended by time. */
  readonly leasesExpired: number;
  /** Messages that ended otherwise than by an acknowledgement: dead letters, purged, dropped. */
  readonly archived: number;
  /** Messages whose time to live was over. */
  readonly expired: number;
  /** Messages that made room for others. */
  readonly dropped: number;
  readonly rates: QueueRates;
}

interface Sample {
  readonly atMs: number;
  readonly sent: number;
  readonly delivered: number;
  readonly acknowledged: number;
}

const WINDOW_MS = 60_000;
const SAMPLE_MS = 5_000;
const SAMPLES_MAX = WINDOW_MS / SAMPLE_MS + 1;

export class QueueRateMeter {
  /** Oldest first. */
  readonly #samples: Sample[] = [];

  constructor(nowMs: number) {
    this.#samples.push({ atMs: nowMs, sent: 0, delivered: 0, acknowledged: 0 });
  }

  /** Whether `note` would keep a sample at this monotonic time. */
  isDue(nowMs: number): boolean {
    return nowMs - (this.#samples.at(-1)?.atMs ?? 0) >= SAMPLE_MS;
  }

  note(nowMs: number, sent: number, counts: Pick<GroupCounts, 'delivered' | 'acknowledged'>): void {
    if (!this.isDue(nowMs)) return;
    const { delivered, acknowledged } = counts;
    this.#samples.push({ atMs: nowMs, sent, delivered, acknowledged });
    while (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
  }

  rates(
    nowMs: number,
    sent: number,
    counts: Pick<GroupCounts, 'delivered' | 'acknowledged'>,
  ): QueueRates {
    const base = this.#base(nowMs);
    const seconds = Math.max(nowMs - base.atMs, 1) / 1_000;
    return {
      sentPerSecond: (sent - base.sent) / seconds,
      deliveredPerSecond: (counts.delivered - base.delivered) / seconds,
      acknowledgedPerSecond: (counts.acknowledged - base.acknowledged) / seconds,
    };
  }

  /** The oldest sample of the window; the newest one when all are older. */
  #base(nowMs: number): Sample {
    const recent = this.#samples.find(({ atMs }) => nowMs - atMs <= WINDOW_MS);
    return recent ?? this.#samples.at(-1) ?? { atMs: 0, sent: 0, delivered: 0, acknowledged: 0 };
  }
}
