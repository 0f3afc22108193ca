/**
 * The coordinator of groups of the newer protocol (KIP-848): heartbeats, leaving, and time.
 *
 * Each heartbeat is one synchronous step. A member is given up when nothing was heard of it for its
 * session, or when it does not give partitions up in the time that it has asked for itself. A group
 * is of this protocol or of the classic one as its first member says; without members it changes
 * from the one to the other. What members want and have is stored with each change, before they
 * are told: after a restart they go on as if nothing had been, and their sessions begin anew.
 */

import type { Clock } from '../../base/clock.js';
import { hasCode } from '../../base/errors.js';
import { EpochGroup, type EpochGroupState } from './epoch-group.js';
import { EpochMember } from './epoch-member.js';
import type { StoredMember } from './epoch-member-entry.js';
import { type HeldPartition, type MemberState, partitionKey } from './epoch-reconciliation.js';
import {
  checkHeartbeat,
  type EpochHeartbeat,
  type EpochHeartbeatResult,
  type EpochPartition,
  JOINS,
  LEAVES_ITS_PLACE,
} from './epoch-requests.js';
import type { Group } from './group.js';
import { checkGroupId } from './group-admission.js';
import { groupDiagnostics, type MemberRemoval } from './group-diagnostics.js';
import type { GroupDirectory } from './group-directory.js';
import { groupError } from './group-errors.js';
import type { GroupConfig } from './group-options.js';
import type { MemberIdentity } from './group-requests.js';
import type { GroupTopics, TopicPartition } from './group-topics.js';
import type { OffsetStore } from './offset-store.js';

export interface EpochContext {
  readonly clock: Clock;
  readonly config: GroupConfig;
  readonly directory: GroupDirectory;
  readonly topics: GroupTopics;
  readonly newId: () => string;
  readonly store: OffsetStore;
  /** Throws once the coordinator closes. */
  readonly checkOpen: () => void;
}

export interface EpochMemberDescription extends MemberIdentity {
  readonly rackId: string | undefined;
  readonly epoch: number;
  readonly clientId: string | undefined;
  readonly clientHost: string | undefined;
  readonly topics: readonly string[];
  /** '': none. */
  readonly pattern: string;
  readonly assignment: readonly EpochPartition[];
  readonly target: readonly EpochPartition[];
}

export interface EpochGroupDescription {
  readonly state: EpochGroupState;
  readonly epoch: number;
  readonly assignmentEpoch: number;
  readonly assignor: string;
  readonly members: readonly EpochMemberDescription[];
}

export class EpochCoordinator {
  readonly #context: EpochContext;

  constructor(context: EpochContext) {
    this.#context = context;
  }

