/**
 * The transactional ids of clients: found by name and by producer id, bounded, forgotten with age.
 */

import type { Cancel } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { AppendResult } from '../../storage/main.js';
import type { StateEntry } from '../state/state-log.js';
import { noClientEntry, readClient } from './client-entry.js';
import { type ClientDescription, type ClientHome, ClientProducer } from './client-producer.js';
import type { ClientBatch } from './client-writes.js';
import type { TransactionIdentity } from './transaction-decision.js';
import { clientUnknown } from './transaction-errors.js';
import { transactionOptionTable } from './transaction-options.js';

/** How long an id that nobody uses is known; as in Kafka. */
export const CLIENT_EXPIRY_MS = 7 * 24 * 60 * 60 * 1000;
const LOOK_MS = 60 * 60 * 1000;

export class ClientProducers {
  readonly #home: ClientHome;
  readonly #byName = new Map<string, ClientProducer>();
  readonly #byProducer = new Map<number, ClientProducer>();
  #cancel: Cancel | undefined;
  #isClosed = false;

  constructor(home: Omit<ClientHome, 'identified'>) {
    this.#home = {
      clock: home.clock,
      allot: () => home.allot(),
      store: (entry, acks) => home.store(entry, acks),
      begin: (part) => home.begin(part),
      identified: (client, before) => {
        this.#byProducer.delete(before);
        this.#byProducer.set(client.producerId, client);
      },
    };
  }

  /** Takes what earlier processes have stored. Throws as `readClient`. */
  load(entries: readonly StateEntry[]): void {
    for (const entry of entries) {
      const stored = readClient(entry);
      const client = new ClientProducer(stored.transactionalId, this.#home, stored);
      this.#byName.set(stored.transactionalId, client);
      this.#byProducer.set(stored.producerId, client);
    }
    if (entries.length > 0) this.#lookLater();
  }

  /**
   * Gives an id to whoever asks, as `ClientProducer.init`. Rejects with OPTION_INVALID,
   * PRODUCERS_FULL besides.
   */
  async init(
    transactionalId: string,
    timeoutMs: number,
    expected: TransactionIdentity | undefined,
  ): Promise<TransactionIdentity> {
    const { min, max } = transactionOptionTable.timeoutMs;
    if (timeoutMs < min || timeoutMs > max) {
      const facts = { option: 'timeoutMs', expected: `${min} to ${max}`, actual: timeoutMs };
      throw createError('OPTION_INVALID', { ...facts, kafka: 'INVALID_TRANSACTION_TIMEOUT' });
    }
    const bytes = Buffer.byteLength(transactionalId);
    if (bytes === 0 || bytes > limits.producerNameBytesMax) {
      const expected = `1 to ${limits.producerNameBytesMax} bytes`;
      const facts = { option: 'transactionalId', expected, actual: bytes };
      throw createError('OPTION_INVALID', { ...facts, kafka: 'INVALID_REQUEST' });
    }
    return await this.#findOrAdd(transactionalId).init(timeoutMs, expected);
  }

  /** Throws for an id that nobody has: INVALID_PRODUCER_ID_MAPPING in the fact `kafka`. */
  get(transactionalId: string): ClientProducer {
    const client = this.find(transactionalId);
    if (client === undefined) throw clientUnknown(transactionalId);
    return client;
  }

  find(transactionalId: string): ClientProducer | undefined {
    const client = this.#byName.get(transactionalId);
    // Until its first epoch is durable nobody has the id.
    return client === undefined || client.producerId < 0 ? undefined : client;
  }

  list(): readonly ClientDescription[] {
    const known = [...this.#byName.values()].filter(({ producerId }) => producerId >= 0);
    return known.map((client) => client.describe());
  }

  /** A transactional batch; throws as `ClientProducer.append`. */
  append({ producerId, producerEpoch }: TransactionIdentity, batch: ClientBatch) {
    const client = this.#byProducer.get(producerId);
    if (client === undefined) {
      const expected = 'a producer with a transactional id';
      throw createError('TRANSACTION_STATE_INVALID', { producerId, expected });
    }
    const appended: Promise<AppendResult> = client.append(producerEpoch, batch);
    return appended;
  }

  /** Undoes what is open. */
  async close(error: unknown): Promise<void> {
    this.#isClosed = true;
    this.#cancel?.();
    await Promise.all([...this.#byName.values()].map((client) => client.close(error)));
  }

  #findOrAdd(transactionalId: string): ClientProducer {
    const known = this.#byName.get(transactionalId);
    if (known !== undefined) return known;
    if (this.#byName.size >= limits.namedProducersMax) {
      const expected = `at most ${limits.namedProducersMax} transactional ids`;
      throw createError('PRODUCERS_FULL', { transactionalId, expected });
    }
    const client = new ClientProducer(transactionalId, this.#home);
    this.#byName.set(transactionalId, client);
    this.#lookLater();
    return client;
  }

  #lookLater(): void {
    if (this.#isClosed || this.#cancel !== undefined) return;
    this.#cancel = this.#home.clock.schedule(LOOK_MS, () => {
      this.#cancel = undefined;
      this.#forgetOld();
      if (this.#byName.size > 0) this.#lookLater();
    });
  }

  #forgetOld(): void {
    const oldestMs = this.#home.clock.nowMs() - CLIENT_EXPIRY_MS;
    for (const [transactionalId, client] of this.#byName) {
      if (client.usedAtMs > oldestMs || !client.isIdle) continue;
      this.#byName.delete(transactionalId);
      this.#byProducer.delete(client.producerId);
      // What could not be stored is found at the next open, and forgotten then.
      this.#home.store(noClientEntry(transactionalId), 'written').catch(ignore);
    }
  }
}

function ignore(): void {}
