/**
 * One group in memory: its members, its generation, and the state that the table moves.
 *
 * No timers and no waiting here: the coordinator acts, this keeps what must hold. A static member
 * is found by its instance id, of which a group holds one member each.
 *
 * A group of the newer protocol has its members in `epochs`. While there are some it counts as
 * stable for everything that is not of the classic protocol.
 */

import { assert } from '../../base/assert.js';
import type { Cancel } from '../../base/clock.js';
import type { EpochGroup } from './epoch-group.js';
import { groupError } from './group-errors.js';
import type { GroupMember } from './group-member.js';
import { chooseProtocol } from './group-protocol.js';
import { CONSUMER_PROTOCOL, type MemberIdentity } from './group-requests.js';
import { type GroupEvent, type GroupState, nextState } from './group-state.js';

export class Group {
  readonly groupId: string;
  #state: GroupState = 'Empty';
  #epochs: EpochGroup | undefined;
  /** Rises with every rebalance that completes. */
  generation: number;
  /** Empty as long as nobody joined. */
  protocolType: string;
  /** The assignor of this generation; empty without members. */
  protocol = '';
  leaderId = '';
  /** Wall time at which it became empty. */
  emptySinceMs: number;
  /** Ends the phase under way: the joins, or the fetching of assignments. */
  cancelPhase: Cancel | undefined;
  /** The phase collects the first members of an empty group, and waits in any case. */
  isGathering = false;
  readonly #members = new Map<string, GroupMember>();
  readonly #statics = new Map<string, GroupMember>();
  /** Ids that were given out to members that have not joined with them yet. */
  readonly pendingIds = new Map<string, Cancel>();
  /** Topics that were deleted in this generation: a commit for one means what is gone. */
  readonly forgotten = new Set<string>();

  constructor(
    groupId: string,
    kept: { protocolType: string; generation: number; sinceMs: number },
  ) {
    this.groupId = groupId;
    this.protocolType = kept.protocolType;
    this.generation = kept.generation;
    this.emptySinceMs = kept.sinceMs;
  }

  /** The members of the newer protocol; undefined: the group is one of the classic protocol. */
  get epochs(): EpochGroup | undefined {
    return this.#epochs;
  }

  /** A group without members becomes one of the newer protocol. */
  becomeEpochs(epochs: EpochGroup): void {
    assert(this.#state === 'Empty' && this.size === 0, 'only an empty group changes its protocol');
    this.#epochs = epochs;
    this.protocolType = CONSUMER_PROTOCOL;
  }

  /** A group without members becomes one of the classic protocol; others stay as they are. */
  becomeClassic(): void {
    if (this.#epochs?.size === 0) this.#epochs = undefined;
  }

  get state(): GroupState {
    return this.#epochs !== undefined && this.#epochs.size > 0 ? 'Stable' : this.#state;
  }

  get members(): readonly GroupMember[] {
    return [...this.#members.values()];
  }

  get size(): number {
    return this.#members.size + (this.#epochs?.size ?? 0);
  }

  move(event: GroupEvent): void {
    this.#state = nextState(this.#state, event);
    if (this.#state === 'Empty') assert(this.size === 0, 'an empty group has no members');
    if (this.#state === 'Stable') assert(this.size > 0, 'a stable group has members');
  }

  member(memberId: string): GroupMember | undefined {
    return this.#members.get(memberId);
  }

  staticMember(instanceId: string): GroupMember | undefined {
    return this.#statics.get(instanceId);
  }

  /** UNKNOWN_MEMBER; FENCED_INSTANCE when another process has taken the instance's place. */
  require(identity: MemberIdentity): GroupMember {
    const { memberId, instanceId } = identity;
    if (instanceId !== undefined) {
      const holder = this.#statics.get(instanceId);
      if (holder === undefined) throw this.#unknown(memberId);
      if (holder.memberId !== memberId) {
        throw groupError('FENCED_INSTANCE', { group: this.groupId, instanceId, memberId });
      }
      return holder;
    }
    const member = this.#members.get(memberId);
    if (member === undefined) throw this.#unknown(memberId);
    return member;
  }

  /** {@link require}, and ILLEGAL_GENERATION when the member speaks of another one. */
  requireGeneration(identity: MemberIdentity, generation: number): GroupMember {
    const member = this.require(identity);
    if (generation !== this.generation) {
      throw groupError('ILLEGAL_GENERATION', {
        group: this.groupId,
        memberId: member.memberId,
        generation,
        expected: this.generation,
      });
    }
    return member;
  }

  add(member: GroupMember): void {
    assert(!this.#members.has(member.memberId), 'a member is added once');
    if (this.size === 0) this.leaderId = member.memberId;
    this.#members.set(member.memberId, member);
    if (member.instanceId !== undefined) {
      assert(!this.#statics.has(member.instanceId), 'an instance has one member');
      this.#statics.set(member.instanceId, member);
    }
    this.pendingIds.get(member.memberId)?.();
    this.pendingIds.delete(member.memberId);
  }

  remove(member: GroupMember): void {
    assert(this.#members.delete(member.memberId), 'the member is in the group');
    if (member.instanceId !== undefined) this.#statics.delete(member.instanceId);
    member.cancelSession?.();
    if (this.leaderId === member.memberId) this.leaderId = this.members[0]?.memberId ?? '';
  }

  /** Another process takes the place of a static member; whoever waits as the old one is fenced. */
  replace(member: GroupMember, memberId: string): void {
    const { instanceId } = member;
    assert(instanceId !== undefined, 'only static members are replaced');
    member.refuse(
      groupError('FENCED_INSTANCE', {
        group: this.groupId,
        instanceId,
        memberId: member.memberId,
      }),
    );
    assert(this.#members.delete(member.memberId), 'the member is in the group');
    if (this.leaderId === member.memberId) this.leaderId = memberId;
    member.memberId = memberId;
    this.#members.set(memberId, member);
  }

  /** A new generation of those who are there; one of those who joined leads it. */
  beginGeneration(): void {
    this.generation += 1;
    this.forgotten.clear();
    if (this.size === 0) {
      this.protocol = '';
      this.leaderId = '';
      return;
    }
    const joined = this.members.filter((member) => member.joining !== undefined);
    if (!joined.some(({ memberId }) => memberId === this.leaderId)) {
      this.leaderId = joined[0]?.memberId ?? '';
    }
    const protocol = chooseProtocol(this.members.map((member) => member.protocols));
    assert(protocol !== undefined, 'members are admitted with a protocol in common');
    this.protocol = protocol;
  }

  #unknown(memberId: string) {
    return groupError('UNKNOWN_MEMBER', { group: this.groupId, memberId });
  }
}