  /**
   * What the member is to have. Throws MEMBER_FENCED (join anew), UNKNOWN_MEMBER (the same),
   * FENCED_INSTANCE, INSTANCE_IN_USE, GROUP_FULL, ASSIGNOR_UNKNOWN, PATTERN_INVALID, GROUP_INVALID,
   * MEMBER_INVALID; GROUP_NOT_FOUND when the group has members of the classic protocol.
   */
  heartbeat(request: EpochHeartbeat): EpochHeartbeatResult {
    this.#context.checkOpen();
    const { groupId, memberId, epoch } = request;
    checkGroupId(groupId);
    checkHeartbeat(request);
    if (epoch < JOINS) return this.#leave(request);
    const group = epoch === JOINS ? this.#groupToJoin(groupId) : this.#find(groupId);
    const epochs = group?.epochs;
    if (group === undefined || epochs === undefined) {
      throw groupError('UNKNOWN_MEMBER', { group: groupId, memberId });
    }
    const known = this.#memberOf(groupId, epochs, request);
    const before = known === undefined ? this.#placeFor(groupId, epochs, request) : undefined;
    const member = known ?? new EpochMember(this.#idOf(request), request.instanceId);
    if (before !== undefined) member.takePlaceOf(before);
    const { state, isAway, isRestored } = member;
    // Until here the group is as it was: a pattern that is none changes nothing.
    const wantsOther = member.update(request);
    if (epoch === JOINS) member.isAway = false;
    member.isRestored = false;
    if (before !== undefined) epochs.replace(before, member);
    else if (known === undefined) epochs.add(member);
    const isNew = known === undefined && before === undefined;
    const epochBefore = epochs.epoch;
    if (isNew || wantsOther) epochs.epoch += 1;
    // What it may read was not known until now.
    else if (isRestored) epochs.notice(this.#context.topics);
    epochs.assign(this.#context.topics);
    const owned =
      request.owned === undefined ? undefined : new Set(request.owned.map(partitionKey));
    const isOther = epochs.reconcile(member, owned);
    this.#touch(group, member);
    this.#watchRevocation(group, member);
    const { memberId: id, epoch: now } = member;
    const { groupConsumerHeartbeatIntervalMs: heartbeatIntervalMs } = this.#context.config;
    const isTold = epoch === JOINS || isOther || isWhole(request);
    const assignment = isTold ? partitionsOf(member) : undefined;
    const isChanged =
      known === undefined ||
      wantsOther ||
      epochs.epoch !== epochBefore ||
      member.state !== state ||
      member.isAway !== isAway;
    const gone = before === undefined ? [] : [before.memberId];
    const stored = isChanged ? this.#save(group, epochs, [member], gone) : Promise.resolve();
    return { memberId: id, epoch: now, heartbeatIntervalMs, assignment, stored };
  }

  /**
   * Whether the member may commit offsets of these partitions: in its epoch, or in an earlier one
   * in which it already had them. Throws UNKNOWN_MEMBER, FENCED_INSTANCE, MEMBER_EPOCH_STALE.
   */
  authorize(
    groupId: string,
    identity: MemberIdentity & { readonly epoch: number },
    partitions: readonly TopicPartition[],
  ): void {
    const { memberId, epoch } = identity;
    const epochs = this.#find(groupId)?.epochs;
    if (epochs === undefined) throw groupError('UNKNOWN_MEMBER', { group: groupId, memberId });
    const { state } = requireMember(groupId, epochs, identity);
    const gone = partitions.find(
      ({ topic }) => epochs.isForgotten(topic, epoch) || this.#isOther(state, topic),
    );
    if (gone !== undefined) throw groupError('UNKNOWN_PARTITION', { group: groupId, ...gone });
    if (epoch === state.epoch) return;
    const held = [...state.assigned.values()];
    const has = (topic: string, partition: number): boolean =>
      held.some((one) => isSince(one, epoch, topic, partition));
    const isEarlier = epoch > JOINS && epoch < state.epoch;
    if (isEarlier && partitions.every(({ topic, partition }) => has(topic, partition))) return;
    const facts = { group: groupId, memberId, epoch, expected: state.epoch };
    throw groupError('MEMBER_EPOCH_STALE', facts);
  }

  /** Whether the member may ask for offsets. Throws UNKNOWN_MEMBER, MEMBER_EPOCH_STALE. */
  checkFetch(groupId: string, { memberId, epoch }: { memberId: string; epoch: number }): void {
    const epochs = this.#find(groupId)?.epochs;
    if (epochs === undefined) return;
    const { state } = requireMember(groupId, epochs, { memberId });
    if (epoch === state.epoch) return;
    const facts = { group: groupId, memberId, epoch, expected: state.epoch };
    throw groupError('MEMBER_EPOCH_STALE', facts);
  }

  /** GROUP_NOT_FOUND, also for a group of the classic protocol. */
  describe(groupId: string): EpochGroupDescription {
    this.#context.checkOpen();
    const { topics } = this.#context;
    const epochs = this.#find(groupId)?.epochs;
    if (epochs === undefined) throw groupError('GROUP_NOT_FOUND', { group: groupId });
    const { state, epoch, assignmentEpoch, assignor } = epochs;
    const members = epochs.members.map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      rackId: member.rackId,
      epoch: member.isAway ? LEAVES_ITS_PLACE : member.epoch,
      clientId: member.clientId,
      clientHost: member.clientHost,
      topics: epochs.topicsOf(member, topics),
      pattern: member.pattern?.source ?? '',
      assignment: partitionsOf(member),
      target: [...epochs.targetOf(member).values()],
    }));
    return { state, epoch, assignmentEpoch, assignor, members };
  }

