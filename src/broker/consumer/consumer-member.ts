/**
 * A consumer's partitions by its group.
 */

import type { Clock } from '../../base/clock.js';
import type { OffsetToCommit } from '../group/group-commits.js';
import type { GroupCoordinator } from '../group/group-coordinator.js';
import { GroupMembership } from '../group/group-membership.js';
import type { GroupTopics, TopicPartition } from '../group/group-topics.js';
import type { ConsumerConfig } from './consumer-options.js';
import type { AssignmentSource, AssignmentTarget, ConsumerMember } from './consumer-source.js';

export interface MemberSurroundings {
  readonly clock: Clock;
  readonly coordinator: GroupCoordinator;
  readonly groupTopics: GroupTopics;
}

export class MemberSource implements AssignmentSource {
  readonly finished: Promise<void>;
  readonly #config: ConsumerConfig;
  readonly #membership: GroupMembership;

  constructor(
    config: ConsumerConfig,
    topics: readonly string[],
    target: AssignmentTarget,
    around: MemberSurroundings,
  ) {
    const { group, instanceId, clientId, assignor } = config;
    const { sessionTimeoutMs, heartbeatIntervalMs, rebalanceTimeoutMs } = config;
    this.#config = config;
    this.#membership = GroupMembership.start(
      {
        groupId: group,
        topics,
        assignors: [assignor],
        ...(instanceId === '' ? {} : { instanceId }),
        ...(clientId === '' ? {} : { clientId }),
        sessionTimeoutMs,
        heartbeatIntervalMs,
        rebalanceTimeoutMs,
      },
      {
        onAssigned: (partitions) => target.assign(partitions),
        onRevoked: (partitions) => target.revoke(partitions),
        onLost: (partitions) => target.lose(partitions),
      },
      { clock: around.clock, coordinator: around.coordinator, topics: around.groupTopics },
    );
    this.finished = this.#membership.finished;
  }

  get isMember(): boolean {
    return this.#membership.generation >= 0;
  }

  /** Undefined while it is in no generation: with none it would say that it is no member at all. */
  get member(): ConsumerMember | undefined {
    const { memberId, generation } = this.#membership;
    if (generation < 0) return undefined;
    const { group: groupId, instanceId } = this.#config;
    const identity = { groupId, memberId, generation };
    return instanceId === '' ? identity : { ...identity, instanceId };
  }

  get owned(): readonly TopicPartition[] {
    return this.#membership.owned;
  }

  setTopics(topics: readonly string[]): void {
    this.#membership.setTopics(topics);
  }

  commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    return this.#membership.commit(offsets);
  }

  stop(): Promise<void> {
    return this.#membership.stop();
  }
}
