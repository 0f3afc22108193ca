/**
 * A worker of a queue, with handlers that return, fail, or hang, each when commands say so.
 */

import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import type { Lease, QueueLedger, ReceiveCall } from './queue-ledger.js';
import type { SeenMessage } from './queue-oracle.js';
import type { ReceiverSurroundings } from './queue-receiver.js';

/** What handlers do with a message, whoever gets it. */
export type Nature = 'good' | 'hard' | 'poison' | 'hanging';

export interface CrewMessage {
  readonly seen: SeenMessage;
  /** Moves as the worker renews the lease. */
  readonly leaseEndsMs: number;
}

export interface CrewHandle {
  stop(options: { readonly drainMs: number }): Promise<void>;
  readonly finished: Promise<void>;
}

export type CrewHandler = (message: CrewMessage, signal: AbortSignal) => Promise<void>;

export interface CrewOptions {
  readonly concurrency: number;
  readonly leaseMs: number;
  readonly retryMs: number;
  readonly natureOf: (id: string) => Nature;
  readonly start: (handler: CrewHandler) => CrewHandle;
}

interface Running {
  readonly lease: Lease;
  readonly nature: Nature;
  readonly signal: AbortSignal;
  readonly resolve: () => void;
}

const expected: readonly ErrorCode[] = ['BROKER_CLOSED', 'CONSUMER_CLOSED'];

export class QueueCrew {
  readonly name: string;
  readonly queue: QueueLedger;
  readonly #around: ReceiverSurroundings;
  readonly #options: CrewOptions;
  readonly #call: ReceiveCall;
  readonly #handle: CrewHandle;
  #running: Running[] = [];
  #isStopping = false;
  #isOver = false;

  constructor(
    around: ReceiverSurroundings,
    name: string,
    queue: QueueLedger,
    options: CrewOptions,
  ) {
    this.#around = around;
    this.name = name;
    this.queue = queue;
    this.#options = options;
    const { book, life } = around;
    // It takes messages ahead, for all of its handlers and some more.
    this.#call = book.receives(queue, {
      holder: name,
      leaseMs: options.leaseMs,
      inFlightMax: Number.POSITIVE_INFINITY,
      isCrew: true,
    });
    this.#handle = options.start((message, signal) => this.#work(message, signal));
    this.#handle.finished.then(
      () => this.#ended(),
      (error: unknown) => {
        if (life.isOver) return;
        this.#ended();
        if (!expected.some((code) => hasCode(error, code))) around.fail(`${name} ended`, error);
      },
    );
  }

  get isLive(): boolean {
    return !this.#isOver;
  }

  get isStopping(): boolean {
    return this.#isStopping;
  }

  /** Lets so many handlers that wait go on; those that hang do not. */
  work(count: number): void {
    const ready = this.#running.filter(({ nature }) => nature !== 'hanging');
    for (const { resolve } of ready.slice(0, count)) resolve();
  }

  stop(drainMs: number): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    this.#around.book.cutsShort(this.#call);
    if (drainMs > 0) this.work(Number.POSITIVE_INFINITY);
    this.#handle.stop({ drainMs }).catch((error: unknown) => {
      if (this.#around.life.isOver) return;
      if (expected.some((code) => hasCode(error, code))) return;
      this.#around.fail(`${this.name} could not stop`, error);
    });
  }

  #ended(): void {
    this.#isOver = true;
    if (!this.#around.life.isOver) this.#around.book.received(this.#call);
  }

  async #work(message: CrewMessage, signal: AbortSignal): Promise<void> {
    const { life, book } = this.#around;
    if (life.isOver) return await new Promise(() => undefined);
    const { seen } = message;
    let lease: Lease | undefined;
    this.#around.check(() => {
      const { concurrency } = this.#options;
      book.crewIsWithin(
        this.#running.length < concurrency,
        `${this.name} runs ${concurrency} more`,
      );
      [lease] = book.delivered(this.#call, [seen], () => message.leaseEndsMs);
    });
    if (lease === undefined) throw new Error('a rule was broken');
    const taken = lease;
    const nature = this.#options.natureOf(seen.value);
    const isAborted = await this.#goAhead(taken, nature, signal);
    if (life.isOver) return await new Promise(() => undefined);
    if (isAborted) throw signal.reason;
    const fails = nature === 'poison' || (nature === 'hard' && seen.failures === 0);
    if (!fails) book.leases.handlerDone(taken);
    else {
      book.leases.handlerFailed(taken, this.#options.retryMs);
      throw new Error(`the handler fails on ${seen.value}`);
    }
  }

  /** Where handlers wait for a command; true when they are told to end instead. */
  async #goAhead(lease: Lease, nature: Nature, signal: AbortSignal): Promise<boolean> {
    let running: Running | undefined;
    await new Promise<void>((resolve) => {
      running = { lease, nature, signal, resolve };
      this.#running.push(running);
      const told = (): void => {
        // Whatever the handler does from here on counts for nothing.
        this.#around.book.leases.gaveBack(lease);
        resolve();
      };
      if (signal.aborted) told();
      else signal.addEventListener('abort', told, { once: true });
    });
    this.#running = this.#running.filter((one) => one !== running);
    return signal.aborted;
  }
}