  /** Topics have changed: groups that want them are in a new epoch. */
  noticeTopics(): void {
    for (const group of this.#context.directory.groups) {
      const { epochs } = group;
      if (epochs?.notice(this.#context.topics) !== true) continue;
      this.#tell(group, this.#save(group, epochs, [], []));
    }
  }

  /** Takes up a group from before a restart; one whose pattern is none any more joins anew. */
  restore(group: Group, stored: readonly StoredMember[]): void {
    const epochs = new EpochGroup(group.generation);
    group.becomeEpochs(epochs);
    const members = stored.flatMap((one) => {
      try {
        return [EpochMember.restore(one)];
      } catch (error) {
        if (hasCode(error, 'PATTERN_INVALID')) return [];
        throw error;
      }
    });
    if (members.length === 0) return;
    epochs.restore(members, this.#context.topics);
    group.generation = epochs.epoch;
    for (const member of members) {
      this.#touch(group, member);
      this.#watchRevocation(group, member);
    }
  }

  /** Ends all timers. */
  shut(group: Group): void {
    for (const member of group.epochs?.members ?? []) member.end();
  }

  /** Whether the member has partitions of an earlier topic of this name, and so means that one. */
  #isOther({ assigned, revoking }: MemberState, topic: string): boolean {
    const now = this.#context.topics.find(topic)?.topicId;
    const had = [...[...assigned.values()].map(({ at }) => at), ...revoking.values()];
    return had.some((at) => at.topic === topic && at.topicId !== now);
  }

  #find(groupId: string): Group | undefined {
    return this.#context.directory.find(groupId);
  }

  /** The group, changed to this protocol when it has no members of the classic one. */
  #groupToJoin(groupId: string): Group {
    const { directory, clock } = this.#context;
    const group = directory.findOrAdd(groupId, clock.nowMs());
    if (group.epochs !== undefined) return group;
    if (group.state !== 'Empty' || group.pendingIds.size > 0) {
      const reason = 'the group uses the classic protocol';
      throw groupError('GROUP_NOT_FOUND', { group: groupId, reason });
    }
    group.becomeEpochs(new EpochGroup(group.generation));
    return group;
  }

  /** Undefined: it is not in the group and joins. */
  #memberOf(groupId: string, epochs: EpochGroup, request: EpochHeartbeat): EpochMember | undefined {
    const { memberId, instanceId, epoch } = request;
    if (epoch !== JOINS) {
      const member = requireMember(groupId, epochs, request);
      checkEpoch(groupId, member, request);
      return member;
    }
    const known = epochs.member(memberId);
    if (known === undefined || known.instanceId === instanceId) return known;
    throw groupError('MEMBER_INVALID', { group: groupId, memberId, what: 'instanceId' });
  }

  /** The static member whose place a new one takes; undefined: a place of its own. */
  #placeFor(groupId: string, epochs: EpochGroup, request: EpochHeartbeat): EpochMember | undefined {
    const { memberId, instanceId } = request;
    const holder = instanceId === undefined ? undefined : epochs.staticMember(instanceId);
    if (holder === undefined) {
      const isFull = epochs.size >= this.#context.config.groupMaxSize;
      if (isFull) throw groupError('GROUP_FULL', { group: groupId, members: epochs.size });
    } else if (!holder.isAway) {
      throw groupError('INSTANCE_IN_USE', { group: groupId, instanceId, memberId });
    }
    return holder;
  }

  #idOf({ memberId }: EpochHeartbeat): string {
    return memberId === '' ? this.#context.newId() : memberId;
  }

  /** Stores the group, and the members that have changed or gone. */
  async #save(
    group: Group,
    epochs: EpochGroup,
    members: readonly EpochMember[],
    gone: readonly string[],
  ): Promise<void> {
    group.generation = epochs.epoch;
    const { protocolType, generation } = group;
    const emptySinceMs = epochs.size === 0 ? group.emptySinceMs : null;
    const facts = { protocolType, generation, emptySinceMs, hasEpochs: true };
    const changed = members.map((member) => member.stored());
    await this.#context.store.noteEpochs(group.groupId, facts, { changed, gone });
  }

  /** Nobody waits for it: members go on whether it works or not. */
  #tell({ groupId }: Group, stored: Promise<void>): void {
    stored.catch((cause) => groupDiagnostics.storeFailed.publish({ group: groupId, cause }));
  }

  #leave(request: EpochHeartbeat): EpochHeartbeatResult {
    const { groupId, memberId, epoch } = request;
    const group = this.#find(groupId);
    const epochs = group?.epochs;
    if (group === undefined || epochs === undefined) {
      throw groupError('UNKNOWN_MEMBER', { group: groupId, memberId });
    }
    const member = requireMember(groupId, epochs, request);
    let stored: Promise<void>;
    if (epoch === LEAVES_ITS_PLACE) {
      epochs.leavePlace(member);
      member.cancelRevocation?.();
      member.cancelRevocation = undefined;
      stored = this.#save(group, epochs, [member], []);
    } else stored = this.#remove(group, epochs, member, 'left');
    return { memberId, epoch, heartbeatIntervalMs: 0, assignment: undefined, stored };
  }

  #remove(
    group: Group,
    epochs: EpochGroup,
    member: EpochMember,
    reason: MemberRemoval,
  ): Promise<void> {
    const { clock, topics } = this.#context;
    const { groupId } = group;
    const { memberId, instanceId } = member;
    epochs.remove(member);
    if (epochs.size === 0) group.emptySinceMs = clock.nowMs();
    epochs.epoch += 1;
    epochs.assign(topics);
    groupDiagnostics.memberRemoved.publish({ group: groupId, memberId, instanceId, reason });
    return this.#save(group, epochs, [], [memberId]);
  }

  /** The member's time is over. */
  #putOut(group: Group, member: EpochMember, reason: MemberRemoval): void {
    const { epochs } = group;
    if (epochs !== undefined) this.#tell(group, this.#remove(group, epochs, member, reason));
  }

  /** The member has been heard of: its session begins anew. */
  #touch(group: Group, member: EpochMember): void {
    const { clock, config } = this.#context;
    const sessionMs = config.groupConsumerSessionTimeoutMs;
    member.sessionEndMs = clock.monotonicMs() + sessionMs;
    if (member.cancelSession === undefined) this.#watchSession(group, member, sessionMs);
  }

  #watchSession(group: Group, member: EpochMember, delayMs: number): void {
    member.cancelSession = this.#context.clock.schedule(delayMs, () => {
      member.cancelSession = undefined;
      const restMs = member.sessionEndMs - this.#context.clock.monotonicMs();
      if (restMs > 0) this.#watchSession(group, member, restMs);
      else this.#putOut(group, member, 'session timeout');
    });
  }

  #watchRevocation(group: Group, member: EpochMember): void {
    if (member.state.phase !== 'revoking') {
      member.cancelRevocation?.();
      member.cancelRevocation = undefined;
      return;
    }
    member.cancelRevocation ??= this.#context.clock.schedule(member.rebalanceTimeoutMs, () => {
      this.#putOut(group, member, 'did not give up partitions');
    });
  }
}

