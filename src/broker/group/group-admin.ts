/**
 * What is done to groups from outside: list, describe, reset, delete.
 *
 * What changes offsets by hand needs a group without members, so that nobody goes on from the old
 * ones and commits over them. The check and the append are one synchronous step.
 */

import { comparePartitions, compareText, partitionName, partitionsOf } from './assignor-order.js';
import type { Group } from './group.js';
import { checkGroupId } from './group-admission.js';
import type { CommitContext, GroupCommits } from './group-commits.js';
import {
  describeMembers,
  describePartition,
  type GroupDescription,
  type GroupListing,
  listGroup,
  type MemberDescription,
} from './group-description.js';
import { groupError } from './group-errors.js';
import { groupAnswers } from './group-state.js';
import { subscribedBy } from './group-subscriptions.js';
import type { TopicPartition } from './group-topics.js';
import type { CommittedOffset } from './offset-entry.js';
import { planReset, type ResetTarget } from './offset-reset.js';

export interface ResetOptions {
  readonly to: ResetTarget;
  /** Whole topics; with neither this nor `partitions`: all that the group has committed. */
  readonly topics?: readonly string[];
  readonly partitions?: readonly TopicPartition[];
  /** Tells what would be, and changes nothing; allowed while the group has members. */
  readonly isDryRun?: boolean;
}

export interface ResetOffset extends TopicPartition {
  readonly before: number | undefined;
  /** Undefined when there is nothing to shift. */
  readonly after: number | undefined;
  /** What was asked for lies outside the log: the nearest end was taken. */
  readonly isClamped: boolean;
}

export interface RawMember
  extends Pick<MemberDescription, 'memberId' | 'instanceId' | 'clientId' | 'clientHost'> {
  readonly metadata: Uint8Array;
  readonly assignment: Uint8Array;
}

export class GroupAdmin {
  readonly #context: CommitContext & { readonly commits: GroupCommits };

  constructor(context: CommitContext & { readonly commits: GroupCommits }) {
    this.#context = context;
  }

  /** All groups, by id. */
  list(): GroupListing[] {
    this.#context.checkOpen();
    return this.#context.directory.groups
      .map(listGroup)
      .sort((left, right) => compareText(left.groupId, right.groupId));
  }

  /** GROUP_NOT_FOUND. */
  async describe(groupId: string): Promise<GroupDescription> {
    const { store, topics } = this.#context;
    this.#require(groupId);
    await store.settled();
    // From here to the first read of a log nothing moves: members and offsets fit each other.
    const group = this.#require(groupId);
    const { generation, leaderId } = group;
    const protocol = group.epochs?.assignor ?? group.protocol;
    const listing = listGroup(group);
    const memberList = describeMembers(group, this.#context.config);
    const offsets = store.offsets(groupId);
    const owners = new Map<string, string>();
    const places = new Map<string, TopicPartition>();
    for (const at of offsets) places.set(partitionName(at), at);
    for (const { memberId, partitions = [] } of memberList) {
      for (const at of partitions) {
        places.set(partitionName(at), at);
        owners.set(partitionName(at), memberId);
      }
    }
    const committed = new Map(offsets.map((of) => [partitionName(of), of]));
    const partitions = await Promise.all(
      [...places].sort(byPlace).map(async ([name, at]) => {
        const log = await topics.partition(at.topic, at.partition);
        return describePartition(at, owners.get(name), committed.get(name), log);
      }),
    );
    const lag = partitions.reduce((sum, { lag: own = 0 }) => sum + own, 0);
    return { ...listing, generation, protocol, leaderId, memberList, partitions, lag };
  }

  /** What its members have said and were given, as bytes. GROUP_NOT_FOUND. */
  rawMembers(groupId: string): readonly RawMember[] {
    const group = this.#require(groupId);
    return group.members.map((member) => {
      const { memberId, instanceId, request, assignment } = member;
      const metadata = member.metadataOf(group.protocol) ?? new Uint8Array(0);
      const { clientId, clientHost } = request;
      return { memberId, instanceId, clientId, clientHost, metadata, assignment };
    });
  }

  /** GROUP_NOT_EMPTY; UNKNOWN_PARTITION. A group that does not exist yet is made by its offsets. */
  async reset(groupId: string, options: ResetOptions): Promise<ResetOffset[]> {
    checkGroupId(groupId);
    const { store, clock, directory, checkOpen } = this.#context;
    checkOpen();
    await store.settled();
    if (options.isDryRun !== true) this.#checkEmpty(groupId);
    const planned = await Promise.all(
      this.#placesOf(groupId, options).map((at) => this.#plan(groupId, at, options.to)),
    );
    if (options.isDryRun === true) return planned.map(({ shown }) => shown);
    checkOpen();
    this.#checkEmpty(groupId);
    const moves = planned.flatMap(({ committed }) => (committed === undefined ? [] : [committed]));
    if (moves.length > 0) {
      directory.findOrAdd(groupId, clock.nowMs());
      await store.commit(groupId, moves);
    }
    return planned.map(({ shown }) => shown);
  }

  /** Removes the group and its offsets: GROUP_NOT_FOUND, GROUP_NOT_EMPTY. */
  async delete(groupId: string): Promise<void> {
    const { store, directory, rebalancer } = this.#context;
    const group = this.#require(groupId);
    this.#checkEmpty(groupId);
    const { protocolType, generation, emptySinceMs } = group;
    rebalancer.shut(group, 'left');
    directory.remove(group);
    try {
      await store.settled();
      await store.removeGroup(groupId);
    } catch (error) {
      // What is left of it is still to be seen, and to be deleted.
      if (directory.find(groupId) === undefined) {
        directory.add(groupId, protocolType, generation, emptySinceMs);
      }
      throw error;
    }
  }

  /** Removes single offsets: GROUP_NOT_FOUND; GROUP_SUBSCRIBED while members want the topic. */
  async deleteOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<void> {
    const { store } = this.#context;
    const group = this.#require(groupId);
    for (const { topic } of partitions) {
      const isWanted = group.size > 0 && subscribedBy(group)?.has(topic) !== false;
      if (isWanted) throw groupError('GROUP_SUBSCRIBED', { group: groupId, topic });
    }
    const known = partitions.filter((at) => store.offset(groupId, at) !== undefined);
    await store.remove(groupId, known);
  }

  #require(groupId: string): Group {
    const { directory, checkOpen } = this.#context;
    checkOpen();
    const group = directory.find(groupId);
    if (group === undefined) throw groupError('GROUP_NOT_FOUND', { group: groupId });
    return group;
  }

