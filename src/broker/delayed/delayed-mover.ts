/**
 * Lets messages that are due enter the queue: some at a time, in one transaction, in the order of
 * their due times.
 *
 * The transaction sends them to the partitions of the queue's topic, and the fact that they have
 * entered to the state. So each enters once, whatever happens in between.
 */

import type { LogRecord, RecordHeaderInput } from '../../storage/main.js';
import type { EncodedRecord } from '../producer/producer-records.js';
import { rangesOf } from '../share/share-part.js';
import { bytes } from '../topic/codec.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { Transaction, TransactionWork } from '../transaction/transaction.js';
import { delayedDiagnostics } from './delayed-diagnostics.js';
import { DELAYED_HEADER, enteredHeader, readDelayedHeader } from './delayed-header.js';
import type { TakenEntries } from './delayed-index.js';
import type { DelayedLimits } from './delayed-limits.js';
import { type ReadAnswer, readDelayed } from './delayed-reader.js';
import type { FactRecord } from './delayed-state.js';
import type { DelayedStore } from './delayed-store.js';
import { STATE } from './delayed-topic.js';

/** Transactions whose messages are read at once. */
const WINDOW_TRANSACTIONS = 8;

/** Runs work in a transaction: `TransactionCoordinator`. */
export interface Transactions {
  run<T>(work: TransactionWork<T>): Promise<T>;
}

export interface MoverParts {
  readonly store: DelayedStore;
  readonly queue: string;
  /** The topic of the delayed messages, and that of the queue. */
  readonly topic: HostedTopic;
  readonly target: HostedTopic;
  readonly transactions: Transactions;
  readonly limits: DelayedLimits;
}

export class DelayedMover {
  readonly #parts: MoverParts;
  /** How many are read at once: as many as fit in the bound on bytes, about. */
  #window: number;

  constructor(parts: MoverParts) {
    this.#parts = parts;
    this.#window = parts.limits.enteringMax;
  }

  /**
   * Lets messages enter in the order of their due times; resolves to how many did, 0 when nothing
   * was due. Those that have not entered wait on, also when it rejects.
   */
  async move(nowMs: number): Promise<number> {
    const { store } = this.#parts;
    const taken = await store.index.take(nowMs, this.#window);
    if (taken.ids.length === 0) return 0;
    try {
      return await this.#moveTaken(taken);
    } finally {
      store.giveBack(taken);
    }
  }

  async #moveTaken(taken: TakenEntries): Promise<number> {
    const { limits, queue } = this.#parts;
    const answer = await this.#read(taken.locations);
    const missing = new Set(answer.missing);
    const isFound = (at: number): boolean => {
      const location = taken.locations[at] ?? -1;
      return answer.records.has(location) || missing.has(location);
    };
    let end = 0;
    while (end < taken.ids.length && isFound(end)) end += 1;
    const isFull = taken.ids.length === this.#window;
    const windowMax = limits.enteringMax * WINDOW_TRANSACTIONS;
    if (end < taken.ids.length) this.#window = Math.max(1, Math.floor(this.#window / 2));
    else if (isFull) this.#window = Math.min(windowMax, this.#window * 2);
    for (let from = 0; from < end; from += limits.enteringMax) {
      await this.#commit(taken, from, Math.min(end, from + limits.enteringMax), answer);
    }
    if (missing.size > 0) delayedDiagnostics.lost.publish({ queue, messages: missing.size });
    return end;
  }

  async #read(locations: readonly number[]): Promise<ReadAnswer> {
    const { store, limits } = this.#parts;
    const { averageBytes, messages } = store;
    const sorted = [...locations].sort((one, other) => one - other);
    await store.secure(sorted.at(-1) ?? 0);
    const bytesMax = limits.enteringBytesMax;
    return await readDelayed(messages, { locations: sorted, bytesMax, averageBytes });
  }

  /** Those in [from, end) enter. */
  async #commit(
    taken: TakenEntries,
    from: number,
    end: number,
    { records }: ReadAnswer,
  ): Promise<void> {
    const { store, transactions } = this.#parts;
    const ids = taken.ids.slice(from, end);
    const entering: EncodedRecord[] = [];
    for (const [at, id] of ids.entries()) {
      const record = records.get(taken.locations[from + at] ?? -1);
      if (record !== undefined) entering.push(enteringRecord(record, id));
    }
    const ranges = rangesOf(ids.sort((one, other) => one - other));
    const fact = store.enteredFact(ranges, taken.dues[end] ?? Number.POSITIVE_INFINITY);
    await transactions.run((transaction) => enter(this.#parts, transaction, entering, fact));
    store.finished(ranges);
  }
}

async function enter(
  { topic, target }: MoverParts,
  transaction: Transaction,
  entering: readonly EncodedRecord[],
  fact: FactRecord,
): Promise<void> {
  const sends = [transaction.sendTo({ topic, codec: bytes }, { ...fact, partition: STATE })];
  if (entering.length > 0)
    sends.push(transaction.sendTo({ topic: target, codec: bytes }, entering));
  await Promise.all(sends);
}

/** As it was sent, but that its header tells the id; its time is that at which it enters. */
function enteringRecord(record: LogRecord, id: number): EncodedRecord {
  const { headers, offset, key, value } = record;
  const { partition } = readDelayedHeader(headers, offset);
  const entering = headers.map((header): RecordHeaderInput => {
    return header.key === DELAYED_HEADER ? enteredHeader(id) : header;
  });
  return { key, value, headers: entering, partition };
}
