/**
 * The coordinator of groups: Kafka's classic group protocol, as calls that return promises. Groups
 * of the newer protocol have their own, `epochs`, over the same offsets.
 *
 * A member may be an object in this process ({@link GroupMembership}) or a socket's other end: the
 * coordinator sees requests and answers them, now or when the others have come. It hands out
 * nothing but bytes and ids. Every request is carried out in one synchronous step; only commits
 * wait in between, and check again after it.
 *
 * It is told when topics change (`noticeTopics`, `forgetTopic`); it never looks by itself.
 */

import { assert } from '../../base/assert.js';
import type { Clock } from '../../base/clock.js';
import { limits } from '../../base/limits.js';
import { resolveOptions } from '../../base/options.js';
import type { StateLog } from '../state/state-log.js';
import { EpochCoordinator } from './epoch-coordinator.js';
import type { Group } from './group.js';
import { GroupAdmin } from './group-admin.js';
import { checkAssignments, checkCompatible, checkJoin, checkRoom } from './group-admission.js';
import {
  type CommitContext,
  type CommitRequest,
  type FetchedOffset,
  GroupCommits,
} from './group-commits.js';
import { groupDiagnostics } from './group-diagnostics.js';
import { GroupDirectory } from './group-directory.js';
import { groupError } from './group-errors.js';
import { GroupMember, isSameBytes, Waiter } from './group-member.js';
import { type GroupConfig, type GroupOptions, groupOptionTable } from './group-options.js';
import { chooseProtocol } from './group-protocol.js';
import { after, GroupRebalancer } from './group-rebalance.js';
import type {
  GenerationRequest,
  JoinRequest,
  JoinResult,
  LeaveRequest,
  SyncRequest,
  SyncResult,
} from './group-requests.js';
import { type GroupAnswer, groupAnswers } from './group-state.js';
import { topicsOf } from './group-subscriptions.js';
import type { GroupTopics, TopicPartition } from './group-topics.js';
import { HeldOffsets } from './group-transactions.js';
import { GroupUpkeep } from './group-upkeep.js';
import type { GroupOffsets, OffsetMark } from './offset-entry.js';
import { OffsetStore } from './offset-store.js';

export interface GroupEnvironment {
  readonly clock: Clock;
  readonly stateLog: StateLog;
  readonly topics: GroupTopics;
  /** Random text of 36 characters or fewer, different at each call. */
  readonly newId: () => string;
}

export class GroupCoordinator {
  readonly config: GroupConfig;
  readonly #environment: GroupEnvironment;
  readonly #directory = new GroupDirectory();
  readonly #store: OffsetStore;
  readonly #rebalancer: GroupRebalancer;
  readonly #context: CommitContext;
  readonly #commits: GroupCommits;
  readonly #upkeep: GroupUpkeep;
  /** Groups of the newer protocol, whose members only send heartbeats. */
  readonly epochs: EpochCoordinator;
  /** Describe, list, reset, delete. */
  readonly admin: GroupAdmin;
  #isClosed = false;

