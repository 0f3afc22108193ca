/**
 * Decisions: in the state log to last, in memory while they are not done.
 *
 * What decides together is stored together: appends that come while one is on its way share the
 * next batch and its sync. That a decision is done is written, and nobody waits for it: one that is
 * found at open is carried out again, which changes nothing then.
 *
 * What is known of clients with a transactional id lies in the same log, so that a decision and
 * what its client is told of it are one batch.
 */

import { assert } from '../../base/assert.js';
import type { StateEntry, StateLog } from '../state/state-log.js';
import { isClientEntry } from './client-entry.js';
import {
  type Decision,
  decisionEntry,
  doneEntry,
  readDecision,
  type TransactionIdentity,
} from './transaction-decision.js';

export class TransactionLog {
  readonly #open: () => Promise<StateLog>;
  readonly #pending = new Map<number, Decision>();
  /** Of clients, by key, as they were found. */
  readonly #clients = new Map<string, StateEntry>();
  #state: StateLog | undefined;

  /** `open` gives the log of this state when it is first needed. */
  constructor(open: () => Promise<StateLog>) {
    this.#open = open;
  }

  /** Decided and not done, by producer id. */
  get pending(): ReadonlyMap<number, Decision> {
    return this.#pending;
  }

  /** Reads what an earlier process has left; called before anything is decided. */
  async load(): Promise<void> {
    const state = await this.#open();
    for await (const entry of state.load()) {
      if (isClientEntry(entry)) {
        if (entry.value === null) this.#clients.delete(entry.key);
        else this.#clients.set(entry.key, entry);
        continue;
      }
      const { producerId, decision } = readDecision(entry);
      if (decision === undefined) this.#pending.delete(producerId);
      else this.#pending.set(producerId, decision);
    }
    this.#state = state;
  }

  /**
   * Resolves when the decision is durable. Rejects with OUTCOME_UNKNOWN when it may be; with
   * anything else it is not, and never will be. `more` is stored with it: both or none.
   */
  async decide(decision: Decision, more: readonly StateEntry[] = []): Promise<void> {
    const { producerId } = decision;
    assert(!this.#pending.has(producerId), 'an id decides again when the last one is done');
    this.#state ??= await this.#open();
    await this.#state.append([decisionEntry(decision), ...more]);
    this.#pending.set(producerId, decision);
  }

  /** What was found of clients; only once. */
  takeClients(): readonly StateEntry[] {
    const found = [...this.#clients.values()];
    this.#clients.clear();
    return found;
  }

  /** Stores what is known of a client. */
  async note(entry: StateEntry, acks: 'durable' | 'written' = 'durable'): Promise<void> {
    this.#state ??= await this.#open();
    await this.#state.append([entry], acks);
  }

  /**
   * Everything that was decided is durable. Nobody need wait until this is written: when it is
   * lost, the next open carries the decision out again, and finds nothing to do.
   */
  async done(
    { producerId, producerEpoch }: TransactionIdentity,
    acks: 'durable' | 'written' = 'written',
  ): Promise<void> {
    assert(this.#pending.get(producerId)?.producerEpoch === producerEpoch, 'it was decided');
    this.#pending.delete(producerId);
    await this.#state?.append([doneEntry(producerId)], acks);
  }
}
