/**
 * How messages have ended, on the way to where it is stored.
 *
 * What is acknowledged in one turn goes as one list. When the disk is full, or the like, that is
 * tried again until it is stored: in memory its messages are over already, so nobody gets them
 * meanwhile. Receipts that are refused are no failure: the message is somebody else's.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { MillraceError } from '../../base/errors.js';
import type {
  MessageRelease,
  RejectReason,
  WorkerSource,
  WorkMessage,
} from './queue-worker-source.js';

export interface EndingEvents {
  /** Could not be stored now; it will be tried again. */
  delayed(messages: number, cause: unknown): void;
  /** Something was stored, so there is room. */
  stored(): void;
  /** Cannot be stored. */
  failed(error: unknown): void;
}

const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 5_000;

type Refused<Message> = Promise<readonly Message[]>;

/** Messages that were acknowledged in this turn. */
interface Turn<Message> {
  readonly messages: Message[];
  readonly stored: Refused<Message>;
}

export class WorkerEndings<Message extends WorkMessage> {
  readonly #source: WorkerSource<Message>;
  readonly #clock: Clock;
  readonly #events: EndingEvents;
  #turn: Turn<Message> | undefined;
  #outstanding = 0;
  #idleWaiters: (() => void)[] = [];
  /** Who pauses before the next try, and how the pause is ended. */
  readonly #pauses = new Map<() => void, Cancel>();
  #isClosed = false;

  constructor(source: WorkerSource<Message>, clock: Clock, events: EndingEvents) {
    this.#source = source;
    this.#clock = clock;
    this.#events = events;
  }

  /** Messages whose end is not stored yet. */
  get outstanding(): number {
    return this.#outstanding;
  }

  isHeld(message: Message): boolean {
    return this.#source.isHeld(message);
  }

  /** With all others of this turn. Rejects only with what cannot be stored, as all of these do. */
  acknowledge(message: Message): Refused<Message> {
    this.#turn ??= this.#beginTurn();
    this.#turn.messages.push(message);
    this.#outstanding += 1;
    return this.#turn.stored;
  }

  release(messages: readonly Message[], how: MessageRelease): Refused<Message> {
    return this.#begin(messages, () => {
      return this.#once(messages, this.#source.release(messages, how));
    });
  }

  /** A message that cannot be moved to the dead letters comes again, later. */
  reject(message: Message, why: RejectReason): Refused<Message> {
    const messages = [message];
    return this.#begin(messages, async () => {
      try {
        return await this.#source.reject(message, why);
      } catch (error) {
        if (isPassing(error)) throw error;
        const how = { delayMs: PAUSE_MS_MAX, isFailure: true, error };
        const refused = await this.#source.release(messages, how);
        this.#events.delayed(1, error);
        return refused;
      }
    });
  }

  extend(message: Message, leaseMs: number): Refused<Message> {
    return this.#source.extend([message], leaseMs);
  }

  /** No handler has seen these. */
  withdraw(messages: readonly Message[], delayMs: number): void {
    if (messages.length === 0) return;
    this.#begin(messages, () => {
      const withdrawn = this.#source.withdraw(messages, delayMs).then(() => []);
      return this.#once(messages, withdrawn);
    });
  }

  /** Resolves when everything is stored. */
  idle(): Promise<void> {
    if (this.#outstanding === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** Tries nothing again from now on. */
  close(): void {
    this.#isClosed = true;
    for (const [resume, cancel] of this.#pauses) {
      cancel();
      resume();
    }
    this.#pauses.clear();
  }

  #beginTurn(): Turn<Message> {
    const messages: Message[] = [];
    const stored = Promise.resolve().then(() => {
      this.#turn = undefined;
      return this.#store(messages, () => this.#source.acknowledge(messages));
    });
    stored.catch(ignore);
    return { messages, stored };
  }

  #begin(messages: readonly Message[], store: () => Refused<Message>): Refused<Message> {
    this.#outstanding += messages.length;
    const stored = this.#store(messages, store);
    stored.catch(ignore);
    return stored;
  }

  async #store(
    messages: readonly Message[],
    store: () => Refused<Message>,
  ): Promise<readonly Message[]> {
    try {
      return await this.#persist(messages, store);
    } catch (error) {
      // What passes was not waited for any longer.
      if (!isPassing(error)) this.#events.failed(error);
      throw error;
    } finally {
      this.#outstanding -= messages.length;
      if (this.#outstanding === 0) for (const resolve of this.#idleWaiters.splice(0)) resolve();
      this.#events.stored();
    }
  }

  /**
   * What goes back has left at once: a second time it would be somebody else's. What could not be
   * stored is its counts, which go with what is stored next.
   */
  async #once(messages: readonly Message[], stored: Refused<Message>): Promise<readonly Message[]> {
    try {
      return await stored;
    } catch (error) {
      if (!isPassing(error)) throw error;
      this.#events.delayed(messages.length, error);
      return [];
    }
  }

  async #persist(messages: readonly Message[], store: () => Refused<Message>) {
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MS_MAX)) {
      try {
        return await store();
      } catch (error) {
        if (this.#isClosed || !isPassing(error)) throw error;
        this.#events.delayed(messages.length, error);
        await this.#pause(pauseMs);
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.schedule(ms, () => {
        this.#pauses.delete(resolve);
        resolve();
      });
      this.#pauses.set(resolve, cancel);
    });
  }
}

/** Whether the same call can succeed later. */
export function isPassing(error: unknown): boolean {
  return error instanceof MillraceError && error.retryable;
}

function ignore(): void {}
