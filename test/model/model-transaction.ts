/**
 * A transaction: sends to any topics, and offsets that a member commits with it. Its work does one
 * thing at a time, as commands say, and returns or throws in the end. The rules:
 *
 * - readers of committed records see nothing of it before its work has returned, all of it once it
 *   was answered that it is committed, nothing when it was answered that it is not
 * - whatever a crash met, all of it is there afterwards, offsets included, or nothing
 */

import { type ErrorCode, hasCode } from '../../src/base/errors.js';
import type { Transaction } from '../../src/broker/transaction/transaction.js';
import type { GroupLedger } from './model-group.js';
import { type PartitionLedger, rule, type SentRecord, type TopicLedger } from './model-ledger.js';
import type { Life } from './model-life.js';
import type { ModelWorld } from './model-world.js';

export type TransactionFate =
  /** Its work goes on: nothing of it can be seen. */
  | 'running'
  /** Its work has returned, or the process died then: all or nothing. */
  | 'deciding'
  | 'committed'
  | 'aborted';

/** What a member has read and commits with it. */
export interface TransactionInput {
  readonly group: GroupLedger;
  readonly partition: PartitionLedger;
  readonly offsets: readonly number[];
  readonly nextOffset: number;
}

/** How long the work of one may take. */
const TIMEOUT_MS = 20_000;
/** What a transaction may end with that its work did not throw. */
const expected: readonly ErrorCode[] = [
  'TRANSACTION_TIMED_OUT',
  'TRANSACTION_ABORTED',
  'TRANSACTION_STATE_INVALID',
  'OFFSET_HELD',
  'PRODUCER_FENCED',
  'UNKNOWN_TOPIC',
  'UNKNOWN_PARTITION',
  'ILLEGAL_GENERATION',
  'UNKNOWN_MEMBER',
  'FENCED_INSTANCE',
  'REBALANCE_IN_PROGRESS',
];

class WorkFailed extends Error {}

export class ModelTransaction {
  readonly name: string;
  readonly #world: ModelWorld;
  readonly #life: Life;
  readonly records: { readonly topic: TopicLedger; readonly record: SentRecord }[] = [];
  readonly inputs: TransactionInput[] = [];
  #fate: TransactionFate = 'running';
  /** Somebody has seen a part of it: it has to be committed. */
  #isSeen = false;
  #actions: ((transaction: Transaction) => 'go on' | 'return' | Promise<unknown>)[] = [];
  #wake: (() => void) | undefined;
  /** Resolves once it is clear whether it is committed; never when the life ends before. */
  readonly ended: Promise<TransactionFate>;

  constructor(world: ModelWorld, name: string, transactionalId: string | undefined) {
    this.#world = world;
    this.#life = world.life;
    this.name = name;
    this.ended = this.#run(transactionalId);
  }

  get fate(): TransactionFate {
    return this.#fate;
  }

  get isOver(): boolean {
    return this.#fate === 'committed' || this.#fate === 'aborted';
  }

  // ---- What a command does to it.

