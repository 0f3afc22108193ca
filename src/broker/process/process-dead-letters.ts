/**
 * Dead-lettering: dead records go to their topic, and the offset past them is committed, together.
 *
 * The topic is made when the first record needs it: with as many partitions as the source has, so
 * that keys keep their order, and without an age. One transaction holds the letters and the commit,
 * so a crash leaves both or neither: a record is in the topic once, however often it was tried.
 */

import { hasCode } from '../../base/errors.js';
import type { LogRecord } from '../../storage/main.js';
import type { TopicRecord } from '../producer/producer-records.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { type TopicConfig, type TopicOptions, topicOptionTable } from '../topic/topic-options.js';
import { causeOf, DEAD_LETTER_BYTES_MAX, deadLetterOf } from './process-dead-letter.js';
import type { DeadRun } from './process-partition.js';

/** Records of one transaction. */
export const BURIAL_RECORDS_MAX = 100;
export const BURIAL_BYTES_MAX = 512 * 1024;

/** Where dead records lie, and whose they are. */
export interface DeadLetterSource {
  readonly group: string;
  readonly topic: string;
  readonly partition: number;
}

export interface DeadLetterTopics {
  /** Throws UNKNOWN_TOPIC. */
  find(name: string): HostedTopic;
  declare(name: string, options: TopicOptions): Promise<HostedTopic>;
}

/** Sends the letters and commits the offset, both or neither. */
export type Bury = (burial: {
  readonly target: HostedTopic;
  readonly letters: readonly TopicRecord<Uint8Array | string>[];
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
}) => Promise<void>;

export interface DeadLetterSurroundings {
  readonly topics: DeadLetterTopics;
  readonly bury: Bury;
  readonly nowMs: () => number;
}

export class DeadLetters {
  readonly #name: string;
  readonly #surroundings: DeadLetterSurroundings;

  constructor(name: string, surroundings: DeadLetterSurroundings) {
    this.#name = name;
    this.#surroundings = surroundings;
  }

  /** Resolves when the letters and the offset behind them are durable; rejects: neither is. */
  async bury(run: DeadRun<LogRecord>, source: DeadLetterSource): Promise<void> {
    const { bury, nowMs } = this.#surroundings;
    const { topic, partition, group } = source;
    const target = await this.#target(topic);
    const timeMs = nowMs();
    const letters = run.works.map(({ record, failures, error }) => {
      const cause = causeOf(error);
      const facts = { topic, partition, group, attempts: failures, cause, timeMs };
      const letter = deadLetterOf(record, facts, target.definition.config);
      // Where the source is partitioned otherwise than by key, its order is kept too.
      return partition < target.partitions ? { ...letter, partition } : letter;
    });
    await bury({ target, letters, topic, partition, nextOffset: run.nextOffset });
  }

  async #target(source: string): Promise<HostedTopic> {
    const { topics } = this.#surroundings;
    try {
      return topics.find(this.#name);
    } catch (error) {
      if (!hasCode(error, 'UNKNOWN_TOPIC')) throw error;
    }
    const { definition } = topics.find(source);
    try {
      return await topics.declare(this.#name, deadTopicOptions(definition.config));
    } catch (error) {
      // Another worker was faster, and sees other options of the source.
      if (!hasCode(error, 'TOPIC_CONFLICT')) throw error;
      return topics.find(this.#name);
    }
  }
}

/** Every record of the source fits into it. */
export function deadTopicOptions(source: TopicConfig): TopicOptions {
  const { partitions, recordBytesMax, batchBytesMax, segmentBytes } = source;
  const { recordBytesMax: record, batchBytesMax: batch } = topicOptionTable;
  return {
    partitions,
    recordBytesMax: Math.min(record.max, recordBytesMax + DEAD_LETTER_BYTES_MAX),
    batchBytesMax: Math.min(batch.max, batchBytesMax + DEAD_LETTER_BYTES_MAX),
    segmentBytes,
    retentionMs: 'unlimited',
  };
}