  #checkEmpty(groupId: string): void {
    const group = this.#context.directory.find(groupId);
    if (group === undefined) return;
    const answer = groupAnswers[group.state].administer;
    if (answer === 'accept') return;
    throw groupError('GROUP_NOT_EMPTY', { group: groupId, state: group.state });
  }

  #placesOf(groupId: string, { topics, partitions }: ResetOptions): TopicPartition[] {
    if (topics === undefined && partitions === undefined) {
      return [...this.#context.store.offsets(groupId)].sort(comparePartitions);
    }
    const places = new Map<string, TopicPartition>();
    const whole = (topics ?? []).flatMap((topic) => {
      const count = this.#context.topics.partitionCount(topic);
      if (count === undefined) throw groupError('UNKNOWN_PARTITION', { group: groupId, topic });
      return partitionsOf(topic, count);
    });
    for (const at of [...whole, ...(partitions ?? [])]) places.set(partitionName(at), at);
    return [...places.values()].sort(comparePartitions);
  }

  async #plan(
    groupId: string,
    { topic, partition }: TopicPartition,
    to: ResetTarget,
  ): Promise<{ shown: ResetOffset; committed: CommittedOffset | undefined }> {
    const { store, topics, clock } = this.#context;
    const log = await topics.partition(topic, partition);
    if (log === undefined) {
      throw groupError('UNKNOWN_PARTITION', { group: groupId, topic, partition });
    }
    const isByTime = typeof to === 'object' && 'timestamp' in to;
    const atTimestamp = isByTime ? await log.offsetOf(to.timestamp) : undefined;
    const { startOffset, durableOffset: endOffset } = log;
    const before = store.offset(groupId, { topic, partition })?.offset;
    const plan = planReset(to, { startOffset, endOffset, committed: before, atTimestamp });
    const at = { topic, partition };
    if (plan.kind === 'stay') {
      return { shown: { ...at, before, after: undefined, isClamped: false }, committed: undefined };
    }
    const { offset, isClamped } = plan;
    const epoch = offset === 0 ? -1 : log.epochAt(offset - 1);
    const committedAtMs = clock.nowMs();
    return {
      shown: { ...at, before, after: offset, isClamped },
      committed: { ...at, offset, epoch, metadata: '', committedAtMs },
    };
  }
}

function byPlace(left: [string, TopicPartition], right: [string, TopicPartition]): number {
  return comparePartitions(left[1], right[1]);
}
