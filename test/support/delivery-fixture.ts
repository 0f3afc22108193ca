/**
 * Transactions over deliveries, without share groups: the parts of a broker that they need, and
 * delivery states that take what lies in a topic, each with its place in a journal.
 */

import type { Clock } from '../../src/base/clock.js';
import { resolveOptions } from '../../src/base/options.js';
import { BrokerGroups } from '../../src/broker/broker-groups.js';
import { groupOptionTable } from '../../src/broker/group/group-options.js';
import { ProducerIds } from '../../src/broker/producer/producer-ids.js';
import { AcquiredBlock } from '../../src/broker/share/share-acquired.js';
import { DeliveryState } from '../../src/broker/share/share-delivery.js';
import { journalLogOptions, ShareJournal } from '../../src/broker/share/share-journal.js';
import type { Ending } from '../../src/broker/share/share-ledger.js';
import { OpenStates } from '../../src/broker/state/open-states.js';
import type { HostedTopic } from '../../src/broker/topic/hosted-topic.js';
import { embedPartitionLog } from '../../src/broker/topic/partition-log.js';
import { internalFolder } from '../../src/broker/topic/topic-name.js';
import { TopicRegistry } from '../../src/broker/topic/topic-registry.js';
import type {
  DeliveryKey,
  DeliverySource,
  SourceDelivery,
} from '../../src/broker/transaction/held-deliveries.js';
import { TransactionCoordinator } from '../../src/broker/transaction/transaction-coordinator.js';
import { type Log, type LogRecord, LogsFolder } from '../../src/storage/main.js';
import { BROKER, type SimBroker, valuesOfPartition } from './broker-fixture.js';

const LEASE_MS = 30_000;
export const LIMITS = { inFlightMax: 1_000, underWayMax: 10_000, deliveriesMax: 2, failuresMax: 2 };

/** One delivery, as a group gives it out. */
export interface TakenDelivery extends SourceDelivery {
  readonly partition: StateSource;
  readonly record: LogRecord;
  readonly deliveries: number;
  readonly failures: number;
}

/** The delivery state of partition 0 of a topic. */
export class StateSource implements DeliverySource {
  readonly key: DeliveryKey;
  readonly state: DeliveryState;
  readonly #topic: HostedTopic;
  readonly #clock: Clock;
  readonly #block = new AcquiredBlock(1_000);
  readonly #records = new Map<number, LogRecord>();
  generation = 0;
  exhausted: () => void = () => undefined;

  private constructor(topic: HostedTopic, group: string, clock: Clock) {
    this.#topic = topic;
    this.#clock = clock;
    this.key = { group, topicId: topic.definition.topicId, partition: 0 };
    const nowMs = clock.monotonicMs();
    this.state = new DeliveryState({ startOffset: 0, nowMs, limits: LIMITS });
  }

  /** Restored, and offered nothing yet. */
  static async unread(
    { journal, clock }: { readonly journal: ShareJournal; readonly clock: Clock },
    topic: HostedTopic,
    group: string,
  ): Promise<StateSource> {
    const source = new StateSource(topic, group, clock);
    source.generation = (await journal.attach(source.key, source.state)).generation;
    return source;
  }

  /** Offers what is new in the log; what is given out and lies nowhere in it is found elsewhere. */
  async look(find?: (offset: number) => Promise<LogRecord | undefined>): Promise<void> {
    const log = await this.#topic.partition(0);
    for (const { first, end } of this.state.describe(1_000)) {
      for (let offset = first; find !== undefined && offset < end; offset += 1) {
        const record = await find(offset);
        if (record !== undefined) this.#records.set(offset, record);
      }
    }
    let end = log.startOffset;
    for await (const batch of log.read({ from: 'earliest' })) {
      for (const record of batch) {
        this.state.skip(end, record.offset);
        this.state.offer(record.offset, record.offset + 1);
        this.#records.set(record.offset, record);
        end = record.offset + 1;
      }
    }
  }

