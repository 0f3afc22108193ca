/**
 * Somebody who sends: over all lives of the process under one name, or under none.
 *
 * It tries nothing again. A send that was refused is nowhere; of one that has no answer, because
 * the process died, the logs say later what became of it.
 */

import { hasCode } from '../../src/base/errors.js';
import type { Producer } from '../../src/broker/producer/producer.js';
import type { Acks } from '../../src/storage/main.js';
import type { SentRecord, TopicLedger } from './model-ledger.js';
import { rule } from './model-ledger.js';
import type { Life } from './model-life.js';
import type { ModelWorld } from './model-world.js';

/** Codes that say that nothing was stored. */
const refusals = ['UNKNOWN_TOPIC', 'PRODUCER_FENCED', 'BUFFER_FULL', 'BROKER_CLOSED'] as const;

export class ModelProducer {
  readonly name: string;
  readonly acks: Acks;
  readonly #world: ModelWorld;
  readonly #isNamed: boolean;
  #producer: Producer | undefined;
  #order = 0;
  #instance = 0;
  pending = 0;

  constructor(world: ModelWorld, name: string, acks: Acks, isNamed: boolean) {
    this.#world = world;
    this.name = name;
    this.acks = acks;
    this.#isNamed = isNamed;
  }

  /** One call with so many records of one key. */
  send(topic: TopicLedger, keys: readonly (string | null)[]): void {
    const { life } = this.#world;
    const producer = this.#producerOf(life);
    const { partitionCount } = this.#world.topics.summaryOf(topic);
    const records = keys.map((key) => this.#record(topic, key));
    const given = records.map(({ id, key }) => ({ key, value: id }));
    this.pending += 1;
    this.#world.coverage.count('sends', this.acks);
    producer.send(topic.name, given).then(
      ({ ranges }) => {
        if (life.isOver) return;
        this.pending -= 1;
        if (this.acks !== 'none') this.#stored(topic, records, ranges, partitionCount);
      },
      (error: unknown) => {
        if (life.isOver) return;
        this.pending -= 1;
        const code = refusals.find((known) => hasCode(error, known));
        this.#world.coverage.count('refused sends', code ?? 'other');
        if (code === undefined) this.#world.fail(`a send to ${topic.name} failed`, error);
        // Of several shares those before may be stored.
        else if (records.length === 1) for (const record of records) record.isRefused = true;
      },
    );
  }

  /** The process died: nothing that was sent gets an answer. */
  goOn(): void {
    this.#producer = undefined;
    this.pending = 0;
  }

  /** Closes its producer; the next send begins another one. */
  close(): void {
    const { life } = this.#world;
    const producer = this.#producer;
    this.#producer = undefined;
    producer?.close().catch((error: unknown) => {
      if (!life.isOver) this.#world.fail('a producer could not be closed', error);
    });
  }

  #record(topic: TopicLedger, key: string | null): SentRecord {
    const order = this.#order;
    this.#order += 1;
    // Of two producers of one name, neither waits for the other.
    const sender = `${this.name} ${this.#instance}`;
    const id = `${this.name}:${order}`;
    const record = { id, sender, order, key, transaction: undefined, isRefused: false };
    topic.sent.set(id, record);
    return record;
  }

  #stored(
    topic: TopicLedger,
    records: readonly SentRecord[],
    ranges: readonly { partition: number; baseOffset: number; lastOffset: number }[],
    partitionCount: number,
  ): void {
    // The records of one share keep their order, and which those are the keys say.
    const count = ranges.reduce((sum, range) => sum + range.lastOffset - range.baseOffset + 1, 0);
    this.#world.check(() => {
      rule(count === records.length, `${records[0]?.id}: ${count} of ${records.length} are stored`);
      const [record] = records;
      const [range] = ranges;
      if (record === undefined || range === undefined || records.length > 1) return;
      const { partition, baseOffset } = range;
      topic
        .partition(partition)
        .learn(baseOffset, record.id, this.acks === 'none' ? 'unsafe' : this.acks);
      if (record.key !== null) topic.noteKey(record.key, partitionCount, partition);
    });
  }

  #producerOf(life: Life): Producer {
    if (this.#producer === undefined) {
      this.#instance += 1;
      const name = this.#isNamed ? { name: this.name } : {};
      this.#producer = life.broker.producer({ acks: this.acks, ...name });
    }
    return this.#producer;
  }
}
