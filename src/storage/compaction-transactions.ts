/**
 * Transactions as cleaning follows them: whose marker may go, because nothing else of it is left.
 *
 * Batches go by in the order of the log. What one group knows of transactions whose marker is still
 * to come is carried to the next group of the pass. A kept header without records counts as data:
 * whoever walks the log must meet the end of what it seems to begin.
 */

import { batchLastOffset, batchProducerIdExact, isTransactionalBatch } from './batch-header.js';
import type { TransactionCarry } from './cleaner-task.js';
import type { AbortedTransaction } from './transactions.js';

export class CleanedTransactions {
  /** Open transactions by producer: whether anything of them is kept. */
  readonly #open: Map<bigint, boolean>;
  /** Aborted transactions that end in the group, by the offset of their marker. */
  readonly #aborted: Map<number, AbortedTransaction>;

  constructor(carry: readonly TransactionCarry[], aborted: readonly AbortedTransaction[]) {
    this.#open = new Map(carry.map(({ producerId, hasData }) => [producerId, hasData]));
    this.#aborted = new Map(aborted.map((entry) => [entry.lastOffset, entry]));
  }

  /** Aborted transactions that end in the group with a marker that is kept. */
  get aborted(): readonly AbortedTransaction[] {
    return [...this.#aborted.values()];
  }

  get carry(): readonly TransactionCarry[] {
    return [...this.#open].map(([producerId, hasData]) => ({ producerId, hasData }));
  }

  /** Takes note of a data batch and of whether anything of it is kept. */
  noteData(bytes: Uint8Array, start: number, isKept: boolean): void {
    if (!isTransactionalBatch(bytes, start)) return;
    const producerId = batchProducerIdExact(bytes, start);
    this.#open.set(producerId, isKept || this.#open.get(producerId) === true);
  }

  /** Whether anything is kept of the transaction that the marker at `start` ends. */
  hasData(bytes: Uint8Array, start: number): boolean {
    return this.#open.get(batchProducerIdExact(bytes, start)) === true;
  }

  /** Takes note of a marker, also of one that was emptied before. */
  noteMarker(bytes: Uint8Array, start: number, isKept: boolean): void {
    this.#open.delete(batchProducerIdExact(bytes, start));
    if (!isKept) this.#aborted.delete(batchLastOffset(bytes, start));
  }
}