  take(max: number): TakenDelivery[] {
    const nowMs = this.#clock.monotonicMs();
    this.state.acquire(this.#block, { max, owner: 1, nowMs, leaseMs: LEASE_MS });
    return this.#taken();
  }

  takeExhausted(max: number): Promise<TakenDelivery[]> {
    this.state.takeExhausted(this.#block, max);
    return Promise.resolve(this.#taken());
  }

  onExhausted(callback: () => void): void {
    this.exhausted = callback;
  }

  fail({ offset, receipt }: SourceDelivery): void {
    const nowMs = this.#clock.monotonicMs();
    this.state.release(offset, receipt, { nowMs, delayMs: 0, isFailure: true });
    this.exhausted();
  }

  freeze(offset: number, receipt: number) {
    if (this.state.isHeldByTransaction(offset, receipt) && !this.state.isHeld(offset, receipt)) {
      return 'done';
    }
    return this.state.freeze(offset, receipt);
  }

  thaw(offset: number, receipt: number): void {
    this.state.thaw(offset, receipt);
    if (this.state.counts().exhausted > 0) queueMicrotask(() => this.exhausted());
  }

  isHeld(offset: number, receipt: number): boolean {
    return this.state.isHeldByTransaction(offset, receipt);
  }

  finish(offset: number, receipt: number, ending: Ending): void {
    if (ending === 'Acknowledged') this.state.commitAcknowledge(offset, receipt);
    else this.state.commitArchive(offset, receipt);
  }

  #taken(): TakenDelivery[] {
    const { count, offsets, receipts, deliveries, failures } = this.#block;
    return Array.from({ length: count }, (_, at) => {
      const record = this.#records.get(offsets[at] ?? -1);
      if (record === undefined) throw new RangeError('a message that is given out was read');
      return {
        partition: this,
        offset: offsets[at] ?? -1,
        receipt: receipts[at] ?? -1,
        record,
        deliveries: deliveries[at] ?? 0,
        failures: failures[at] ?? 0,
      };
    });
  }
}

/** The parts of an open broker. */
export class TransactingFolder {
  readonly topics: TopicRegistry;
  readonly transactions: TransactionCoordinator;
  readonly journal: ShareJournal;
  readonly clock: Clock;
  readonly #close: () => Promise<void>;

  private constructor(
    parts: Pick<TransactingFolder, 'topics' | 'transactions' | 'journal' | 'clock'>,
    close: () => Promise<void>,
  ) {
    this.topics = parts.topics;
    this.transactions = parts.transactions;
    this.journal = parts.journal;
    this.clock = parts.clock;
    this.#close = close;
  }

  static async open({ environment, clock }: SimBroker): Promise<TransactingFolder> {
    const folder = await LogsFolder.open(BROKER, true, environment.storage);
    const states = new OpenStates(folder);
    let log: Log | undefined;
    try {
      const topics = await TopicRegistry.load(
        folder,
        await states.open(internalFolder('topics')),
        environment,
      );
      const names = await folder.names();
      log = await folder.openLog(internalFolder('shares'), journalLogOptions);
      const journal = await ShareJournal.open(embedPartitionLog(log), clock);
      const options = resolveOptions(groupOptionTable, {}, BROKER);
      const groups = await BrokerGroups.open(
        { registry: topics, states, environment, options },
        names,
      );
      const ids = new ProducerIds(() => states.open(internalFolder('producers')));
      const transactions = await TransactionCoordinator.open(
        {
          directory: BROKER,
          environment,
          states,
          topics,
          groups,
          ids,
          journal: () => Promise.resolve(journal),
        },
        names,
      );
      return new TransactingFolder({ topics, transactions, journal, clock }, async () => {
        await transactions.close();
        await groups.close();
        await journal.close();
        await topics.close();
        await log?.close();
        await states.close();
        await folder.close();
      });
    } catch (error) {
      await log?.close().catch(() => undefined);
      await states.close().catch(() => undefined);
      await folder.close();
      throw error;
    }
  }

  /** A state of its own for this group in the topic. */
  async source(topic: string, group = 'g'): Promise<StateSource> {
    const source = await this.unread(topic, group);
    await source.look();
    return source;
  }

  /** The same, offered nothing yet. */
  unread(topic: string, group = 'g'): Promise<StateSource> {
    return StateSource.unread(this, this.topics.get(topic), group);
  }

  /** What readers of committed records see in partition 0. */
  async values(topic: string): Promise<string[]> {
    return await valuesOfPartition(await this.topics.get(topic).partition(0));
  }

  async send(topic: string, ...values: readonly string[]): Promise<void> {
    const log = await this.topics.get(topic).partition(0);
    await log.append(values.map((value) => ({ value })));
  }

  close(): Promise<void> {
    return this.#close();
  }
}
