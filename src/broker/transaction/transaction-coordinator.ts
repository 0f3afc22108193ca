/**
 * The transactions of a broker: who begins one, how long it may take, and how all of them end.
 *
 * At open it carries out what earlier processes have decided, and from then on ends what they left
 * open in every partition that is opened (`transaction-recovery.ts`). A folder in which there never
 * was a decision has no log of them; the first one makes it.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { Prng } from '../../base/prng.js';
import type { BrokerEnvironment } from '../broker-environment.js';
import type { BrokerGroups } from '../broker-groups.js';
import { ProducerBuffer } from '../producer/producer-buffer.js';
import type { ProducerIds } from '../producer/producer-ids.js';
import { resolveProducerOptions } from '../producer/producer-options.js';
import type { OpenStates } from '../state/open-states.js';
import { internalFolder } from '../topic/topic-name.js';
import type { TopicRegistry } from '../topic/topic-registry.js';
import { ClientProducers } from './client-producers.js';
import type { DeliveryJournal } from './held-deliveries.js';
import { type ClientPart, OpenTransaction, type TransactionParts } from './open-transaction.js';
import { Transaction, type TransactionWork } from './transaction.js';
import { transactionDiagnostics } from './transaction-diagnostics.js';
import { transactionsFull, transactionTimedOut } from './transaction-errors.js';
import { TransactionIds } from './transaction-ids.js';
import { TransactionLog } from './transaction-log.js';
import {
  resolveTransactionOptions,
  type TransactionalProducerOptions,
  type TransactionOptions,
} from './transaction-options.js';
import { TransactionRecovery } from './transaction-recovery.js';
import { TransactionRouting } from './transaction-sender.js';
import { TransactionTasks } from './transaction-tasks.js';
import { TransactionalProducer } from './transactional-producer.js';

const DECISIONS = internalFolder('transactions');

export interface CoordinatorParts {
  readonly directory: string;
  readonly environment: BrokerEnvironment;
  readonly states: OpenStates;
  readonly topics: TopicRegistry;
  readonly groups: BrokerGroups;
  readonly ids: ProducerIds;
  /** The journal of delivery states, made when it is first needed. */
  readonly journal: () => Promise<DeliveryJournal>;
}

export class TransactionCoordinator {
  /** Those of a wire protocol, with the ids by which they name themselves. */
  readonly clients: ClientProducers;
  readonly #parts: CoordinatorParts;
  readonly #log: TransactionLog;
  readonly #tasks: TransactionTasks;
  readonly #shared: Omit<TransactionParts, 'routing'>;
  readonly #prng: Prng;
  readonly #routing: TransactionRouting;
  /** Those that run, and what resolves when each has ended. */
  readonly #open = new Map<OpenTransaction, Promise<unknown>>();
  readonly #producers = new Map<string, TransactionalProducer>();
  #closing: Promise<void> | undefined;

  /**
   * `names`: what lies in the broker's folder. Rejects with what reading decisions, or storing
   * offsets that were decided, throws.
   */
  static async open(
    parts: CoordinatorParts,
    names: readonly string[],
  ): Promise<TransactionCoordinator> {
    const coordinator = new TransactionCoordinator(parts);
    const recovery = new TransactionRecovery({
      log: coordinator.#log,
      tasks: coordinator.#tasks,
      topics: parts.topics,
      groups: () => parts.groups.coordinator(),
      currentGroups: () => parts.groups.current,
      journal: parts.journal,
    });
    parts.topics.watch(recovery);
    if (names.includes(DECISIONS)) {
      await coordinator.#log.load();
      coordinator.clients.load(coordinator.#log.takeClients());
      await recovery.redo();
    }
    return coordinator;
  }

  private constructor(parts: CoordinatorParts) {
    const { environment, states, topics, groups, ids, journal } = parts;
    this.#parts = parts;
    this.#log = new TransactionLog(() => states.open(DECISIONS));
    this.#tasks = new TransactionTasks(environment.clock);
    this.#prng = new Prng(environment.newSeed());
    this.#routing = new TransactionRouting(this.#prng, undefined);
    this.clients = new ClientProducers({
      clock: environment.clock,
      allot: () => ids.allot(),
      store: (entry, acks) => this.#log.note(entry, acks),
      begin: (part) => this.#beginClient(part),
    });
    this.#shared = {
      buffer: new ProducerBuffer(resolveProducerOptions({})),
      ids: new TransactionIds(() => ids.allot()),
      log: this.#log,
      tasks: this.#tasks,
      find: (topic) => topics.find(topic),
      holdOffsets: () => groups.current?.holdOffsets(),
      openGroups: () => groups.coordinator(),
      journal,
      pause: (delayMs) =>
        new Promise((resolve) => {
          environment.clock.schedule(delayMs, resolve, 'keep-alive');
        }),
    };
  }

