/**
 * Share groups as clients know them (KIP-932): members that subscribe to topics, and are told of
 * partitions.
 *
 * To be a member does not give messages out: that is the group of the broker on each topic, which
 * is held open as long as members want the topic, so that it begins where the first one came. Every
 * member is told of all partitions: each takes from all of them. Members are in memory; what was
 * given out and finished is the broker's, and durable.
 */

import type { Cancel } from '../../base/clock.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import {
  type BrokerEngine,
  type HostedTopic,
  isGroupOfQueue,
  type SharedGroup,
} from '../../broker/main.js';
import { ShareGroupSettings } from './share-settings.js';

export interface ShareHeartbeat {
  readonly groupId: string;
  readonly memberId: string;
  /** 0 joins, -1 leaves. */
  readonly epoch: number;
  readonly rackId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  /** Undefined: as before. */
  readonly topics: readonly string[] | undefined;
}

export interface ShareHeartbeatResult {
  readonly epoch: number;
  readonly heartbeatIntervalMs: number;
  /** Undefined: as it was told before. */
  readonly assignment: readonly HostedTopic[] | undefined;
}

export interface SubscribedMember {
  readonly memberId: string;
  readonly rackId: string | undefined;
  readonly clientId: string;
  readonly clientHost: string;
  epoch: number;
  previousEpoch: number;
  topics: readonly string[];
  /** What it was told, as a text. */
  told: string;
  endMs: number;
  cancel: Cancel | undefined;
}

export interface SubscribedGroup {
  readonly groupId: string;
  epoch: number;
  readonly members: Map<string, SubscribedMember>;
  /** By the ids of their topics. */
  readonly open: Map<string, Promise<SharedGroup>>;
}

const JOINS = 0;
const LEAVES = -1;
const MEMBERS_MAX = 1_000;

export class ShareGroups {
  readonly #engine: BrokerEngine;
  readonly #groups = new Map<string, SubscribedGroup>();
  #isClosed = false;

  constructor(engine: BrokerEngine) {
    this.#engine = engine;
  }

  find(groupId: string): SubscribedGroup | undefined {
    return this.#groups.get(groupId);
  }

