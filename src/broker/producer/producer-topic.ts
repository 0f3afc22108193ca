/**
 * What one producer has of one topic: who sends to each partition, and where a record goes.
 */

import type { Prng } from '../../base/prng.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { keyPartition, type Partitioner, StickyPartition } from './partitioner.js';
import { PartitionSender, type SenderSurroundings } from './producer-partition.js';
import type { EncodedRecord } from './producer-records.js';

export class ProducerTopic {
  readonly topic: HostedTopic;
  readonly sticky: StickyPartition;
  readonly #partitioner: Partitioner | undefined;
  readonly #around: SenderSurroundings;
  /** By partition. */
  readonly #senders: (PartitionSender | undefined)[] = [];

  constructor(
    topic: HostedTopic,
    partitioner: Partitioner | undefined,
    prng: Prng,
    around: SenderSurroundings,
  ) {
    this.topic = topic;
    this.sticky = new StickyPartition(prng);
    this.#partitioner = partitioner;
    this.#around = around;
  }

  sender(partition: number): PartitionSender {
    const known = this.#senders[partition];
    if (known !== undefined) return known;
    const made = new PartitionSender(this.topic, partition, this.#around);
    // Without holes: a list with them is slow to look into.
    while (this.#senders.length < partition) this.#senders.push(undefined);
    this.#senders[partition] = made;
    return made;
  }

  /** Throws UNKNOWN_PARTITION, and what the program's partitioner throws. */
  partitionOf(record: EncodedRecord): number {
    const { partition } = record;
    if (partition !== undefined) {
      this.topic.checkPartition(partition);
      return partition;
    }
    const { partitions } = this.topic;
    const key = record.key ?? null;
    if (this.#partitioner !== undefined) {
      const chosen = this.#partitioner({ key }, partitions);
      this.topic.checkPartition(chosen);
      return chosen;
    }
    if (key !== null) return keyPartition(key, partitions);
    return this.sticky.choose(partitions);
  }
}
