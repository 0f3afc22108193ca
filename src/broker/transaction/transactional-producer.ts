/**
 * A producer with a transactional id: one at a time has it, whoever takes it next fences the other.
 *
 * It sends in transactions alone, one after the other. A process that was thought dead and comes
 * back finds its transaction undone, and begins no new one.
 */

import { createError } from '../../base/errors.js';
import type { OpenTransaction } from './open-transaction.js';
import type { TransactionWork } from './transaction.js';
import { transactionFenced, transactionRunning } from './transaction-errors.js';
import type { TransactionOptions } from './transaction-options.js';

interface Running {
  readonly transaction: OpenTransaction;
  readonly ended: Promise<unknown>;
}

/** What such a producer needs of its broker. */
export interface TransactionalHome {
  begin<T>(
    work: TransactionWork<T>,
    options: TransactionOptions,
  ): { readonly transaction: OpenTransaction; readonly ended: Promise<T> };
  /** Who had the id until now. */
  readonly before: TransactionalProducer | undefined;
  closed(): void;
}

export class TransactionalProducer {
  readonly transactionalId: string;
  readonly #home: TransactionalHome;
  /** Resolves when what the one before had under way has ended. */
  readonly #ready: Promise<void>;
  #running: Running | undefined;
  #isStarting = false;
  #isFenced = false;
  #isClosed = false;

  /** @internal */
  constructor(transactionalId: string, home: TransactionalHome) {
    this.transactionalId = transactionalId;
    this.#home = home;
    this.#ready = home.before?.fence() ?? Promise.resolve();
  }

  /** Another producer has the id. */
  get isFenced(): boolean {
    return this.#isFenced;
  }

  /**
   * As `Broker.transaction`; rejects with PRODUCER_FENCED once another producer has the id, also
   * in the middle of the work, and with TRANSACTION_STATE_INVALID while another transaction of this
   * one runs.
   */
  async transaction<T>(work: TransactionWork<T>, options: TransactionOptions = {}): Promise<T> {
    this.#check();
    if (this.#isStarting || this.#running !== undefined) {
      throw transactionRunning(this.transactionalId);
    }
    this.#isStarting = true;
    try {
      await this.#ready;
      this.#check();
      const running = this.#home.begin(work, options);
      this.#running = running;
      return await running.ended;
    } finally {
      this.#isStarting = false;
      this.#running = undefined;
    }
  }

  /** Gives up the id when what runs has ended, well or not. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running?.ended.catch(ignore);
    this.#home.closed();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal Ends what it has under way; resolves when that has its end. */
  async fence(): Promise<void> {
    this.#isFenced = true;
    await this.#ready;
    const running = this.#running;
    running?.transaction.interrupt(transactionFenced(this.transactionalId));
    await running?.ended.catch(ignore);
  }

  #check(): void {
    if (this.#isFenced) throw transactionFenced(this.transactionalId);
    const { transactionalId } = this;
    if (this.#isClosed) throw createError('PRODUCER_CLOSED', { transactionalId });
  }
}

function ignore(): void {}