  /** Those that have members. */
  get all(): readonly SubscribedGroup[] {
    return [...this.#groups.values()];
  }

  /**
   * Throws MEMBER_INVALID, UNKNOWN_MEMBER, MEMBER_FENCED (join anew), GROUP_FULL, GROUP_INVALID;
   * GROUP_NOT_FOUND when the id is that of a group that is no share group.
   */
  async heartbeat(request: ShareHeartbeat): Promise<ShareHeartbeatResult> {
    this.#check(request);
    const { groupId, memberId, epoch } = request;
    const group = epoch === JOINS ? this.#groupToJoin(groupId) : this.#groups.get(groupId);
    const known = group?.members.get(memberId);
    if (group === undefined || (known === undefined && epoch !== JOINS)) {
      throw refusal('UNKNOWN_MEMBER', 'UNKNOWN_MEMBER_ID', { group: groupId, memberId });
    }
    if (epoch === LEAVES && known !== undefined) {
      await this.#remove(group, known);
      return { epoch: LEAVES, heartbeatIntervalMs: 0, assignment: undefined };
    }
    const member = known ?? this.#admit(group, request);
    if (epoch !== JOINS) checkEpoch(groupId, member, epoch);
    const { topics: before } = member;
    member.topics = request.topics ?? before;
    const settings = new ShareGroupSettings(this.#engine.groupSettings, groupId);
    this.#touch(group, member, settings.sessionTimeoutMs);
    const assignment = this.assignmentOf(group, member);
    const told = toldOf(assignment);
    const isOther = told !== member.told;
    if (known === undefined || isOther || !isSame(before, member.topics)) group.epoch += 1;
    member.told = told;
    if (member.epoch !== group.epoch) member.previousEpoch = member.epoch;
    member.epoch = group.epoch;
    await this.#hold(group, settings);
    const { heartbeatIntervalMs } = settings;
    const isTold = epoch === JOINS || isOther || request.topics !== undefined;
    return {
      epoch: member.epoch,
      heartbeatIntervalMs,
      assignment: isTold ? assignment : undefined,
    };
  }

  /** All partitions of the topics that the member wants and that there are. */
  assignmentOf({ groupId }: SubscribedGroup, { topics }: SubscribedMember): HostedTopic[] {
    return topics.flatMap((name) => {
      const topic = this.#engine.topics.find(name);
      return topic === undefined || isGroupOfQueue(topic, groupId) ? [] : [topic];
    });
  }

  /** Timers end, and groups are given back. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const opened = this.all.flatMap(({ members, open }) => {
      for (const { cancel } of members.values()) cancel?.();
      return [...open.values()];
    });
    this.#groups.clear();
    await Promise.allSettled(opened.map(async (opening) => (await opening).release()));
  }

  #check({ groupId, memberId, epoch, topics }: ShareHeartbeat): void {
    if (this.#isClosed) throw createError('BROKER_CLOSED', { group: groupId });
    const groupBytes = Buffer.byteLength(groupId);
    if (groupBytes === 0 || groupBytes > limits.groupNameBytesMax) {
      throw refusal('GROUP_INVALID', 'INVALID_GROUP_ID', { bytes: groupBytes });
    }
    const idBytes = Buffer.byteLength(memberId);
    const isMember = idBytes > 0 && idBytes <= limits.memberIdBytesMax && epoch >= LEAVES;
    const topicBytes = topics?.reduce((sum, topic) => sum + Buffer.byteLength(topic), 0) ?? 0;
    const isFine = topicBytes <= limits.memberMetadataBytesMax;
    if (isMember && isFine && (epoch !== JOINS || topics !== undefined)) return;
    throw refusal('MEMBER_INVALID', 'INVALID_REQUEST', { group: groupId, memberId, epoch });
  }

  #groupToJoin(groupId: string): SubscribedGroup {
    const known = this.#groups.get(groupId);
    if (known !== undefined) return known;
    const listed = this.#engine.groups.current?.admin.list() ?? [];
    if (listed.some((group) => group.groupId === groupId)) {
      const reason = 'the group is no share group';
      throw refusal('GROUP_NOT_FOUND', 'GROUP_ID_NOT_FOUND', { group: groupId, reason });
    }
    if (this.#groups.size >= limits.groupsMax) {
      throw refusal('GROUP_FULL', 'GROUP_MAX_SIZE_REACHED', { group: groupId });
    }
    const group = { groupId, epoch: 0, members: new Map(), open: new Map() };
    this.#groups.set(groupId, group);
    return group;
  }

  #admit(group: SubscribedGroup, request: ShareHeartbeat): SubscribedMember {
    const { memberId, rackId, clientId, clientHost } = request;
    if (group.members.size >= MEMBERS_MAX) {
      throw refusal('GROUP_FULL', 'GROUP_MAX_SIZE_REACHED', { group: group.groupId });
    }
    const member = {
      memberId,
      rackId,
      clientId,
      clientHost,
      epoch: 0,
      previousEpoch: 0,
      topics: [],
      told: '',
      endMs: 0,
      cancel: undefined,
    };
    group.members.set(memberId, member);
    return member;
  }

  /** Opens the groups of the topics that members want, and gives back those that nobody wants. */
  async #hold(group: SubscribedGroup, settings: ShareGroupSettings): Promise<void> {
    const wanted = new Map<string, HostedTopic>();
    for (const member of group.members.values()) {
      for (const topic of this.assignmentOf(group, member)) {
        wanted.set(topic.definition.topicId, topic);
      }
    }
    for (const [topicId, opening] of group.open) {
      if (wanted.has(topicId)) continue;
      group.open.delete(topicId);
      await (await opening).release();
    }
    const { shares } = this.#engine;
    const { groupId } = group;
    for (const [topicId, topic] of wanted) {
      if (group.open.has(topicId)) continue;
      const opening = shares.open(topic, groupId, settings.configFor(groupId, topic.name));
      group.open.set(topicId, opening);
      opening.catch(() => group.open.delete(topicId));
    }
    await Promise.all(group.open.values());
  }

  async #remove(group: SubscribedGroup, member: SubscribedMember): Promise<void> {
    member.cancel?.();
    member.cancel = undefined;
    group.members.delete(member.memberId);
    group.epoch += 1;
    if (group.members.size === 0) this.#groups.delete(group.groupId);
    await this.#hold(group, new ShareGroupSettings(this.#engine.groupSettings, group.groupId));
  }

  /** The member has been heard of: its session begins anew. */
  #touch(group: SubscribedGroup, member: SubscribedMember, sessionMs: number): void {
    member.endMs = this.#engine.clock.monotonicMs() + sessionMs;
    if (member.cancel === undefined) this.#watch(group, member, sessionMs);
  }

  #watch(group: SubscribedGroup, member: SubscribedMember, delayMs: number): void {
    member.cancel = this.#engine.clock.schedule(delayMs, () => {
      member.cancel = undefined;
      const restMs = member.endMs - this.#engine.clock.monotonicMs();
      if (restMs > 0) this.#watch(group, member, restMs);
      // A topic that could not be given back has gone, with its group.
      else this.#remove(group, member).catch(() => undefined);
    });
  }
}

function toldOf(assignment: readonly HostedTopic[]): string {
  return assignment
    .map(({ definition, partitions }) => `${definition.topicId}/${partitions}`)
    .join();
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((topic, at) => topic === other[at]);
}

/** The epoch before counts too: the answer that told the newer one may have been lost. */
function checkEpoch(group: string, member: SubscribedMember, epoch: number): void {
  if (epoch === member.epoch || epoch === member.previousEpoch) return;
  const { memberId, epoch: expected } = member;
  throw refusal('MEMBER_FENCED', 'FENCED_MEMBER_EPOCH', { group, memberId, epoch, expected });
}

function refusal(
  code: Parameters<typeof createError>[0],
  kafka: string,
  facts: Readonly<Record<string, string | number>>,
): Error {
  return createError(code, { ...facts, kafka });
}
