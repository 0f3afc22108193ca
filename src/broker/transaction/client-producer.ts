/**
 * One transactional id of clients: who has it, and the transaction that is open with it.
 *
 *     asks for    no transaction        ongoing              being ended
 *     init        the next epoch        aborts, next epoch   concurrent
 *     add         begins one            adds                 concurrent
 *     end         as it ended before    ends it              concurrent
 *
 * Requests for one id are carried out one after the other; batches are looked at as they come. A
 * client goes on with one epoch over many transactions, and over restarts. What a restart finds
 * ongoing was undone: its client hears that, and asks for the next epoch.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { createError, hasCode } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Mutex } from '../../base/mutex.js';
import type { AppendResult } from '../../storage/main.js';
import type { TransactionOffset } from '../group/group-transactions.js';
import type { StateEntry } from '../state/state-log.js';
import { type ClientState, clientEntry, type StoredClient } from './client-entry.js';
import { type ClientBatch, ClientWrites, type NamedPartition } from './client-writes.js';
import type { ClientPart, OpenTransaction } from './open-transaction.js';
import type { TransactionIdentity } from './transaction-decision.js';
import {
  clientFenced,
  clientOutcomeUnknown,
  clientStateInvalid,
  clientUndone,
  clientUnknown,
  transactionRunning,
  transactionTimedOut,
} from './transaction-errors.js';

/** The largest that a client gets: an abort marker may need the one behind it. */
const EPOCH_MAX = 2 ** 15 - 2;
const NO_EPOCH = -1;

/** What clients share. */
export interface ClientHome {
  readonly clock: Clock;
  allot(): Promise<{ readonly producerId: number }>;
  store(entry: StateEntry, acks?: 'durable' | 'written'): Promise<void>;
  /** Throws TRANSACTIONS_FULL, BROKER_CLOSED. */
  begin(part: ClientPart): OpenTransaction;
  /** The producer id is another one now. */
  identified(client: ClientProducer, before: number): void;
}

/** What is told of a transactional id. */
export interface ClientDescription extends TransactionIdentity {
  readonly transactionalId: string;
  /** Kafka's name for it. */
  readonly state: string;
  readonly timeoutMs: number;
  /** A wall time; -1 without a transaction. */
  readonly startedAtMs: number;
  readonly partitions: readonly NamedPartition[];
}

interface Open {
  readonly transaction: OpenTransaction;
  readonly writes: ClientWrites;
  readonly startedAtMs: number;
}

const storedStates = {
  empty: 'Empty',
  ongoing: 'CompleteAbort',
  committed: 'CompleteCommit',
  aborted: 'CompleteAbort',
} as const;
const openStates = {
  ongoing: 'Ongoing',
  securing: 'PrepareCommit',
  deciding: 'PrepareCommit',
  committed: 'PrepareCommit',
  complete: 'CompleteCommit',
  aborting: 'PrepareAbort',
  aborted: 'CompleteAbort',
  unknown: 'PrepareCommit',
} as const;

export class ClientProducer {
  readonly transactionalId: string;
  readonly #home: ClientHome;
  readonly #mutex = new Mutex(limits.namedProducersMax);
  /** -1 until it was asked for. */
  #producerId = -1;
  #epoch = NO_EPOCH;
  #lastEpoch = NO_EPOCH;
  #timeoutMs = 1;
  #state: ClientState = 'empty';
  /** Its transaction was undone without its doing. */
  #isUndone = false;
  #open: Open | undefined;
  #cancel: Cancel | undefined;
  #usedAtMs: number;

  constructor(transactionalId: string, home: ClientHome, stored?: StoredClient) {
    this.transactionalId = transactionalId;
    this.#home = home;
    this.#usedAtMs = stored?.usedAtMs ?? home.clock.nowMs();
    if (stored === undefined) return;
    this.#producerId = stored.producerId;
    this.#epoch = stored.producerEpoch;
    this.#lastEpoch = stored.lastEpoch;
    this.#timeoutMs = stored.timeoutMs;
    this.#state = stored.state;
    this.#isUndone = stored.state === 'ongoing';
  }

  get producerId(): number {
    return this.#producerId;
  }

  get usedAtMs(): number {
    return this.#usedAtMs;
  }

  /** Nothing is under way, and no transaction is open. */
  get isIdle(): boolean {
    return this.#mutex.isIdle && this.#running() === undefined;
  }