  send(topic: TopicLedger, key: string | null): void {
    this.#do((transaction) => {
      const place = this.records.length;
      const id = `${this.name}:${place}`;
      const facts = { sender: this.name, order: place, key, transaction: this.name };
      const record: SentRecord = { id, ...facts, isRefused: false };
      topic.sent.set(id, record);
      this.records.push({ topic, record });
      transaction.send(topic.name, { key, value: id }).then(
        ({ partition, offset }) => {
          if (this.#life.isOver) return;
          this.#world.check(() => topic.partition(partition).learn(offset, id, 'written'));
        },
        // That ends the transaction, which tells.
        () => undefined,
      );
      return 'go on';
    });
  }

  commitOffsets(input: TransactionInput, commit: (transaction: Transaction) => void): void {
    this.#do((transaction) => {
      commit(transaction);
      this.inputs.push(input);
      return 'go on';
    });
  }

  return(): void {
    this.#do(() => 'return');
  }

  throw(): void {
    this.#do(() => {
      throw new WorkFailed('the work fails');
    });
  }

  // ---- What is seen of it.

  /** A reader of committed records, or of a group's offsets, has seen a part of it. */
  seen(about: string): void {
    const isPossible = this.#fate === 'deciding' || this.#fate === 'committed';
    rule(isPossible, `${about}: a part of ${this.name}, which is ${this.#fate}`);
    this.#isSeen = true;
  }

  /** Whether the group may be past this offset because of it. */
  covers(group: GroupLedger, partition: PartitionLedger, offset: number): boolean {
    if (this.#fate !== 'deciding' && this.#fate !== 'committed') return false;
    return this.inputs.some(
      (input) =>
        input.group === group && input.partition === partition && input.offsets.includes(offset),
    );
  }

  /** After a crash, or in the end: what of it can be seen, in all partitions. */
  settle(isVisible: (topic: TopicLedger, record: SentRecord) => boolean): void {
    if (!this.isOver && !this.#life.isOver) return;
    // The process died before its work had returned.
    if (this.#fate === 'running') this.#end('aborted');
    const counted = this.records.filter(({ topic }) => !topic.isDoomed);
    const visible = counted.filter(({ topic, record }) => isVisible(topic, record));
    const about = `${this.name}: ${visible.length} of ${counted.length} records can be seen`;
    rule(visible.length === 0 || visible.length === counted.length, about);
    if (this.#fate === 'deciding' && counted.length > 0) {
      this.#end(visible.length > 0 ? 'committed' : 'aborted');
    }
    if (counted.length === 0) return;
    rule(visible.length > 0 === (this.#fate === 'committed'), `${about}, it is ${this.#fate}`);
  }

  /** What has offsets alone is decided by them. */
  settleByOffsets(committedOf: (input: TransactionInput) => number): void {
    if (this.#fate !== 'deciding' || !this.#life.isOver) return;
    const [first] = this.inputs;
    const isCommitted = first !== undefined && committedOf(first) >= first.nextOffset;
    this.#end(isCommitted ? 'committed' : 'aborted');
  }

  async #run(transactionalId: string | undefined): Promise<TransactionFate> {
    const { broker } = this.#life;
    const work = (transaction: Transaction): Promise<void> => this.#work(transaction);
    const options = { timeoutMs: TIMEOUT_MS };
    try {
      if (transactionalId === undefined) await broker.transaction(work, options);
      else await this.#world.transactions.producer(transactionalId).transaction(work, options);
      if (!this.#life.isOver) this.#world.check(() => this.#end('committed'));
    } catch (error) {
      if (this.#life.isOver) return await new Promise(() => undefined);
      const code = expected.find((one) => hasCode(error, one));
      this.#world.coverage.count('transactions', `aborted: ${code ?? 'by its work'}`);
      const isExpected = code !== undefined || error instanceof WorkFailed;
      if (!isExpected) this.#world.fail(`${this.name} failed`, error);
      this.#world.check(() => this.#end('aborted'));
    }
    if (this.#life.isOver) return await new Promise(() => undefined);
    return this.#fate;
  }

  async #work(transaction: Transaction): Promise<void> {
    for (;;) {
      const action = this.#actions.shift();
      if (action === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      } else if ((await action(transaction)) === 'return') {
        // It may have ended before, for the time was over.
        if (!this.#life.isOver && this.#fate === 'running') this.#fate = 'deciding';
        return;
      }
    }
  }

  #do(action: (transaction: Transaction) => 'go on' | 'return'): void {
    this.#actions.push(action);
    this.#wake?.();
  }

  #end(fate: 'committed' | 'aborted'): void {
    if (this.isOver) return;
    this.#fate = fate;
    this.#world.coverage.count('transactions', fate);
    rule(fate === 'committed' || !this.#isSeen, `${this.name} was seen, and is aborted`);
    if (fate === 'aborted') return;
    for (const { group, partition, offsets, nextOffset } of this.inputs) {
      for (const offset of offsets) group.doneInTransaction(partition, offset);
      group.committed(partition, nextOffset);
    }
  }
}
