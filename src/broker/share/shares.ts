/**
 * The share groups of a broker, for whoever administers them: those in use and those at rest.
 */

import { createError } from '../../base/errors.js';
import type { BrokerShares, SharedGroup } from '../broker-shares.js';
import { checkGroupId } from '../group/group-admission.js';
import type { HostedTopic } from '../topic/hosted-topic.js';
import { groupConfigOf, resolveShareOptions } from './share-consumer-options.js';
import { describeShare, type ShareDescription } from './share-description.js';
import type { ShareResetTarget } from './share-group-config.js';

export interface ShareListing {
  readonly group: string;
  readonly topic: string;
  /** Whether a consumer or a queue of this process uses it. */
  readonly isOpen: boolean;
}

/** A group on a topic. */
export interface ShareName {
  readonly group: string;
  readonly topic: string;
}

export interface ShareTopics {
  /** Throws UNKNOWN_TOPIC. */
  get(name: string): HostedTopic;
  all(): readonly HostedTopic[];
}

export class Shares {
  readonly #shares: () => BrokerShares;
  readonly #topics: ShareTopics;

  /** `shares` throws BROKER_CLOSED. */
  constructor(shares: () => BrokerShares, topics: ShareTopics) {
    this.#shares = shares;
    this.#topics = topics;
  }

  /** By topic and group; those of queues have their names. */
  async list(): Promise<readonly ShareListing[]> {
    const shares = this.#shares();
    const topics = new Map(this.#topics.all().map((topic) => [topic.definition.topicId, topic]));
    const found = new Map<string, ShareListing>();
    for (const { group, topicId } of await shares.keys()) {
      const topic = topics.get(topicId);
      if (topic === undefined) continue;
      const isOpen = shares.find(topic, group) !== undefined;
      found.set(`${topicId}/${group}`, { group, topic: topic.name, isOpen });
    }
    return [...found.values()].sort((one, other) => {
      const [a, b] = [`${one.topic}\0${one.group}`, `${other.topic}\0${other.group}`];
      return a < b ? -1 : 1;
    });
  }

  /**
   * Rejects with GROUP_NOT_FOUND, UNKNOWN_TOPIC, GROUP_INVALID, also for the group of a queue:
   * `describeQueue` tells of it.
   */
  describe(name: ShareName): Promise<ShareDescription> {
    return this.#with(name, ({ group }) => describeShare(group));
  }

  /**
   * Begins anew at another place, in all partitions or in those that are named: what was finished
   * from there on is handed out again, what lies before is not. Receipts from before are stale.
   * Durable when it resolves. Rejects with LEASE_FROZEN while a transaction has messages,
   * OFFSET_OUT_OF_RANGE, and as `describe`.
   */
  reset(name: ShareName, to: ShareResetTarget): Promise<void> {
    checkTarget(to);
    return this.#with(name, ({ group }) => group.resetTo(to));
  }

  /**
   * Forgets the group; durable when it resolves. Rejects with GROUP_NOT_EMPTY while it is in use,
   * and as `describe`.
   */
  async delete(name: ShareName): Promise<void> {
    const topic = await this.#find(name);
    await this.#shares().forget(topic, name.group);
  }

  async #with<T>(name: ShareName, use: (shared: SharedGroup) => T | Promise<T>): Promise<T> {
    const topic = await this.#find(name);
    // A group at rest is only looked at: nothing is handed out, so its own options do not matter.
    const config = groupConfigOf(resolveShareOptions({ group: name.group }, name.topic));
    const shared = await this.#shares().visit(topic, name.group, config);
    try {
      return await use(shared);
    } finally {
      await shared.release();
    }
  }

  async #find({ group, topic }: ShareName): Promise<HostedTopic> {
    checkGroupId(group);
    const shares = this.#shares();
    const hosted = this.#topics.get(topic);
    if (isGroupOfQueue(hosted, group)) {
      throw createError('GROUP_INVALID', {
        group,
        topic,
        expected: 'a group that is not of a queue',
      });
    }
    const { topicId } = hosted.definition;
    const keys = await shares.keys();
    const isKnown = keys.some((key) => key.group === group && key.topicId === topicId);
    if (isKnown) return hosted;
    throw createError('GROUP_NOT_FOUND', { group, topic });
  }
}

/** The messages of a queue are ended by the queue: its limits and dead letters count on that. */
export function isGroupOfQueue({ name, definition }: HostedTopic, group: string): boolean {
  return definition.owner === name && group === name;
}

function checkTarget(to: ShareResetTarget): void {
  if (to === 'earliest' || to === 'latest' || Array.isArray(to)) return;
  const isTime = typeof to === 'object' && 'timestamp' in to && Number.isSafeInteger(to.timestamp);
  if (isTime) return;
  const expected = "'earliest', 'latest', { timestamp }, or a list of { partition, offset }";
  throw createError('OPTION_INVALID', { option: 'to', expected });
}
