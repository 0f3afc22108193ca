/**
 * Share groups of topics in use by consumers: each with its options, and with its dead letters.
 *
 * All consumers of a group in a broker agree on the options of the group; those that a consumer
 * does not give are those of the first one.
 */

import type { Clock } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import type { BrokerShares, SharedGroup } from '../broker-shares.js';
import { deadTopicOptions } from '../process/process-dead-letters.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import type { TopicOptions } from '../topic/topic-options.js';
import type { TransactionWork } from '../transaction/transaction.js';
import { DeadLetterMover } from './dead-letter-mover.js';
import {
  groupConfigOf,
  groupOptionNames,
  type ShareConfig,
  type ShareOptions,
} from './share-consumer-options.js';
import type { ShareGroup } from './share-group.js';

export interface ShareSurroundings {
  readonly clock: Clock;
  readonly shares: BrokerShares;
  readonly topics: {
    find(name: string): HostedTopic | undefined;
    declare(name: string, options: TopicOptions): Promise<HostedTopic>;
  };
  readonly transactions: { run<T>(work: TransactionWork<T>): Promise<T> };
}

/** A group as its consumers use it. */
export interface OpenShare {
  readonly group: ShareGroup;
  readonly letters: DeadLetterMover | undefined;
  release(): Promise<void>;
}

interface KnownShare {
  readonly config: ShareConfig;
  readonly opening: Promise<{
    readonly shared: SharedGroup;
    readonly letters: OpenShare['letters'];
  }>;
  users: number;
  /** The last consumer has gone: whoever comes now begins anew when it is through. */
  closing: Promise<void> | undefined;
}

export class ShareOpenings {
  readonly #around: ShareSurroundings;
  readonly #known = new Map<string, KnownShare>();
  readonly #consumers = new Set<{ close(): Promise<void> }>();

  constructor(around: ShareSurroundings) {
    this.#around = around;
  }

  added(consumer: { close(): Promise<void> }): void {
    this.#consumers.add(consumer);
  }

  removed(consumer: { close(): Promise<void> }): void {
    this.#consumers.delete(consumer);
  }

  /** Throws OPTION_CONFLICT when the group is in use with another option than was given. */
  async open(topic: HostedTopic, given: ShareOptions, config: ShareConfig): Promise<OpenShare> {
    const text = `${topic.definition.topicId}/${config.group}`;
    let found = this.#known.get(text);
    while (found?.closing !== undefined) {
      await found.closing.catch(() => undefined);
      found = this.#known.get(text);
    }
    const known = found ?? this.#begin(text, topic, config);
    checkSame(known.config, given, config, topic);
    known.users += 1;
    let isReleased = false;
    const release = async (): Promise<void> => {
      if (isReleased) return;
      isReleased = true;
      known.users -= 1;
      if (known.users > 0) return;
      known.closing = this.#end(text, known);
      await known.closing;
    };
    try {
      const { shared, letters } = await known.opening;
      return { group: shared.group, letters, release };
    } catch (error) {
      if (this.#known.get(text) === known) this.#known.delete(text);
      throw error;
    }
  }

  /** Every consumer gives back what it has. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#consumers].map((consumer) => consumer.close()));
  }

  #begin(text: string, topic: HostedTopic, config: ShareConfig): KnownShare {
    const opening = this.#openNow(topic, config);
    const known: KnownShare = { config, opening, users: 0, closing: undefined };
    this.#known.set(text, known);
    return known;
  }

  async #end(text: string, known: KnownShare): Promise<void> {
    try {
      const { shared, letters } = await known.opening;
      await letters?.close();
      await shared.release();
    } finally {
      if (this.#known.get(text) === known) this.#known.delete(text);
    }
  }

  async #openNow(topic: HostedTopic, config: ShareConfig) {
    const { shares, topics, transactions, clock } = this.#around;
    const shared = await shares.open(topic, config.group, groupConfigOf(config));
    if (config.deadLetter === '') return { shared, letters: undefined };
    const letters = new DeadLetterMover({
      group: shared.group,
      origin: { group: config.group, topic: topic.name, queue: undefined },
      target: async () => {
        const found = topics.find(config.deadLetter);
        const options = deadTopicOptions(topic.definition.config);
        return found ?? (await topics.declare(config.deadLetter, options));
      },
      transactions,
      clock,
    });
    return { shared, letters };
  }
}

function checkSame(
  known: ShareConfig,
  given: ShareOptions,
  config: ShareConfig,
  topic: HostedTopic,
): void {
  for (const option of groupOptionNames) {
    if (given[option] === undefined || known[option] === config[option]) continue;
    const [expected, actual] = [known[option], config[option]];
    const { group } = config;
    throw createError('OPTION_CONFLICT', { option, expected, actual, group, topic: topic.name });
  }
}
