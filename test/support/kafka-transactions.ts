/**
 * A producer with a transactional id, request by request, as Kafka's clients speak.
 */

import { fetch, produce } from '../../src/server/kafka/messages/data.js';
import { offsetFetch } from '../../src/server/kafka/messages/groups.js';
import {
  addOffsetsToTxn,
  addPartitionsToTxn,
  describeTransactions,
  endTxn,
  initProducerId,
  txnOffsetCommit,
} from '../../src/server/kafka/messages/transactions.js';
import { batchOf, readAll } from './batch-fixtures.js';
import type { KafkaClient } from './kafka-client.js';

export interface Member {
  readonly generationId: number;
  readonly memberId: string;
}

export class WireProducer {
  readonly #client: KafkaClient;
  readonly transactionalId: string;
  readonly #sequences = new Map<string, number>();
  producerId = -1;
  producerEpoch = -1;

  constructor(client: KafkaClient, transactionalId = 'tx') {
    this.#client = client;
    this.transactionalId = transactionalId;
  }

  /** Takes the id; the next epoch of the one that it has when it `asksAgain`. */
  async init({ asksAgain = false, timeoutMs = 60_000, version = 4 } = {}): Promise<number> {
    const { transactionalId, producerId, producerEpoch } = this;
    const known = asksAgain ? { producerId, producerEpoch } : {};
    const asked = { transactionalId, transactionTimeoutMs: timeoutMs, ...known };
    const answer = await this.#client.ask(initProducerId, version, asked);
    if (answer.errorCode === 0) {
      this.producerId = answer.producerId;
      this.producerEpoch = answer.producerEpoch;
      this.#sequences.clear();
    }
    return answer.errorCode;
  }

  async add(topic: string, partitions: readonly number[] = [0], version = 3): Promise<number> {
    const topics = [{ name: topic, partitions }];
    const asked = { ...this.#identity, topics };
    const answer = await this.#client.ask(addPartitionsToTxn, version, asked as never);
    return answer.resultsByTopic[0]?.results[0]?.errorCode ?? -1;
  }

  async send(topic: string, value: string, partition = 0): Promise<number> {
    const place = `${topic}/${partition}`;
    const baseSequence = this.#sequences.get(place) ?? 0;
    const { producerId, producerEpoch } = this;
    const producer = { producerId, producerEpoch, baseSequence, isTransactional: true };
    const partitions = [{ index: partition, records: [batchOf([{ value }], { producer })] }];
    const asked = { acks: -1, timeoutMs: 1_000, topics: [{ name: topic, partitions }] };
    const { topics } = await this.#client.ask(produce, 9, asked as never);
    const errorCode = topics[0]?.partitions[0]?.errorCode ?? -1;
    if (errorCode === 0) this.#sequences.set(place, baseSequence + 1);
    return errorCode;
  }

  async addOffsets(groupId = 'g'): Promise<number> {
    const answer = await this.#client.ask(addOffsetsToTxn, 3, { ...this.#identity, groupId });
    return answer.errorCode;
  }

  async commitOffset(topic: string, committedOffset: number, member?: Member): Promise<number> {
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: 'm' }];
    const asked = { ...this.#identity, groupId: 'g', ...member };
    const answer = await this.#client.ask(txnOffsetCommit, 3, {
      ...asked,
      topics: [{ name: topic, partitions }],
    } as never);
    return answer.topics[0]?.partitions[0]?.errorCode ?? -1;
  }

  async end(committed: boolean, version = 3): Promise<number> {
    const asked = { ...this.#identity, committed };
    return (await this.#client.ask(endTxn, version, asked)).errorCode;
  }

  async describe() {
    const asked = { transactionalIds: [this.transactionalId] };
    const [state] = (await this.#client.ask(describeTransactions, 0, asked)).transactionStates;
    return state;
  }

  get #identity() {
    const { transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }
}

/** What readers of committed records get, as a client works it out from the aborted list. */
export async function readCommitted(client: KafkaClient, topic: string): Promise<string[]> {
  const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }];
  const limits = { maxWaitMs: 0, minBytes: 1, maxBytes: 1_000_000, isolationLevel: 1 };
  const asked = { ...limits, topics: [{ topic, partitions }] };
  const { topics } = await client.ask(fetch, 11, asked as never);
  const found = topics[0]?.partitions[0];
  const bytes = Buffer.concat([...(found?.records ?? [])]);
  const waiting = [...(found?.abortedTransactions ?? [])];
  const aborted = new Set<number>();
  const values: string[] = [];
  for (let start = 0; start < bytes.length; start += 12 + bytes.readInt32BE(start + 8)) {
    const producerId = Number(bytes.readBigInt64BE(start + 43));
    const lastOffset = Number(bytes.readBigInt64BE(start)) + bytes.readInt32BE(start + 23);
    const isControl = (bytes.readInt16BE(start + 21) & 0x20) !== 0;
    for (const one of waiting) {
      if (one.producerId === producerId && one.firstOffset <= lastOffset) aborted.add(producerId);
    }
    if (isControl) {
      aborted.delete(producerId);
      const ended = waiting.findIndex((one) => one.producerId === producerId);
      if (ended >= 0 && waiting[ended] !== undefined && waiting[ended].firstOffset <= lastOffset) {
        waiting.splice(ended, 1);
      }
    } else if (!aborted.has(producerId)) {
      for (const { value } of readAll(bytes, start)) values.push(value ?? '');
    }
  }
  return values;
}

/** -1 when there is none. */
export async function committedOffset(client: KafkaClient, topic: string): Promise<number> {
  const topics = [{ name: topic, partitionIndexes: [0] }];
  const answer = await client.ask(offsetFetch, 7, { groupId: 'g', topics });
  return answer.topics[0]?.partitions[0]?.committedOffset ?? -1;
}
