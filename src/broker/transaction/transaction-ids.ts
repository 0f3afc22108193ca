/**
 * Producer ids of transactions: a few that are used again and again, each time with the next epoch.
 *
 * An id has one transaction at a time, and the next one only when everything of the last one is
 * done. Ids are never given twice over restarts (see `producer-ids.ts`), so an epoch need not be
 * stored.
 */

import { assert } from '../../base/assert.js';
import type { TransactionIdentity } from './transaction-decision.js';

/** An abort marker has the epoch behind its transaction's: the last one begins nothing. */
const EPOCH_MAX = 2 ** 15 - 2;

export class TransactionIds {
  readonly #allot: () => Promise<{ readonly producerId: number }>;
  readonly #free: TransactionIdentity[] = [];

  /** `allot` gives an id that nobody had before. */
  constructor(allot: () => Promise<{ readonly producerId: number }>) {
    this.#allot = allot;
  }

  /** At most as many as were in use at once. */
  get freeCount(): number {
    return this.#free.length;
  }

  async take(): Promise<TransactionIdentity> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const { producerId } = await this.#allot();
    return { producerId, producerEpoch: 0 };
  }

  /** Everything of the transaction is done. */
  give({ producerId, producerEpoch }: TransactionIdentity): void {
    const isThere = this.#free.some((one) => one.producerId === producerId);
    assert(!isThere, 'an id is given back once');
    if (producerEpoch === EPOCH_MAX) return;
    this.#free.push({ producerId, producerEpoch: producerEpoch + 1 });
  }
}