  /**
   * Gives the id in a new epoch, and undoes what the one before left open. `expected`: the client
   * has it already, and asks anew. Rejects with PRODUCER_FENCED, and with CONCURRENT_TRANSACTIONS
   * as the fact `kafka` while a transaction is being ended.
   */
  init(timeoutMs: number, expected: TransactionIdentity | undefined): Promise<TransactionIdentity> {
    return this.#run(async () => {
      const isAgain = this.#isAskedAgain(expected);
      const running = this.#running();
      if (running !== undefined && running.transaction.state !== 'ongoing') throw this.#busy();
      if (running !== undefined && isAgain) throw clientFenced(this.transactionalId);
      // Whoever had it writes nothing more from here on.
      if (!isAgain) await this.#advance(expected === undefined ? NO_EPOCH : this.#epoch);
      if (running !== undefined) {
        await this.#undo(running, clientFenced(this.transactionalId));
        if (running.transaction.state !== 'aborted') throw this.#busy();
      }
      this.#timeoutMs = timeoutMs;
      await this.#store('empty');
      this.#isUndone = false;
      return { producerId: this.#producerId, producerEpoch: this.#epoch };
    });
  }

  /** Begins a transaction when none is open. The partitions may be written to from here on. */
  addPartitions(from: TransactionIdentity, partitions: readonly NamedPartition[]): Promise<void> {
    return this.#run(async () => (await this.#ongoing(from)).writes.name(partitions));
  }

  /** Begins a transaction when none is open. */
  addOffsets(from: TransactionIdentity): Promise<void> {
    return this.#run(async () => void (await this.#ongoing(from)));
  }

  /** Offsets that are committed with the transaction; rejects as `HeldOffsets.add` throws. */
  commitOffsets(from: TransactionIdentity, offsets: readonly TransactionOffset[]): Promise<void> {
    return this.#run(() => {
      this.#check(from);
      const running = this.#running();
      if (this.#isUndone) throw clientUndone(this.transactionalId);
      if (running?.transaction.state !== 'ongoing') {
        throw clientStateInvalid(this.transactionalId, this.#state);
      }
      for (const one of offsets) running.transaction.holdOffset(one);
    });
  }

  /** Ends the transaction; asked again it resolves again. */
  end(from: TransactionIdentity, kind: 'commit' | 'abort'): Promise<void> {
    return this.#run(async () => {
      this.#check(from);
      const running = this.#running();
      if (running === undefined) {
        this.#endAgain(kind);
        return;
      }
      const { state } = running.transaction;
      if (state === 'unknown') throw clientOutcomeUnknown(this.transactionalId);
      if (state !== 'ongoing') throw this.#busy();
      if (kind === 'abort') await this.#undo(running, clientStateInvalid('', 'aborted'));
      else await this.#commit(running);
    });
  }

  /**
   * A batch of the open transaction. Throws PRODUCER_FENCED, and TRANSACTION_STATE_INVALID when the
   * transaction is not open, or the partition was not named.
   */
  append(producerEpoch: number, batch: ClientBatch): Promise<AppendResult> {
    const { transactionalId } = this;
    if (producerEpoch !== this.#epoch) throw createError('PRODUCER_FENCED', { transactionalId });
    if (this.#open?.transaction.state !== 'ongoing') {
      throw clientStateInvalid(transactionalId, this.#state);
    }
    return this.#open.writes.append(batch);
  }

  /** Undoes what is open: its client hears of it from the next broker. */
  close(error: unknown): Promise<void> {
    return this.#run(async () => {
      const running = this.#running();
      this.#cancel?.();
      if (running?.transaction.state === 'ongoing') await running.transaction.abort(error);
    });
  }

  describe(): ClientDescription {
    const running = this.#running();
    return {
      transactionalId: this.transactionalId,
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      state:
        running === undefined ? storedStates[this.#state] : openStates[running.transaction.state],
      timeoutMs: this.#timeoutMs,
      startedAtMs: running?.startedAtMs ?? -1,
      partitions: running?.writes.named ?? [],
    };
  }

  #run<T>(task: () => T | Promise<T>): Promise<T> {
    this.#usedAtMs = this.#home.clock.nowMs();
    return this.#mutex.run(task);
  }

  /** The transaction of which something is left to be done. */
  #running(): Open | undefined {
    const state = this.#open?.transaction.state;
    return state === 'complete' || state === 'aborted' ? undefined : this.#open;
  }

  /** Whether the client has this epoch only because it asked, and did not hear the answer. */
  #isAskedAgain(expected: TransactionIdentity | undefined): boolean {
    if (expected === undefined || this.#epoch === NO_EPOCH) return false;
    const { producerId, producerEpoch } = expected;
    const isOurs = producerId === this.#producerId;
    if (isOurs && producerEpoch === this.#epoch) return false;
    if (isOurs && producerEpoch === this.#lastEpoch) return true;
    throw clientFenced(this.transactionalId);
  }

  async #advance(lastEpoch: number): Promise<void> {
    if (this.#epoch !== NO_EPOCH && this.#epoch < EPOCH_MAX) {
      this.#lastEpoch = lastEpoch;
      this.#epoch += 1;
      return;
    }
    const { producerId } = await this.#home.allot();
    const before = this.#producerId;
    this.#producerId = producerId;
    this.#epoch = 0;
    this.#lastEpoch = NO_EPOCH;
    this.#home.identified(this, before);
  }

  #check({ producerId, producerEpoch }: TransactionIdentity): void {
    if (producerId !== this.#producerId) throw clientUnknown(this.transactionalId);
    if (producerEpoch !== this.#epoch) throw clientFenced(this.transactionalId);
  }

  async #ongoing(from: TransactionIdentity): Promise<Open> {
    this.#check(from);
    if (this.#isUndone) throw clientUndone(this.transactionalId);
    const running = this.#running();
    if (running === undefined) return await this.#begin();
    if (running.transaction.state !== 'ongoing') throw this.#busy();
    return running;
  }

  async #begin(): Promise<Open> {
    // Before anything is written, so that no client takes the end of the last one for its own.
    await this.#store('ongoing');
    const writes = new ClientWrites();
    const writer = { producerId: this.#producerId, producerEpoch: this.#epoch };
    const transaction = this.#home.begin({
      writes,
      writer,
      // The next one by now when the client is fenced.
      abortEpoch: () => (this.#producerId === writer.producerId ? this.#epoch : EPOCH_MAX + 1),
      committed: () => [clientEntry(this.#stored('committed'))],
    });
    const open = { transaction, writes, startedAtMs: this.#home.clock.nowMs() };
    this.#open = open;
    this.#limitTime(open);
    return open;
  }

  #limitTime(open: Open): void {
    const { clock } = this.#home;
    const endMs = clock.monotonicMs() + this.#timeoutMs;
    const look = (): void => {
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs > 0) this.#cancel = clock.schedule(leftMs, look);
      else this.#mutex.run(() => this.#timedOut(open)).catch(ignore);
    };
    this.#cancel = clock.schedule(this.#timeoutMs, look);
  }

  async #timedOut(open: Open): Promise<void> {
    if (this.#open !== open || open.transaction.state !== 'ongoing') return;
    this.#lastEpoch = this.#epoch;
    this.#epoch += 1;
    await this.#undo(open, transactionTimedOut(this.#timeoutMs));
  }

  async #undo({ transaction }: Open, reason: unknown): Promise<void> {
    this.#cancel?.();
    await transaction.abort(reason);
    this.#state = 'aborted';
    // Before its markers are there a restart must take it for ongoing.
    if (transaction.state === 'aborted') await this.#store('aborted', 'written').catch(ignore);
  }

  async #commit({ transaction }: Open): Promise<void> {
    this.#cancel?.();
    try {
      await transaction.commit();
      this.#state = 'committed';
    } catch (error) {
      if (hasCode(error, 'OUTCOME_UNKNOWN')) {
        throw clientOutcomeUnknown(this.transactionalId, error);
      }
      this.#isUndone = true;
      throw clientUndone(this.transactionalId, error);
    }
  }

  #endAgain(kind: 'commit' | 'abort'): void {
    const { transactionalId } = this;
    if (this.#isUndone) {
      if (kind === 'abort') return;
      throw clientUndone(transactionalId);
    }
    if (this.#state === (kind === 'commit' ? 'committed' : 'aborted')) return;
    throw clientStateInvalid(transactionalId, this.#state);
  }

  async #store(state: ClientState, acks: 'durable' | 'written' = 'durable'): Promise<void> {
    await this.#home.store(clientEntry(this.#stored(state)), acks);
    this.#state = state;
  }

  #stored(state: ClientState): StoredClient {
    return {
      transactionalId: this.transactionalId,
      producerId: this.#producerId,
      producerEpoch: this.#epoch,
      lastEpoch: this.#lastEpoch,
      timeoutMs: this.#timeoutMs,
      state,
      usedAtMs: this.#usedAtMs,
    };
  }

  #busy(): Error {
    return transactionRunning(this.transactionalId);
  }
}

function ignore(): void {}
