/**
 * The sessions of those who consume over the holder's socket: by number, bounded, and closed when
 * nothing is heard of them. A command that is killed gives its partitions back this way.
 */

import type { Cancel } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { type ConsumeOptions, ConsumeSession } from './consume-session.js';
import type { ConsumerSurroundings } from './consumer-surroundings.js';

/** A session that asks for nothing for so long is over. */
const IDLE_MS_MAX = 30_000;

interface HeldSession {
  readonly session: ConsumeSession;
  cancelIdle: Cancel;
}

export class ConsumeSessions {
  readonly #around: ConsumerSurroundings;
  readonly #sessions = new Map<number, HeldSession>();
  #lastNumber = 0;
  #opening = 0;

  constructor(around: ConsumerSurroundings) {
    this.#around = around;
  }

  /** Resolves to its number. Rejects as a consumer is refused, and with BUFFER_FULL. */
  async open(options: ConsumeOptions): Promise<number> {
    if (this.#sessions.size + this.#opening >= limits.consumeSessionsMax) {
      const expected = `at most ${limits.consumeSessionsMax} that consume over the socket`;
      throw createError('BUFFER_FULL', { expected });
    }
    this.#opening += 1;
    try {
      const session = await ConsumeSession.open(options, this.#around);
      this.#lastNumber += 1;
      const number = this.#lastNumber;
      this.#sessions.set(number, { session, cancelIdle: this.#idle(number) });
      return number;
    } finally {
      this.#opening -= 1;
    }
  }

  /** Does something with a session, which is not idle meanwhile. Throws CONSUMER_CLOSED. */
  async use<T>(number: number, work: (session: ConsumeSession) => Promise<T>): Promise<T> {
    const held = this.#sessions.get(number);
    if (held === undefined) throw createError('CONSUMER_CLOSED', { session: number });
    held.cancelIdle();
    try {
      return await work(held.session);
    } finally {
      held.cancelIdle();
      if (this.#sessions.has(number)) held.cancelIdle = this.#idle(number);
    }
  }

  /** No error when it is closed already. */
  async close(number: number): Promise<void> {
    const held = this.#sessions.get(number);
    this.#sessions.delete(number);
    held?.cancelIdle();
    await held?.session.close();
  }

  async closeAll(): Promise<void> {
    const numbers = [...this.#sessions.keys()];
    await Promise.allSettled(numbers.map((number) => this.close(number)));
  }

  #idle(number: number): Cancel {
    return this.#around.clock.schedule(IDLE_MS_MAX, () => {
      // Nobody is left to be told.
      this.close(number).catch(() => undefined);
    });
  }
}
