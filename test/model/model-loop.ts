/**
 * A process with a loop over a consumer, as a program has it: automatic commits as it goes on.
 */

import { Consumer } from '../../src/broker/consumer/consumer.js';
import type { ConsumerBatch } from '../../src/broker/consumer/consumer-batch.js';
import type { TopicPartition } from '../../src/broker/group/group-topics.js';
import { bytes } from '../../src/broker/topic/codec.js';
import type { GroupLedger } from './model-group.js';
import { rule } from './model-ledger.js';
import {
  type MemberPlan,
  memberOptions,
  PREFETCH_BYTES,
  PREFETCH_COUNT,
} from './model-participant.js';
import { ModelProcess } from './model-process.js';
import type { ModelWorld } from './model-world.js';

export class ModelLoop extends ModelProcess {
  readonly #consumer: Consumer<Buffer>;
  /** What comes next, by the name of the partition. */
  readonly #next = new Map<string, number>();
  /** Lost in this turn: what was on its way to the loop then still comes. */
  readonly #lostNow = new Set<string>();
  #permits = 0;
  #permitted: (() => void) | undefined;

  constructor(world: ModelWorld, group: GroupLedger, name: string, plan: MemberPlan) {
    super(world, group, name, plan);
    this.#consumer = new Consumer(
      plan.topics,
      bytes,
      {
        ...memberOptions(group, plan),
        onAssigned: (partitions) => this.#assigned(partitions),
        onRevoked: (partitions) => this.#gone(partitions),
        onLost: (partitions) => this.#lost(partitions),
      },
      this.line.surroundings,
    );
    this.watch(this.#run());
  }

  work(count: number): void {
    this.#permits += count;
    this.#permitted?.();
  }

  stop(): void {
    if (this.isStopping || this.line.isCrashed) return;
    this.isStopping = true;
    this.#consumer.close().catch((error: unknown) => this.ended('could not be closed', error));
  }

  pause(which: number): void {
    const places = this.#consumer.assignment;
    const place = places[which % Math.max(1, places.length)];
    if (place?.isPaused === true) this.#consumer.resume([place]);
    else if (place !== undefined) this.#consumer.pause([place]);
  }

  /** Its commits follow where it seeks to; for that there are members that commit themselves. */
  seek(): void {}

  setBack(): void {
    this.resume();
    if (!this.isStopping) this.#consumer.resume();
    this.work(1_000_000);
  }

  checkBounds(): void {
    const { heldCount, heldBytes } = this.#consumer;
    rule(heldCount <= PREFETCH_COUNT, `${this.name} holds ${heldCount} batches`);
    const isWithin = heldCount <= 1 || heldBytes <= PREFETCH_BYTES;
    rule(isWithin, `${this.name} holds ${heldBytes} bytes in ${heldCount} batches`);
  }

  picture(): string {
    const owned = this.#consumer.assignment.map(({ topic, partition, position, endOffset }) => {
      return `${topic}-${partition} at ${position} of ${endOffset}`;
    });
    return `${this.name} of ${this.group.name}, a loop, has ${owned}`;
  }

  async #run(): Promise<void> {
    for await (const batch of this.#consumer) {
      if (this.line.isGone) return;
      this.world.check(() => this.#delivered(batch));
      await this.#permit();
      if (this.line.isGone) await new Promise(() => undefined);
      this.world.check(() => this.#done(batch));
    }
  }

  async #permit(): Promise<void> {
    for (;;) {
      await this.line.unstalled();
      if (this.#permits > 0) break;
      await new Promise<void>((resolve) => {
        this.#permitted = resolve;
      });
    }
    this.#permits -= 1;
  }

  #delivered(batch: ConsumerBatch<Buffer>): void {
    const { topic, partition } = batch;
    const place = `${topic}-${partition}`;
    const about = `${this.name} got ${place}`;
    this.world.coverage.count('members', 'batches of loops');
    let next = this.#next.get(place);
    if (next === undefined && this.#lostNow.has(place)) return;
    rule(next !== undefined, `${about}, which it was not told of`);
    for (const { offset, value } of batch) {
      const id = value?.toString() ?? 'null';
      rule(offset >= next, `${about} at ${offset} behind ${next}`);
      next = offset + 1;
      const ledger = this.world.topics.partitionOfRecord(id, partition);
      if (ledger === undefined || ledger.isDoomed) continue;
      const record = ledger.learn(offset, id, this.plan.durability);
      this.world.transactions.seen(record, about);
    }
    this.#next.set(place, next);
  }

  #done(batch: ConsumerBatch<Buffer>): void {
    for (const { offset, value } of batch) {
      const ledger = this.world.topics.partitionOfRecord(
        value?.toString() ?? 'null',
        batch.partition,
      );
      if (ledger !== undefined) this.group.done(ledger, offset);
    }
  }

  #assigned(partitions: readonly TopicPartition[]): void {
    if (this.line.isGone) return;
    for (const { topic, partition } of partitions) {
      const place = this.#consumer.assignment.find(
        (one) => one.topic === topic && one.partition === partition,
      );
      const at = place?.position ?? 0;
      this.#next.set(`${topic}-${partition}`, at);
      this.world.coverage.count('members', 'partitions assigned');
      const ledger = this.world.topics.partitionAt(topic, partition);
      if (ledger === undefined || ledger.isDoomed) continue;
      const isLate = this.world.isLate(this);
      this.world.check(() => this.group.checkStart(ledger, at, isLate));
    }
  }

  #lost(partitions: readonly TopicPartition[]): void {
    this.#gone(partitions);
    for (const { topic, partition } of partitions) this.#lostNow.add(`${topic}-${partition}`);
    setImmediate(() => this.#lostNow.clear());
  }

  #gone(partitions: readonly TopicPartition[]): void {
    for (const { topic, partition } of partitions) this.#next.delete(`${topic}-${partition}`);
    this.world.coverage.count('members', 'partitions given up', partitions.length);
  }
}
