/**
 * An idempotent client behind a socket: it numbers its batches itself, and sends again whatever it
 * has no answer for, after the death of the process too. Nothing may be stored twice, and no gap
 * is taken.
 *
 * Its batches go to the first partition of a topic, with `acks: 'durable'`: none that it knows of
 * is lost.
 */

import { createError, hasCode } from '../../src/base/errors.js';
import type { PartitionLog } from '../../src/broker/topic/partition-log.js';
import type { SentRecord, TopicLedger } from './model-ledger.js';
import { rule } from './model-ledger.js';
import type { ModelWorld } from './model-world.js';

interface ClientBatch {
  readonly baseSequence: number;
  readonly records: readonly SentRecord[];
  isAnswered: boolean;
}

/** As many as a log remembers of each producer. */
const IN_FLIGHT_MAX = 5;

export class ModelClient {
  readonly producerId: number;
  readonly name: string;
  readonly #world: ModelWorld;
  readonly #topic: TopicLedger;
  #epoch = 0;
  #next = 0;
  #order = 0;
  /** Oldest first: what may have to go again. */
  #unanswered: ClientBatch[] = [];
  #last: ClientBatch | undefined;

  constructor(world: ModelWorld, topic: TopicLedger, producerId: number) {
    this.#world = world;
    this.#topic = topic;
    this.producerId = producerId;
    this.name = `client ${producerId}`;
  }

  get isBusy(): boolean {
    return this.#unanswered.length > 0;
  }

  send(count: number): void {
    if (this.#unanswered.length >= IN_FLIGHT_MAX) return;
    const records = Array.from({ length: count }, () => this.#record());
    const batch = { baseSequence: this.#next, records, isAnswered: false };
    this.#next += count;
    this.#unanswered.push(batch);
    this.#last = batch;
    this.#put(batch, false);
  }

  /** The answer was lost on the way: the last batch goes again. */
  sendAgain(): void {
    if (this.#last !== undefined) this.#put(this.#last, this.#last.isAnswered);
  }

  /** A batch is missing before this one: it must be refused. */
  skip(): void {
    if (this.#next === 0) return;
    const { life } = this.#world;
    const baseSequence = this.#next + 1;
    this.#append([{ value: 'behind a gap' }], baseSequence, this.#epoch).then(
      () => this.#expectRefusal(life.isOver, 'a batch behind a gap was taken'),
      (error: unknown) => this.#expect(life.isOver, error, 'OUT_OF_ORDER_SEQUENCE'),
    );
  }

  /** The client begins a new epoch, and a batch of the old one comes late. */
  comeLate(): void {
    if (this.isBusy || this.#last === undefined) return;
    const { life } = this.#world;
    const late = this.#epoch;
    this.#epoch += 1;
    this.#next = 0;
    this.send(1);
    const lateSequence = this.#last.baseSequence + this.#last.records.length + 1_000;
    this.#append([{ value: 'from an old epoch' }], lateSequence, late).then(
      () => this.#expectRefusal(life.isOver, 'a batch of an old epoch was taken'),
      (error: unknown) => this.#expect(life.isOver, error, 'PRODUCER_FENCED'),
    );
  }

  /** The process died, and another one is there: everything without an answer goes again. */
  goOn(): void {
    if (this.#topic.isDeleted) this.#unanswered = [];
    for (const batch of this.#unanswered) this.#put(batch, false);
  }

  #put(batch: ClientBatch, isKnownToBeStored: boolean): void {
    const { life } = this.#world;
    const values = batch.records.map(({ id }) => ({ value: id }));
    this.#append(values, batch.baseSequence, this.#epoch).then(
      ({ baseOffset, isDuplicate }) => {
        if (life.isOver) return;
        batch.isAnswered = true;
        this.#unanswered = this.#unanswered.filter((other) => other !== batch);
        this.#world.coverage.count('client batches', isDuplicate ? 'duplicate' : 'stored');
        this.#world.check(() => {
          const first = batch.records[0]?.id;
          rule(isDuplicate || !isKnownToBeStored, `${first} was sent again and stored again`);
          // Of an old duplicate the log does not know where it is.
          if (baseOffset < 0) return;
          const ledger = this.#topic.partition(0);
          for (const [at, { id }] of batch.records.entries()) {
            ledger.learn(baseOffset + at, id, 'durable');
          }
        });
      },
      (error: unknown) => {
        if (life.isOver) return;
        if (isGone(error)) this.#unanswered = [];
        else this.#world.fail(`${this.name} was refused`, error);
      },
    );
  }

  async #append(
    records: readonly { readonly value: string }[],
    baseSequence: number,
    producerEpoch: number,
  ): Promise<{ readonly baseOffset: number; readonly isDuplicate: boolean }> {
    const log = await this.#log();
    const producer = { producerId: this.producerId, producerEpoch, baseSequence };
    return await log.append(records, { acks: 'durable', producer });
  }

  async #log(): Promise<PartitionLog> {
    const hosted = this.#world.topics.hosted(this.#topic);
    if (hosted === undefined) throw createError('UNKNOWN_TOPIC', {});
    return await hosted.partition(0);
  }

  #record(): SentRecord {
    const order = this.#order;
    this.#order += 1;
    const { name: sender } = this;
    const id = `${sender}:${order}`;
    const record = { id, sender, order, key: null, transaction: undefined, isRefused: false };
    this.#topic.sent.set(id, record);
    return record;
  }

  #expectRefusal(isOver: boolean, what: string): void {
    if (!isOver) this.#world.check(() => rule(false, `${this.name}: ${what}`));
  }

  #expect(
    isOver: boolean,
    error: unknown,
    code: 'OUT_OF_ORDER_SEQUENCE' | 'PRODUCER_FENCED',
  ): void {
    if (isOver) return;
    this.#world.coverage.count('client refusals', code);
    if (hasCode(error, code) || isGone(error)) return;
    this.#world.fail(`${this.name} was refused otherwise`, error);
  }
}

/** The topic was deleted meanwhile. */
function isGone(error: unknown): boolean {
  return hasCode(error, 'UNKNOWN_TOPIC') || hasCode(error, 'LOG_CLOSED');
}
