/**
 * The messages that a worker has taken and no handler has begun, and the receive that brings more.
 *
 * There is one receive at a time. It is begun when half of the room is free, so that it goes on
 * while handlers run, and brings many at once. A receive that is not wanted any more is ended; what
 * it brings all the same goes back.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { WorkerBuffer } from './queue-worker-buffer.js';
import { isPassing, type WorkerEndings } from './queue-worker-endings.js';
import { WorkerPrefetch } from './queue-worker-prefetch.js';
import type { WorkerMember, WorkMessage } from './queue-worker-source.js';

export interface IntakeEvents {
  /** There may be messages now. */
  arrived(): void;
  /** Nothing can be received now; it will be tried again. */
  delayed(cause: unknown): void;
  failed(error: unknown): void;
}

/** What the worker could begin now. */
export interface IntakeRoom {
  /** Handlers; what is taken ahead comes on top of it. */
  readonly handlers: number;
  /** No more than this, whatever is taken ahead. */
  readonly messagesMax: number;
  readonly takesAhead: boolean;
}

/** How long a receive waits. */
const POLL_MS = 20_000;
/** How long nothing is asked for after a failure that passes. */
const PAUSE_MS = 500;

export class WorkerIntake<Message extends WorkMessage> {
  readonly buffer = new WorkerBuffer<Message>();
  readonly #clock: Clock;
  readonly #endings: WorkerEndings<Message>;
  readonly #events: IntakeEvents;
  readonly #prefetch: WorkerPrefetch;
  #member: WorkerMember<Message> | undefined;
  #unwanted = new AbortController();
  #receiving: Promise<void> | undefined;
  #cancelPause: Cancel | undefined;
  /** Whether leases have ended since the receive was begun. */
  #hasLost = false;
  #isOpen = true;

  constructor(clock: Clock, endings: WorkerEndings<Message>, events: IntakeEvents) {
    this.#clock = clock;
    this.#endings = endings;
    this.#events = events;
    this.#prefetch = new WorkerPrefetch(clock.monotonicMs());
  }

  /** Whether messages may be asked for: a member is there, and has nothing to do. */
  get mayAsk(): boolean {
    if (this.#receiving !== undefined || this.#cancelPause !== undefined) return false;
    return this.#member !== undefined && this.#isOpen;
  }

  start(member: WorkerMember<Message>): void {
    this.#member = member;
  }

  /** A handler was begun. */
  began(): void {
    this.#prefetch.began(1);
  }

  /** Asks for messages, if there is room for enough of them. */
  ask({ handlers, messagesMax, takesAhead }: IntakeRoom): void {
    const member = this.#member;
    if (member === undefined || !this.mayAsk) return;
    this.#prefetch.look(this.#clock.monotonicMs());
    const ahead = takesAhead ? this.#prefetch.count : 0;
    const room = Math.min(handlers + ahead, messagesMax);
    const max = room - this.buffer.count;
    if (max <= 0 || 2 * max < room) return;
    this.#receiving = this.#receive(member, max);
  }

  /** Leases have ended: what is lost goes, also what is still on its way. */
  dropLost(): void {
    this.#hasLost = true;
    this.buffer.removeIf((message) => !this.#endings.isHeld(message));
  }

  /** Ends the receive, and gives back what no handler has begun. */
  giveBack(): void {
    this.#unwanted.abort();
    this.#unwanted = new AbortController();
    this.#endings.withdraw(this.buffer.empty(), 0);
  }

  /** Takes nothing any more. */
  close(): void {
    this.#isOpen = false;
    this.#cancelPause?.();
    this.giveBack();
  }

  /** Resolves when no receive is under way. */
  async idle(): Promise<void> {
    await this.#receiving;
  }

  async #receive(member: WorkerMember<Message>, max: number): Promise<void> {
    const { signal } = this.#unwanted;
    this.#hasLost = false;
    let messages: readonly Message[] = [];
    let failure: { readonly error: unknown } | undefined;
    try {
      messages = await member.receive({ max, waitMs: POLL_MS, signal });
    } catch (error) {
      if (!signal.aborted) failure = { error };
    }
    this.#receiving = undefined;
    if (failure !== undefined) {
      this.#refused(failure.error);
      return;
    }
    if (signal.aborted) this.#endings.withdraw(messages, 0);
    else if (messages.length > 0) this.buffer.add(messages);
    if (this.#hasLost) this.dropLost();
    this.#events.arrived();
  }

  /** A disk that is full may have room later; nothing was handed out. */
  #refused(error: unknown): void {
    if (!isPassing(error)) {
      this.#events.failed(error);
      return;
    }
    this.#events.delayed(error);
    if (!this.#isOpen) return;
    this.#cancelPause = this.#clock.schedule(PAUSE_MS, () => {
      this.#cancelPause = undefined;
      this.#events.arrived();
    });
  }
}
