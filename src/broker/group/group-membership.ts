/**
 * A member in this process: joins, keeps its session alive, and tells its owner what it has.
 *
 *     on its own    joins, works out the assignment when it leads, fetches it, heartbeats
 *     `onAssigned`  these partitions are new; called once others have given them up
 *     `onRevoked`   give these up: finish, commit; when it returns they may go to others
 *     `onLost`      these belong to somebody else by now: stop, do not commit
 *
 * The callbacks never overlap, and partitions come and go through them alone: `owned` is what the
 * owner was told. Heartbeats go on while a callback runs, but others wait for it no longer than
 * `rebalanceTimeoutMs`: then the member is put out. With an eager assignor all is given up at each
 * rebalance; with a cooperative one only what moves.
 *
 * It never ends by itself but for an error that joining again cannot help: that is `finished`'s.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import { createError, hasCode, type MillraceError } from '../../base/errors.js';
import { partitionName } from './assignor-order.js';
import { type AssignorName, assignors } from './assignors.js';
import type { OffsetToCommit } from './group-commits.js';
import type { GroupCoordinator } from './group-coordinator.js';
import { groupError } from './group-errors.js';
import { isAssignor, leaderAssignments } from './group-leader.js';
import { CONSUMER_PROTOCOL, type JoinResult } from './group-requests.js';
import { decodeAssignment, encodeSubscription } from './group-subscription-format.js';
import type { GroupTopics, TopicPartition } from './group-topics.js';

export interface MembershipOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** In order of preference, all eager or all cooperative. */
  readonly assignors: readonly AssignorName[];
  readonly instanceId?: string;
  readonly clientId?: string;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly rebalanceTimeoutMs: number;
}

export interface MembershipCallbacks {
  onAssigned(partitions: readonly TopicPartition[]): void | Promise<void>;
  onRevoked(partitions: readonly TopicPartition[]): void | Promise<void>;
  onLost(partitions: readonly TopicPartition[]): void | Promise<void>;
}

/** What a member needs of the coordinator. */
export type GroupService = Pick<
  GroupCoordinator,
  'join' | 'sync' | 'heartbeat' | 'leave' | 'commit'
>;

export interface MembershipEnvironment {
  readonly clock: Clock;
  readonly coordinator: GroupService;
  readonly topics: GroupTopics;
}

/** What the member is at; a heartbeat's answer means something else in each. */
type Phase =
  /** Nothing, or the owner is told of an assignment: a rebalance is noted. */
  | 'settled'
  /** The owner gives up partitions on the way to a join. */
  | 'revoking'
  /** A join or a sync is under way, and itself tells what is wrong. */
  | 'joining';

const NO_GENERATION = -1;

export class GroupMembership {
  readonly #options: MembershipOptions;
  readonly #callbacks: MembershipCallbacks;
  readonly #environment: MembershipEnvironment;
  readonly #isCooperative: boolean;
  /** Resolves after `stop`; rejects with what ended the membership before. */
  readonly finished: Promise<void>;
  #topics: readonly string[];
  #memberId = '';
  #generation = NO_GENERATION;
  #owned: readonly TopicPartition[] = [];
  /** What it had last, and in which generation: a sticky assignor gives it back. */
  #previous: readonly TopicPartition[] = [];
  #previousGeneration = NO_GENERATION;
  #phase: Phase = 'settled';
  #mustJoin = true;
  /** It was put out of the group: what it owns belongs to others. */
  #isLost = false;
  /** What ends the membership: joining again cannot help. */
  #ending: MillraceError | undefined;
  #isStopping = false;
  #wake: (() => void) | undefined;
  #cancelHeartbeat: Cancel | undefined;

  private constructor(
    options: MembershipOptions,
    callbacks: MembershipCallbacks,
    environment: MembershipEnvironment,
  ) {
    this.#options = options;
    this.#callbacks = callbacks;
    this.#environment = environment;
    this.#topics = [...new Set(options.topics)];
    this.#isCooperative = isCooperative(options.assignors);
    this.finished = this.#run();
    // Whoever does not look at it is not to die of it.
    this.finished.catch(ignore);
  }

  /** Begins to join; OPTION_CONFLICT when the assignors are not of one kind. */
  static start(
    options: MembershipOptions,
    callbacks: MembershipCallbacks,
    environment: MembershipEnvironment,
  ): GroupMembership {
    return new GroupMembership(options, callbacks, environment);
  }

  /** What the owner was told it has, and not to give up since. */
  get owned(): readonly TopicPartition[] {
    return this.#owned;
  }

