/**
 * A consumer's partitions by itself: all of its topics, or those that were chosen.
 *
 * With a group it remembers offsets there, as somebody who is no member: that works as long as the
 * group has none.
 */

import { partitionName, partitionsOf } from '../group/assignor-order.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import type { GroupCoordinator } from '../group/group-coordinator.js';
import { groupError } from '../group/group-errors.js';
import type { GroupTopics, TopicPartition } from '../group/group-topics.js';
import type { ConsumerConfig } from './consumer-options.js';
import type { AssignmentSource, AssignmentTarget, ConsumerMember } from './consumer-source.js';

export interface AloneSurroundings {
  /** Undefined without a group. */
  readonly coordinator: GroupCoordinator | undefined;
  readonly groupTopics: GroupTopics;
}

export class AloneSource implements AssignmentSource {
  readonly isMember = true;
  readonly finished: Promise<void>;
  readonly #config: ConsumerConfig;
  readonly #target: AssignmentTarget;
  readonly #around: AloneSurroundings;
  readonly #owned = new Map<string, TopicPartition>();
  #topics: readonly string[];
  #isStopping = false;
  #isDue = true;
  #wake: (() => void) | undefined;

  constructor(
    config: ConsumerConfig,
    topics: readonly string[],
    target: AssignmentTarget,
    around: AloneSurroundings,
  ) {
    this.#config = config;
    this.#target = target;
    this.#around = around;
    this.#topics = topics;
    this.finished = this.#run();
    this.finished.catch(ignore);
  }

  get member(): ConsumerMember | undefined {
    const { group } = this.#config;
    return group === '' ? undefined : { groupId: group, memberId: '', generation: -1 };
  }

  get owned(): readonly TopicPartition[] {
    return [...this.#owned.values()];
  }

  setTopics(topics: readonly string[]): void {
    this.#topics = topics;
    this.#isDue = true;
    this.#wake?.();
  }

  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const { member } = this;
    const { coordinator } = this.#around;
    if (member === undefined || coordinator === undefined) {
      throw groupError('GROUP_INVALID', { group: '', expected: 'a consumer with a group' });
    }
    await coordinator.commit({ ...member, offsets });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    await this.finished;
  }

  async #run(): Promise<void> {
    // The first look is not part of the call that makes the consumer.
    await Promise.resolve();
    while (!this.#isStopping) {
      if (this.#isDue) await this.#refresh();
      else await this.#sleep();
    }
    await this.#target.revoke(this.owned);
  }

  async #refresh(): Promise<void> {
    this.#isDue = false;
    const wanted = new Map(this.#wanted().map((at) => [partitionName(at), at]));
    const gone = [...this.#owned].filter(([name]) => !wanted.has(name));
    for (const [name] of gone) this.#owned.delete(name);
    if (gone.length > 0) await this.#target.lose(gone.map(([, at]) => at));
    const added = [...wanted].filter(([name]) => !this.#owned.has(name));
    for (const [name, at] of added) this.#owned.set(name, at);
    if (added.length > 0) await this.#target.assign(added.map(([, at]) => at));
  }

  #wanted(): TopicPartition[] {
    const { partitions } = this.#config;
    return this.#topics.flatMap((topic) => {
      const count = this.#around.groupTopics.partitionCount(topic) ?? 0;
      const all = partitionsOf(topic, count);
      return partitions === undefined
        ? all
        : all.filter(({ partition }) => partitions.includes(partition));
    });
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }
}

function ignore(): void {}