  /**
   * Runs the work; when it returns, everything that it sent and committed is seen together, and
   * this resolves to what it returned. When it throws, nothing of it is ever seen, and this rejects
   * with what it threw. See `Broker.transaction` for the errors.
   */
  run<T>(work: TransactionWork<T>, options: TransactionOptions = {}): Promise<T> {
    return this.begin(work, options, this.#routing).ended;
  }

  /** A producer that has a transactional id; one that has it already is fenced. */
  producer(options: TransactionalProducerOptions): TransactionalProducer {
    const { partitioner, transactionalId } = options;
    const routing = new TransactionRouting(this.#prng, partitioner);
    const before = this.#producers.get(transactionalId);
    if (before === undefined && this.#producers.size >= limits.namedProducersMax) {
      const expected = `at most ${limits.namedProducersMax} transactional ids`;
      throw createError('PRODUCERS_FULL', { transactionalId, expected });
    }
    const producer = new TransactionalProducer(transactionalId, {
      begin: (work, given) => this.begin(work, given, routing),
      before,
      closed: () => {
        if (this.#producers.get(transactionalId) === producer) {
          this.#producers.delete(transactionalId);
        }
      },
    });
    this.#producers.set(transactionalId, producer);
    return producer;
  }

  /** Ends what runs: work is cut short, what is being decided gets its end. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Throws when it does not begin. */
  begin<T>(
    work: TransactionWork<T>,
    options: TransactionOptions,
    routing: TransactionRouting,
  ): { readonly transaction: OpenTransaction; readonly ended: Promise<T> } {
    this.#checkOpen();
    if (typeof work !== 'function') {
      throw createError('OPTION_INVALID', { option: 'work', expected: 'a function' });
    }
    const resolved = resolveTransactionOptions(options);
    this.#checkRoom();
    const transaction = new OpenTransaction({ ...this.#shared, routing });
    const ended = this.#run(transaction, work, resolved);
    this.#open.set(transaction, ended.catch(ignore));
    return { transaction, ended };
  }

  /** Its client says when it ends. */
  #beginClient(part: ClientPart): OpenTransaction {
    this.#checkOpen();
    this.#checkRoom();
    const { clock } = this.#parts.environment;
    const startedMs = clock.monotonicMs();
    const transaction = new OpenTransaction({ ...this.#shared, routing: this.#routing }, part);
    this.#open.set(transaction, Promise.resolve());
    transaction.ended.then(() => {
      this.#open.delete(transaction);
      this.#tell(transaction, clock.monotonicMs() - startedMs);
    });
    return transaction;
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw this.#closedError();
  }

  #checkRoom(): void {
    if (this.#open.size >= limits.transactionsMax) throw transactionsFull();
  }

  async #run<T>(
    transaction: OpenTransaction,
    work: TransactionWork<T>,
    { timeoutMs, signal }: ReturnType<typeof resolveTransactionOptions>,
  ): Promise<T> {
    const { clock } = this.#parts.environment;
    const startedMs = clock.monotonicMs();
    const cancel = this.#limitTime(transaction, startedMs + timeoutMs, timeoutMs);
    const abort = (): void => transaction.interrupt(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const face = new Transaction(transaction, (name) => this.#parts.topics.get(name));
      let result: T;
      try {
        result = await Promise.race([work(face), transaction.interrupted]);
      } catch (error) {
        await transaction.abort(error);
        throw error;
      }
      await transaction.commit();
      return result;
    } finally {
      cancel();
      signal?.removeEventListener('abort', abort);
      this.#open.delete(transaction);
      this.#tell(transaction, clock.monotonicMs() - startedMs);
    }
  }

  #limitTime(transaction: OpenTransaction, endMs: number, timeoutMs: number): () => void {
    const { clock } = this.#parts.environment;
    let cancel = clock.schedule(timeoutMs, look);
    return () => cancel();

    function look(): void {
      const leftMs = endMs - clock.monotonicMs();
      if (leftMs <= 0) transaction.interrupt(transactionTimedOut(timeoutMs));
      else cancel = clock.schedule(leftMs, look);
    }
  }

  #tell(transaction: OpenTransaction, durationMs: number): void {
    if (!transactionDiagnostics.end.isObserved) return;
    const { identity, state, partitionCount: partitions } = transaction;
    const { producerId, producerEpoch } = identity ?? {};
    transactionDiagnostics.end.publish({
      producerId,
      producerEpoch,
      state,
      partitions,
      durationMs,
    });
  }

  async #close(): Promise<void> {
    await this.clients.close(this.#closedError());
    for (const transaction of this.#open.keys()) transaction.interrupt(this.#closedError());
    await Promise.all(this.#open.values());
    this.#tasks.close();
  }

  #closedError(): Error {
    return createError('BROKER_CLOSED', { path: this.#parts.directory });
  }
}

function ignore(): void {}
