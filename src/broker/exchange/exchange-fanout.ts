/**
 * Copies to several queues and topics: all of them durable, or none, by a transaction.
 *
 * Publishes that come while a transaction is on its way wait, and go as the next one, together, in
 * the order of the calls; so many callers share the few writes that a transaction costs. When a
 * shared one fails, each publish in it is tried alone: one that cannot be stored fails by itself.
 */

import { assert } from '../../base/assert.js';
import { createError, hasCode } from '../../base/errors.js';
import type { StoredPlace } from '../producer/deduplication-window.js';
import type { Deduplications } from '../producer/deduplications.js';
import { contentBytesOf } from '../queue/queue-headers.js';
import type { Transaction, TransactionWork } from '../transaction/transaction.js';
import { CopyPlan, type TargetCopies, topicRecord, topicTarget } from './exchange-copies.js';
import { type ClaimedCopies, storeOnce } from './exchange-once.js';
import type { ExchangeTargets } from './exchange-targets.js';

/** Copies that go in one transaction; one publish may have more. */
const SHARED_COPIES_MAX = 4_096;
const SHARED_BYTES_MAX = 4 * 1024 * 1024;
/** What waits for the next transactions. */
const WAITING_MAX = 65_536;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;

interface Waiting {
  readonly copies: readonly TargetCopies[];
  readonly count: number;
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export type Transact = (work: TransactionWork<void>) => Promise<void>;

export interface FanoutParts {
  readonly targets: ExchangeTargets;
  readonly transact: Transact;
  readonly deduplications: Deduplications;
}

export class ExchangeFanout {
  readonly #parts: FanoutParts;
  #waiting = new Set<Waiting>();
  #bytes = 0;
  #isRunning = false;

  constructor(parts: FanoutParts) {
    this.#parts = parts;
  }

  /**
   * Resolves when all copies are durable. Rejects with what a send or a transaction rejects with,
   * BUFFER_FULL, and the signal's reason while it waits for its turn: then none is stored.
   */
  send(copies: readonly TargetCopies[], signal: AbortSignal | undefined): Promise<void> {
    if (signal?.aborted === true) return Promise.reject(signal.reason);
    const { count, bytes } = sizeOf(copies);
    const isFull = this.#waiting.size >= WAITING_MAX || this.#bytes + bytes > WAITING_BYTES_MAX;
    if (isFull && this.#waiting.size > 0) {
      return Promise.reject(createError('BUFFER_FULL', { publishes: this.#waiting.size }));
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        if (this.#take(waiting)) reject(signal?.reason);
      };
      const settled = (): void => signal?.removeEventListener('abort', leave);
      const waiting: Waiting = {
        copies,
        count,
        bytes,
        resolve: () => {
          settled();
          resolve();
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      };
      this.#waiting.add(waiting);
      this.#bytes += bytes;
      signal?.addEventListener('abort', leave, { once: true });
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Never rejects: what fails are the publishes. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is published in the same turn goes along.
    await undefined;
    while (this.#waiting.size > 0) {
      const shared = this.#next();
      const error = await this.#trySend(shared);
      if (error === undefined) continue;
      if (shared.length > 1 && isWorthAnother(error.error)) await this.#sendEach(shared);
      else for (const one of shared) one.reject(error.error);
    }
    this.#isRunning = false;
  }

  async #sendEach(shared: readonly Waiting[]): Promise<void> {
    for (const one of shared) {
      const error = await this.#trySend([one]);
      if (error !== undefined) one.reject(error.error);
    }
  }

  /** Why it failed; when it did not, the publishes are told. */
  async #trySend(shared: readonly Waiting[]): Promise<{ readonly error: unknown } | undefined> {
    const plan = new CopyPlan(this.#parts.targets);
    for (const { copies } of shared) {
      for (const { target, messages } of copies) plan.put(target, messages);
    }
    try {
      await storeOnce(plan.all, this.#parts.deduplications, async (copies) => {
        let places: readonly (readonly StoredPlace[])[] = [];
        await this.#parts.transact(async (transaction) => {
          places = await Promise.all(copies.map((one) => sendIn(transaction, one)));
        });
        for (const { target, messages } of copies) {
          if (target.kind === 'queue') target.queue.stored(messages.length);
        }
        return places;
      });
    } catch (error) {
      return { error };
    }
    for (const { resolve } of shared) resolve();
    return undefined;
  }

  #next(): readonly Waiting[] {
    const shared: Waiting[] = [];
    let [count, bytes] = [0, 0];
    for (const one of this.#waiting) {
      count += one.count;
      bytes += one.bytes;
      const isTooMuch = count > SHARED_COPIES_MAX || bytes > SHARED_BYTES_MAX;
      if (isTooMuch && shared.length > 0) break;
      shared.push(one);
    }
    for (const one of shared) this.#take(one);
    return shared;
  }

  /** Whether it was waiting still. */
  #take(one: Waiting): boolean {
    if (!this.#waiting.delete(one)) return false;
    this.#bytes -= one.bytes;
    return true;
  }
}

/** One that waited for room in a queue until its time was over would do so again. */
function isWorthAnother(error: unknown): boolean {
  return !hasCode(error, 'OUTCOME_UNKNOWN') && !hasCode(error, 'TRANSACTION_TIMED_OUT');
}

/** Where each message is; nowhere where nobody asks, as none has an id. */
async function sendIn(
  transaction: Transaction,
  { target, messages, ids }: ClaimedCopies,
): Promise<readonly StoredPlace[]> {
  if (target.kind === 'queue') return await target.queue.sendIn(transaction, messages, ids);
  const to = topicTarget(target.topic);
  if (ids.every((id) => id === undefined)) {
    const records = messages.map((message) => topicRecord(message));
    await transaction.sendTo(to, records);
    return [];
  }
  const sending = messages.map(async (message, index) => {
    const sent = await transaction.sendTo(to, topicRecord(message, ids[index]));
    assert('offset' in sent, 'one record has one place');
    return { partition: sent.partition, offset: sent.offset };
  });
  return await Promise.all(sending);
}

function sizeOf(copies: readonly TargetCopies[]): {
  readonly count: number;
  readonly bytes: number;
} {
  let [count, bytes] = [0, 0];
  for (const { messages } of copies) {
    count += messages.length;
    for (const message of messages) bytes += contentBytesOf(message);
  }
  return { count, bytes };
}