/** Says all that it wants and has: it is told all that it is to have. */
function isWhole({ rebalanceTimeoutMs, topics, pattern, owned }: EpochHeartbeat): boolean {
  const hasWishes = topics !== undefined || pattern !== undefined;
  return rebalanceTimeoutMs !== undefined && hasWishes && owned !== undefined;
}

function partitionsOf({ state }: EpochMember): EpochPartition[] {
  return [...state.assigned.values()].map(({ at }) => at);
}

/** UNKNOWN_MEMBER; FENCED_INSTANCE when another process has taken the instance's place. */
function requireMember(group: string, epochs: EpochGroup, identity: MemberIdentity): EpochMember {
  const { memberId, instanceId } = identity;
  const found =
    instanceId === undefined ? epochs.member(memberId) : epochs.staticMember(instanceId);
  if (found === undefined) throw groupError('UNKNOWN_MEMBER', { group, memberId, instanceId });
  if (found.memberId !== memberId) {
    throw groupError('FENCED_INSTANCE', { group, memberId, instanceId });
  }
  return found;
}

/** MEMBER_FENCED, unless the epoch is that of the member, or the answer that told it was lost. */
function checkEpoch(group: string, member: EpochMember, request: EpochHeartbeat): void {
  const { memberId, state, previousEpoch } = member;
  const { epoch, owned } = request;
  if (epoch === state.epoch && !member.isAway) return;
  const isRepeated =
    !member.isAway &&
    epoch < state.epoch &&
    epoch === previousEpoch &&
    owned?.every((at) => state.assigned.has(partitionKey(at))) === true;
  if (isRepeated) return;
  throw groupError('MEMBER_FENCED', { group, memberId, epoch, expected: state.epoch });
}

function isSince(
  { at, sinceEpoch }: HeldPartition,
  epoch: number,
  topic: string,
  partition: number,
): boolean {
  return at.topic === topic && at.partition === partition && sinceEpoch <= epoch;
}
