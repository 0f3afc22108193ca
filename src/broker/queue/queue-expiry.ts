/**
 * Messages whose time to live is over: who finds them, and what becomes of them.
 *
 * A message may wait until its timestamp plus the shorter of its own time and the queue's. It is
 * looked at when it would be handed out; and, so that messages expire where nobody receives, the
 * oldest ones are looked at from time to time, up to the first whose time is not over. The wall
 * clock decides, but not one that has just jumped ahead.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { limitOf } from '../../base/options.js';
import { TrustedClock } from '../../base/trusted-clock.js';
import type { LogRecord } from '../../storage/main.js';
import type { QueueDelivery, QueueGroup } from './queue-group.js';
import { ttlMsIn } from './queue-headers.js';
import type { QueueConfig } from './queue-options.js';

/** How often the oldest messages are looked at, in milliseconds. */
export const EXPIRY_SWEEP_MS = 1_000;
const SWEEP_MESSAGES = 1_000;

export interface QueueExpiryParts {
  readonly clock: Clock;
  readonly config: () => QueueConfig;
  readonly group: Pick<QueueGroup, 'takeOldest' | 'giveBack'>;
  /** Ends them as the queue says; rejects when nothing has changed. */
  readonly end: (deliveries: readonly QueueDelivery[]) => Promise<void>;
}

export class QueueExpiry {
  readonly #parts: QueueExpiryParts;
  readonly #trusted: TrustedClock;
  #cancel: Cancel | undefined;
  #running: Promise<void> = Promise.resolve();
  /** A message with a time of its own was sent or seen. */
  #hasOwnTimes = false;
  #isClosed = false;
  #count = 0;
  readonly filter = (record: LogRecord): 'expired' | undefined => {
    return this.#isExpired(record) ? 'expired' : undefined;
  };

  constructor(parts: QueueExpiryParts) {
    this.#parts = parts;
    this.#trusted = new TrustedClock(parts.clock, ignore);
    this.look();
  }

  /** Messages whose time was over. */
  get count(): number {
    return this.#count;
  }

  /** The options may be others now, or a message has a time of its own. */
  look(hasOwnTime = false): void {
    this.#hasOwnTimes ||= hasOwnTime;
    const isOn = this.#hasOwnTimes || this.#parts.config().ttlMs !== 'unlimited';
    if (!isOn || this.#isClosed || this.#cancel !== undefined) return;
    this.#cancel = this.#parts.clock.schedule(EXPIRY_SWEEP_MS, () => {
      this.#running = this.#sweep();
    });
  }

  /** Messages that are held because their time is over. */
  async end(deliveries: readonly QueueDelivery[]): Promise<void> {
    if (deliveries.length === 0) return;
    try {
      await this.#parts.end(deliveries);
      this.#count += deliveries.length;
    } catch {
      // They are found again: a full disk has room some time, a closed queue is opened again.
      await this.#parts.group.giveBack(deliveries);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await this.#running;
  }

  async #sweep(): Promise<void> {
    try {
      // Most of the time nothing is over: then one message is looked at.
      for (let max = 1; !this.#isClosed; max = Math.min(8 * max, SWEEP_MESSAGES)) {
        const before = this.#count;
        const wanted = (record: LogRecord): boolean => this.#isExpired(record);
        const expired = await this.#parts.group.takeOldest(max, wanted);
        await this.end(expired);
        if (expired.length < max || this.#count === before) break;
      }
    } catch {
      // A log that cannot be read now tells whoever receives.
    } finally {
      this.#cancel = undefined;
      this.look();
    }
  }

  #isExpired(record: LogRecord): boolean {
    const ownMs = ttlMsIn(record.headers);
    if (ownMs !== undefined && !this.#hasOwnTimes) this.look(true);
    const ttlMs = Math.min(ownMs ?? Number.POSITIVE_INFINITY, limitOf(this.#parts.config().ttlMs));
    if (ttlMs === Number.POSITIVE_INFINITY || record.timestamp < 0) return false;
    return this.#trusted.nowMs(Math.max(ttlMs, 1)) >= record.timestamp + ttlMs;
  }
}

function ignore(): void {}
