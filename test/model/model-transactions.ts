/**
 * The transactions of the model: which there are, what is known of each, and who has seen a part.
 */

import type { TransactionalProducer } from '../../src/broker/transaction/transactional-producer.js';
import type { GroupLedger, GroupView } from './model-group.js';
import type { PartitionLedger, SentRecord, TopicLedger } from './model-ledger.js';
import { ModelTransaction } from './model-transaction.js';
import type { ModelWorld } from './model-world.js';

const RUNNING_MAX = 3;

export class ModelTransactions implements GroupView {
  readonly #world: ModelWorld;
  readonly #all = new Map<string, ModelTransaction>();
  /** Those that commands drive. */
  #driven: ModelTransaction[] = [];
  #producer: TransactionalProducer | undefined;

  constructor(world: ModelWorld) {
    this.#world = world;
  }

  /** Those that commands drive and whose work goes on. */
  get running(): ModelTransaction[] {
    return this.#driven.filter(({ fate }) => fate === 'running');
  }

  get isAnyOpen(): boolean {
    return [...this.#all.values()].some(({ isOver }) => !isOver);
  }

  begin(transactionalId?: string): ModelTransaction {
    const name = `transaction ${this.#all.size}`;
    const transaction = new ModelTransaction(this.#world, name, transactionalId);
    this.#all.set(name, transaction);
    return transaction;
  }

  drive(transactionalId: string | undefined): void {
    if (this.running.length < RUNNING_MAX) this.#driven.push(this.begin(transactionalId));
  }

  /** Who has the id. */
  producer(transactionalId: string): TransactionalProducer {
    this.#producer ??= this.#world.life.broker.producer({ transactionalId });
    return this.#producer;
  }

  /** Somebody else takes the id. */
  fence(transactionalId: string): void {
    this.#producer = this.#world.life.broker.producer({ transactionalId });
  }

  isVisible({ transaction }: SentRecord): boolean {
    return transaction === undefined || this.#all.get(transaction)?.fate === 'committed';
  }

  /** A reader of committed records has seen it. */
  seen({ id, transaction }: SentRecord, about: string): void {
    if (transaction !== undefined) this.#all.get(transaction)?.seen(`${about}, ${id}`);
  }

  isCovered(group: GroupLedger, partition: PartitionLedger, offset: number): boolean {
    for (const transaction of this.#all.values()) {
      if (!transaction.covers(group, partition, offset)) continue;
      transaction.seen(`${group.name} is past ${offset} of ${partition.name}`);
      return true;
    }
    return false;
  }

  /** Another process has the folder. */
  beginLife(): void {
    this.#driven = [];
    this.#producer = undefined;
  }

  /** What became of those that a crash met, or that have ended: all of it, or nothing. */
  async settle(visible: ReadonlyMap<TopicLedger, ReadonlySet<string>>): Promise<void> {
    for (const transaction of this.#all.values()) {
      transaction.settle((topic, { id }) => visible.get(topic)?.has(id) === true);
    }
    const { groups } = this.#world;
    const committed = new Map<GroupLedger, ReadonlyMap<PartitionLedger, number>>();
    for (const group of groups) committed.set(group, await this.#world.committedBy(group));
    for (const transaction of this.#all.values()) {
      transaction.settleByOffsets(
        ({ group, partition }) => committed.get(group)?.get(partition) ?? 0,
      );
    }
  }
}
