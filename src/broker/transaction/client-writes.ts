/**
 * What a client writes in one transaction: batches of its own making, in partitions that it named
 * before.
 *
 * What fails is the client's to judge: it commits without that, or aborts. Whatever landed is made
 * durable before the transaction commits.
 */

import { assert } from '../../base/assert.js';
import { limits } from '../../base/limits.js';
import type { Acks, AppendResult } from '../../storage/main.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { PartitionLog } from '../topic/partition-log.js';
import type { TransactionWrites } from './open-transaction.js';
import { transactionOver, transactionTooLarge } from './transaction-errors.js';
import type { Participant } from './transaction-sender.js';

/** A batch that a client has made. */
export interface ClientBatch {
  readonly topic: HostedTopic;
  readonly partition: number;
  readonly log: PartitionLog;
  readonly bytes: Uint8Array;
  readonly acks: Acks;
}

export interface NamedPartition {
  readonly topic: HostedTopic;
  readonly partition: number;
}

class ClientLine implements Participant {
  readonly topic: HostedTopic;
  readonly partition: number;
  lastOffset = -1;
  openLog: PartitionLog | undefined;

  constructor({ topic, partition }: NamedPartition) {
    this.topic = topic;
    this.partition = partition;
  }

  get log(): PartitionLog {
    assert(this.openLog !== undefined, 'who takes part has a log');
    return this.openLog;
  }
}

export class ClientWrites implements TransactionWrites {
  readonly #lines = new Map<HostedTopic, Map<number, ClientLine>>();
  readonly #participants: ClientLine[] = [];
  #count = 0;
  #open = 0;
  #idle: (() => void)[] = [];
  #refusal: { readonly error: unknown } | undefined;

  /** Those to which something was handed over, so far. */
  get participants(): readonly Participant[] {
    return this.#participants;
  }

  /** Every one that was named. */
  get named(): readonly NamedPartition[] {
    return [...this.#lines.values()].flatMap((lines) => [...lines.values()]);
  }

  /** All of them, or none. Throws TRANSACTION_TOO_LARGE. */
  name(partitions: readonly NamedPartition[]): void {
    const unknown = partitions.filter((one) => this.#lineOf(one) === undefined);
    if (this.#count + unknown.length > limits.transactionPartitionsMax) {
      throw transactionTooLarge('partitions', limits.transactionPartitionsMax);
    }
    for (const one of unknown) {
      if (this.#lineOf(one) !== undefined) continue;
      const lines = this.#lines.get(one.topic) ?? new Map<number, ClientLine>();
      this.#lines.set(one.topic, lines);
      lines.set(one.partition, new ClientLine(one));
      this.#count += 1;
    }
  }

  /** Throws TRANSACTION_STATE_INVALID for a partition that was not named. */
  append(batch: ClientBatch): Promise<AppendResult> {
    const line = this.#lineOf(batch);
    if (this.#refusal !== undefined) throw this.#refusal.error;
    if (line === undefined) throw transactionOver('a partition that was not named');
    const { log, bytes, acks } = batch;
    if (line.openLog === undefined) {
      line.openLog = log;
      this.#participants.push(line);
    }
    this.#open += 1;
    const appended = log.appendBatch(bytes, { acks });
    appended.then(
      ({ lastOffset }) => {
        line.lastOffset = Math.max(line.lastOffset, lastOffset);
        this.#landed();
      },
      () => this.#landed(),
    );
    return appended;
  }

  refuse(error: unknown): void {
    this.#refusal ??= { error };
  }

  settled(): Promise<void> {
    if (this.#open === 0) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  #lineOf({ topic, partition }: NamedPartition): ClientLine | undefined {
    return this.#lines.get(topic)?.get(partition);
  }

  #landed(): void {
    this.#open -= 1;
    if (this.#open > 0) return;
    for (const wake of this.#idle.splice(0)) wake();
  }
}