  /** Empty before the first answer, and after it was put out of the group. */
  get memberId(): string {
    return this.#memberId;
  }

  /** -1 when it is in none. */
  get generation(): number {
    return this.#generation;
  }

  /** Subscribes to other topics; takes effect with the rebalance that this begins. */
  setTopics(topics: readonly string[]): void {
    this.#topics = [...new Set(topics)];
    this.#join();
  }

  /** Commits as this member, in the generation it is in; rejects as `GroupCoordinator.commit`. */
  async commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    const generation = this.#generation;
    // Without a generation this would be the commit of a consumer without a group.
    if (generation === NO_GENERATION || this.#memberId === '') {
      throw groupError('UNKNOWN_MEMBER', { group: this.#options.groupId });
    }
    try {
      await this.#environment.coordinator.commit({ ...this.#identity(), generation, offsets });
    } catch (error) {
      this.#learn(error, generation);
      throw error;
    }
  }

  /**
   * Gives up what it owns and leaves; a static member keeps its place until its session ends. Not
   * to be awaited in a callback, which it waits for.
   */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake?.();
    // A join that waits for others is given up, unless there is something to give up before: it is
    // answered by the leaving.
    if (this.#phase === 'joining' && this.#owned.length === 0) await this.#leave();
    await this.finished;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#isStopping) {
        if (this.#ending !== undefined) throw this.#ending;
        if (this.#isLost) await this.#lose();
        else if (this.#mustJoin) await this.#rejoin();
        else await this.#sleep();
      }
      if (!this.#isLost) await this.#giveUp(this.#owned);
      if (this.#isLost) await this.#lose();
    } catch (error) {
      await this.#lose();
      throw error;
    } finally {
      this.#cancelHeartbeat?.();
      this.#cancelHeartbeat = undefined;
      if (this.#options.instanceId === undefined) await this.#leave();
      this.#generation = NO_GENERATION;
    }
  }

  /** One round: from what it has to what it is given. */
  async #rejoin(): Promise<void> {
    this.#mustJoin = false;
    if (!this.#isCooperative && this.#owned.length > 0) {
      this.#phase = 'revoking';
      await this.#giveUp(this.#owned);
      this.#mustJoin = this.#isLost;
      if (this.#isStopping || this.#isLost) return;
    }
    this.#phase = 'joining';
    try {
      const joined = await this.#joinGroup();
      this.#memberId = joined.memberId;
      this.#generation = joined.generation;
      const assignment = await this.#syncGroup(joined);
      this.#phase = 'settled';
      this.#heartbeatLater();
      if (!this.#isStopping) await this.#take(assignment);
    } catch (error) {
      if (this.#phase !== 'joining' || !this.#recover(error)) throw error;
    } finally {
      this.#phase = 'settled';
    }
  }

  #joinGroup(): Promise<JoinResult> {
    const { clientId, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    const metadata = encodeSubscription({
      topics: this.#topics,
      owned: this.#isCooperative ? this.#owned : this.#previous,
      generation: this.#previousGeneration,
    });
    return this.#environment.coordinator.join({
      ...this.#identity(),
      ...(clientId === undefined ? {} : { clientId }),
      sessionTimeoutMs,
      rebalanceTimeoutMs,
      protocolType: CONSUMER_PROTOCOL,
      protocols: this.#options.assignors.map((name) => ({ name, metadata })),
      requiresKnownMemberId: true,
      onRebalance: () => this.#heartbeat(),
    });
  }

  async #syncGroup(joined: JoinResult): Promise<TopicPartition[]> {
    const { generation, memberId, leaderId, protocolType, protocol, skipAssignment } = joined;
    const leads = memberId === leaderId && !skipAssignment && isAssignor(protocol);
    const assignments = leads ? leaderAssignments(protocol, joined, this.#environment.topics) : [];
    const { assignment } = await this.#environment.coordinator.sync({
      ...this.#identity(),
      generation,
      protocolType,
      protocol,
      assignments,
    });
    const partitions = decodeAssignment(assignment);
    if (partitions !== undefined) return partitions;
    throw createError('MEMBER_INVALID', { group: this.#options.groupId, what: 'assignment' });
  }

  /** Goes from what the owner has to the assignment: first gives up, then takes. */
  async #take(assignment: readonly TopicPartition[]): Promise<void> {
    const generation = this.#generation;
    const wanted = new Set(assignment.map(partitionName));
    const had = new Set(this.#owned.map(partitionName));
    const revoked = this.#owned.filter((at) => !wanted.has(partitionName(at)));
    const added = assignment.filter((at) => !had.has(partitionName(at)));
    if (revoked.length > 0) {
      await this.#giveUp(revoked);
      // What it gave up is free for others in the next generation.
      this.#mustJoin = true;
    }
    if (this.#isLost || this.#generation !== generation) return;
    this.#owned = [...this.#owned, ...added];
    this.#previous = this.#owned;
    this.#previousGeneration = generation;
    if (added.length > 0) await this.#callbacks.onAssigned(added);
  }

  async #giveUp(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return;
    const revoked = new Set(partitions);
    const { clock } = this.#environment;
    const cancel = clock.schedule(this.#options.rebalanceTimeoutMs, () => this.#abandon());
    try {
      await this.#callbacks.onRevoked(partitions);
    } finally {
      cancel();
    }
    if (!this.#isLost) this.#owned = this.#owned.filter((at) => !revoked.has(at));
  }

  /** The owner does not give up what others wait for: the member goes, so that they can have it. */
  #abandon(): void {
    this.#leave();
    this.#generation = NO_GENERATION;
    this.#isLost = true;
  }

  async #lose(): Promise<void> {
    const lost = this.#owned;
    this.#isLost = false;
    this.#owned = [];
    this.#previous = [];
    this.#previousGeneration = NO_GENERATION;
    if (lost.length > 0) await this.#callbacks.onLost(lost);
  }

  /** What to do about an error of a join or a sync; false when there is nothing to be done. */
  #recover(error: unknown): boolean {
    this.#mustJoin = true;
    if (hasCode(error, 'REBALANCE_IN_PROGRESS')) return true;
    if (hasCode(error, 'MEMBER_ID_REQUIRED')) {
      this.#memberId = String(error.facts['memberId']);
      return true;
    }
    return this.#isPutOut(error);
  }

  /** Learns from the answer to a heartbeat or a commit of that generation. */
  #learn(error: unknown, generation: number): void {
    if (this.#phase !== 'settled' || generation !== this.#generation) return;
    if (hasCode(error, 'FENCED_INSTANCE') || hasCode(error, 'BROKER_CLOSED')) {
      this.#ending = error;
      this.#wake?.();
    } else if (hasCode(error, 'REBALANCE_IN_PROGRESS') || this.#isPutOut(error)) this.#join();
  }

  #isPutOut(error: unknown): boolean {
    const isUnknown = hasCode(error, 'UNKNOWN_MEMBER');
    if (!isUnknown && !hasCode(error, 'ILLEGAL_GENERATION')) return false;
    if (isUnknown) this.#memberId = '';
    this.#generation = NO_GENERATION;
    this.#isLost = true;
    return true;
  }

  #join(): void {
    this.#mustJoin = true;
    this.#wake?.();
  }

  #sleep(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = () => {
        this.#wake = undefined;
        resolve();
      };
    });
  }

  #heartbeatLater(): void {
    this.#cancelHeartbeat?.();
    this.#cancelHeartbeat = this.#environment.clock.schedule(
      this.#options.heartbeatIntervalMs,
      () => {
        this.#heartbeat();
        this.#heartbeatLater();
      },
    );
  }

  /** While a join or a sync waits, the coordinator knows that the member lives. */
  #heartbeat(): void {
    const generation = this.#generation;
    if (generation === NO_GENERATION || this.#phase === 'joining') return;
    this.#environment.coordinator
      .heartbeat({ ...this.#identity(), generation })
      .catch((error: unknown) => this.#learn(error, generation));
  }

  /** Nothing that happens here matters to the member: it goes. */
  async #leave(): Promise<void> {
    if (this.#memberId === '') return;
    const { groupId, ...member } = this.#identity();
    this.#memberId = '';
    await this.#environment.coordinator.leave({ groupId, member }).catch(ignore);
  }

  #identity(): { groupId: string; memberId: string; instanceId?: string } {
    const { groupId, instanceId } = this.#options;
    const identity = { groupId, memberId: this.#memberId };
    return instanceId === undefined ? identity : { ...identity, instanceId };
  }
}

function isCooperative(names: readonly AssignorName[]): boolean {
  const kinds = new Set(names.map((name) => assignors[name].protocol));
  if (kinds.size === 1) return kinds.has('cooperative');
  throw createError('OPTION_CONFLICT', {
    option: 'assignors',
    expected: 'one or more, all eager or all cooperative',
    actual: names.join(),
  });
}

function ignore(): void {}