  private constructor(environment: GroupEnvironment, config: GroupConfig, store: OffsetStore) {
    const { clock, topics } = environment;
    this.config = config;
    this.#environment = environment;
    this.#store = store;
    const directory = this.#directory;
    const onSettled = (group: Group) => this.#note(group);
    const rebalancer = new GroupRebalancer({ clock, config, onSettled });
    const checkOpen = () => this.#checkOpen();
    const { newId } = environment;
    const own = { clock, config, directory, topics, newId, store, checkOpen };
    const epochs = new EpochCoordinator(own);
    const shared = { clock, config, directory, rebalancer, epochs, store, topics, checkOpen };
    this.epochs = epochs;
    this.#rebalancer = rebalancer;
    this.#context = shared;
    this.#commits = new GroupCommits(shared);
    this.#upkeep = new GroupUpkeep({ ...shared, commits: this.#commits });
    this.admin = new GroupAdmin({ ...shared, commits: this.#commits });
  }

  /** Loads what the state log holds; all groups are empty. See `readEntry` for the errors. */
  static async open(
    environment: GroupEnvironment,
    options: GroupOptions = {},
  ): Promise<GroupCoordinator> {
    const config = resolveOptions(groupOptionTable, options, 'GroupCoordinator.open');
    const { stateLog, topics } = environment;
    const store = await OffsetStore.open(stateLog, (group, at, offset) => {
      topics.onCommitted(group, { topic: at.topic, partition: at.partition }, offset);
    });
    const coordinator = new GroupCoordinator(environment, config, store);
    coordinator.#restore();
    return coordinator;
  }

  /**
   * Resolves when the joins of all members are in. UNKNOWN_MEMBER (join anew, without an id),
   * FENCED_INSTANCE, MEMBER_ID_REQUIRED, GROUP_FULL, GROUP_PROTOCOL_CONFLICT, and what is wrong
   * with the request.
   */
  async join(request: JoinRequest): Promise<JoinResult> {
    this.#checkOpen();
    checkJoin(request, this.config);
    const { groupId, memberId, instanceId } = request;
    if (memberId !== '') return this.#joinAs(request);
    const group = this.#directory.findOrAdd(groupId, this.#environment.clock.nowMs());
    group.becomeClassic();
    const member = instanceId === undefined ? undefined : group.staticMember(instanceId);
    checkCompatible(group, request);
    if (member !== undefined) return this.#takePlace(group, member, request);
    checkRoom(group, this.config);
    const id = this.#newMemberId(request);
    if (request.requiresKnownMemberId !== true || instanceId !== undefined) {
      return this.#admit(group, id, request);
    }
    this.#expect(group, id, request);
    throw groupError('MEMBER_ID_REQUIRED', { group: groupId, memberId: id });
  }

  /**
   * Resolves with the member's assignment once the leader has given it. REBALANCE_IN_PROGRESS (join
   * again), UNKNOWN_MEMBER, ILLEGAL_GENERATION, FENCED_INSTANCE, GROUP_PROTOCOL_CONFLICT.
   */
  async sync(request: SyncRequest): Promise<SyncResult> {
    this.#checkOpen();
    const { groupId, memberId, assignments } = request;
    const group = this.#directory.require(groupId, memberId);
    const member = group.requireGeneration(request, request.generation);
    checkSameProtocol(group, request);
    checkAssignments(groupId, assignments);
    const answer = groupAnswers[group.state].sync;
    if (answer !== 'wait' && answer !== 'accept') throw this.#refusal(answer, group, memberId);
    member.syncing?.reject(groupError('REBALANCE_IN_PROGRESS', { group: groupId, memberId }));
    const waiter = new Waiter<SyncResult>();
    member.syncing = waiter;
    if (answer === 'accept') this.#rebalancer.answerSync(group, member);
    else if (member.memberId === group.leaderId) {
      const byMember = new Map(assignments.map((given) => [given.memberId, given.assignment]));
      this.#rebalancer.complete(group, byMember);
    }
    return waiter.promise;
  }

  /** The member lives. Rejects as `sync` does; REBALANCE_IN_PROGRESS asks it to join again. */
  async heartbeat(request: GenerationRequest): Promise<void> {
    this.#checkOpen();
    const group = this.#directory.require(request.groupId, request.memberId);
    const member = group.requireGeneration(request, request.generation);
    const answer = groupAnswers[group.state].heartbeat;
    this.#rebalancer.touch(group, member);
    if (answer !== 'accept') throw this.#refusal(answer, group, request.memberId);
  }

  /** The member goes: its partitions are given to others at once. */
  async leave({ groupId, member: identity }: LeaveRequest): Promise<void> {
    this.#checkOpen();
    const { memberId, instanceId } = identity;
    const group = this.#directory.require(groupId, memberId);
    const pending = group.pendingIds.get(memberId);
    if (pending !== undefined) {
      pending();
      group.pendingIds.delete(memberId);
      this.#rebalancer.tryComplete(group);
      return;
    }
    const named = memberId === '' && instanceId !== undefined;
    const member = named ? group.staticMember(instanceId) : group.require(identity);
    if (member === undefined) throw groupError('UNKNOWN_MEMBER', { group: groupId, instanceId });
    this.#rebalancer.remove(group, member, 'left');
  }

  /**
   * Resolves when the offsets are durable: all, or none when it rejects. ILLEGAL_GENERATION,
   * UNKNOWN_MEMBER and FENCED_INSTANCE say that somebody else may own the partitions now;
   * REBALANCE_IN_PROGRESS to fetch the assignment first; OFFSET_OUT_OF_RANGE, UNKNOWN_PARTITION,
   * OFFSET_METADATA_TOO_LARGE.
   */
  commit(request: CommitRequest): Promise<void> {
    return this.#commits.commit(request);
  }

  /** What a transaction is to commit. */
  holdOffsets(): HeldOffsets {
    this.#checkOpen();
    return new HeldOffsets(this.#context, this.#commits);
  }

  /** Whether the offsets of this transaction were stored. */
  hasMark(mark: OffsetMark): boolean {
    return this.#store.hasMark(mark);
  }

  /** Stores what a transaction decided before the program ended. */
  async restoreOffsets(mark: OffsetMark, decided: readonly GroupOffsets[]): Promise<void> {
    const nowMs = this.#environment.clock.nowMs();
    for (const { group } of decided) this.#directory.findOrAdd(group, nowMs);
    await this.#store.commitHeld(decided, mark);
  }

  /** Forgets which transactions have stored their offsets, where nobody will ask any more. */
  dropMarks(isOver: (producerId: number) => boolean): Promise<void> {
    return this.#store.dropMarks(isOver);
  }

  /** The committed offsets of these partitions, or all; every commit asked for before counts. */
  fetch(groupId: string, partitions?: readonly TopicPartition[]): Promise<FetchedOffset[]> {
    return this.#commits.fetch(groupId, partitions);
  }

  /** Whether a transaction holds the offset: what is committed may be another one soon. */
  isOffsetHeld(groupId: string, at: TopicPartition): boolean {
    return this.#store.holds.isHeld(groupId, at);
  }

  /** The offsets of all groups in this partition, as they were committed. */
  committedAt(at: TopicPartition): { readonly group: string; readonly offset: number }[] {
    return this.#store.committers.flatMap((group) => {
      const committed = this.#store.offset(group, at);
      return committed === undefined ? [] : [{ group, offset: committed.offset }];
    });
  }

  /** The topics were made, or have more partitions than before: who subscribes gets its share. */
  noticeTopics(topics: Iterable<string>): void {
    this.epochs.noticeTopics();
    const changed = new Set(topics);
    for (const group of this.#directory.groups) {
      if (group.state !== 'Stable' && group.state !== 'CompletingRebalance') continue;
      const isTouched = group.members.some((member) =>
        topicsOf(group, member)?.some((topic) => changed.has(topic)),
      );
      if (isTouched) this.#rebalancer.prepare(group, 'a topic changed');
    }
  }

  /** The topic is gone: its offsets go too, and the members that had it join again. */
  async forgetTopic(topic: string): Promise<void> {
    this.#checkOpen();
    const { groups } = this.#directory;
    for (const { epochs } of groups) epochs?.forget(topic);
    this.noticeTopics([topic]);
    for (const group of groups) if (group.members.length > 0) group.forgotten.add(topic);
    await this.#forget((name) => name === topic);
  }

  /** Removes offsets of topics that are not there: a crash came between their ends. */
  async forgetMissing(): Promise<void> {
    const { topics } = this.#environment;
    await this.#forget((name) => topics.partitionCount(name) === undefined);
  }

  /** Removes offsets and groups that are too old now, without waiting for the next check. */
  expire(): Promise<void> {
    this.#checkOpen();
    return this.#upkeep.expire();
  }

  /** Refuses whoever waits with BROKER_CLOSED; resolves when all that was stored is. Idempotent. */
  async close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const group of this.#directory.groups) {
        // Members are gone with the process that they are in: that dates the group.
        if (group.members.length > 0) this.#note(group, this.#environment.clock.nowMs());
        this.epochs.shut(group);
        this.#rebalancer.shut(group, 'closed');
      }
    }
    await this.#upkeep.close();
    await this.#store.settled();
  }

  async #forget(isGone: (topic: string) => boolean): Promise<void> {
    await this.#store.settled();
    for (const group of this.#store.committers) {
      const gone = this.#store.offsets(group).filter(({ topic }) => isGone(topic));
      await this.#store.forget(group, gone);
    }
  }

  #joinAs(request: JoinRequest): Promise<JoinResult> {
    const { groupId, memberId } = request;
    const group = this.#directory.require(groupId, memberId);
    if (group.pendingIds.has(memberId)) {
      checkCompatible(group, request);
      return this.#admit(group, memberId, request);
    }
    const member = group.require(request);
    checkCompatible(group, request);
    const answer = groupAnswers[group.state].rejoin;
    if (answer !== 'wait' && answer !== 'compare') throw this.#refusal(answer, group, memberId);
    const isLeader = member.memberId === group.leaderId;
    // A leader that joins a stable group again has seen something that the group has not.
    const changes = !member.offersSame(request.protocols) || (isLeader && group.state === 'Stable');
    const waiter = this.#await(group, member, request);
    if (answer === 'compare' && !changes) this.#rebalancer.answerJoin(group, member);
    else this.#rebalancer.prepare(group, 'a member joins again');
    return waiter.promise;
  }

  #admit(group: Group, memberId: string, request: JoinRequest): Promise<JoinResult> {
    const answer = groupAnswers[group.state].join;
    if (answer !== 'rebalance' && answer !== 'wait') throw this.#refusal(answer, group, memberId);
    if (group.size === 0) group.protocolType = request.protocolType;
    const member = new GroupMember(memberId, request);
    group.add(member);
    const waiter = this.#await(group, member, request);
    this.#rebalancer.prepare(group, 'a member joins');
    return waiter.promise;
  }

  /** A static member is back, as a new process: it keeps the place, and the old one is fenced. */
  #takePlace(group: Group, member: GroupMember, request: JoinRequest): Promise<JoinResult> {
    const { protocol, state } = group;
    const before = member.metadataOf(protocol);
    this.#rebalancer.notify(member);
    group.replace(member, this.#newMemberId(request));
    const waiter = this.#await(group, member, request);
    const isSame = before !== undefined && isUnchanged(before, member.metadataOf(protocol));
    // With the same wishes nothing changes for the others: it takes over what there is.
    if (state === 'Stable' && isSame && keepsProtocol(group)) {
      this.#rebalancer.answerJoin(group, member, member.memberId === group.leaderId);
    } else this.#rebalancer.prepare(group, 'a static member is back');
    return waiter.promise;
  }

  /** Takes over what the member says now, and the promise that it waits for. */
  #await(group: Group, member: GroupMember, request: JoinRequest): Waiter<JoinResult> {
    const { groupId } = group;
    const { memberId } = member;
    member.refuse(groupError('REBALANCE_IN_PROGRESS', { group: groupId, memberId }));
    member.request = request;
    const waiter = new Waiter<JoinResult>();
    member.joining = waiter;
    this.#rebalancer.renewSession(group, member);
    return waiter;
  }

  /** Gives out an id that a member has to join with before its session would end. */
  #expect(group: Group, memberId: string, request: JoinRequest): void {
    const cancel = after(this.#environment.clock, request.sessionTimeoutMs, () => {
      group.pendingIds.delete(memberId);
      this.#rebalancer.tryComplete(group);
    });
    group.pendingIds.set(memberId, cancel);
  }

  /** Stores what dates the group; the members go on whether that works or not. */
  #note(group: Group, emptySinceMs = group.state === 'Empty' ? group.emptySinceMs : null): void {
    const { groupId, protocolType, generation } = group;
    const hasEpochs = group.epochs !== undefined;
    const facts = { protocolType, generation, emptySinceMs, hasEpochs };
    this.#store.noteGroup(groupId, facts).catch((cause) => {
      groupDiagnostics.storeFailed.publish({ group: groupId, cause });
    });
  }

  /** Groups that had members when the program ended are empty from now on. */
  #restore(): void {
    const nowMs = this.#environment.clock.nowMs();
    for (const [groupId, facts] of this.#store.groups) {
      const { protocolType, generation, emptySinceMs, hasEpochs } = facts;
      const group = this.#directory.add(groupId, protocolType, generation, emptySinceMs ?? nowMs);
      if (hasEpochs) this.epochs.restore(group, this.#store.takeMembers(groupId));
    }
    for (const groupId of this.#store.committers) this.#directory.findOrAdd(groupId, nowMs);
  }

  #newMemberId({ clientId = 'member', instanceId = clientId }: JoinRequest): string {
    const memberId = `${instanceId}-${this.#environment.newId()}`;
    assert(Buffer.byteLength(memberId) <= limits.memberIdBytesMax, 'a member id has its bound');
    return memberId;
  }

  #refusal(answer: GroupAnswer, group: Group, memberId: string): Error {
    assert(answer === 'UNKNOWN_MEMBER' || answer === 'REBALANCE_IN_PROGRESS', 'a refusal');
    return groupError(answer, { group: group.groupId, memberId, state: group.state });
  }

  #checkOpen(): void {
    if (this.#isClosed) throw groupError('BROKER_CLOSED', {});
  }
}

function isUnchanged(before: Uint8Array, now: Uint8Array | undefined): boolean {
  return now !== undefined && isSameBytes(before, now);
}

/** Whether the vote of the members comes out as it did. */
function keepsProtocol(group: Group): boolean {
  return chooseProtocol(group.members.map(({ protocols }) => protocols)) === group.protocol;
}

function checkSameProtocol(group: Group, { protocolType, protocol, memberId }: SyncRequest): void {
  const isType = protocolType === undefined || protocolType === group.protocolType;
  const isName = protocol === undefined || protocol === group.protocol;
  if (isType && isName) return;
  throw groupError('GROUP_PROTOCOL_CONFLICT', {
    group: group.groupId,
    memberId,
    protocol,
    expected: group.protocol,
  });
}
