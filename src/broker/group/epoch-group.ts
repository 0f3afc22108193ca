/**
 * A group of the newer protocol (KIP-848) in memory: members, epochs, and who is to have what.
 *
 *     epoch            of the group: rises when members or topics change
 *     assignmentEpoch  the one that `target` was worked out for
 *
 * No timers and no waiting here. What members have and what they are to have are two things:
 * `reconcile` brings the one to the other, heartbeat by heartbeat.
 */

import { assert } from '../../base/assert.js';
import type { Assignment, AssignorInput } from './assignor.js';
import { assignRange } from './assignor-range.js';
import { assignSticky } from './assignor-sticky.js';
import type { EpochMember } from './epoch-member.js';
import { type MemberState, partitionKey, reconcile } from './epoch-reconciliation.js';
import type { EpochAssignorName, EpochPartition } from './epoch-requests.js';
import type { TopicCatalog } from './group-topics.js';

export type EpochGroupState = 'Empty' | 'Reconciling' | 'Stable';

const assign: Readonly<Record<EpochAssignorName, (input: AssignorInput) => Assignment>> = {
  uniform: assignSticky,
  range: assignRange,
};

const NOTHING: ReadonlyMap<string, EpochPartition> = new Map();

export class EpochGroup {
  epoch: number;
  assignmentEpoch: number;
  assignor: EpochAssignorName = 'uniform';
  readonly #members = new Map<string, EpochMember>();
  readonly #statics = new Map<string, EpochMember>();
  #target = new Map<string, ReadonlyMap<string, EpochPartition>>();
  readonly #owners = new Map<string, EpochMember>();
  /** The topics that members want, as they were when the target was worked out. */
  #wanted = '';
  #subscribed: readonly string[] = [];
  /** Topics that were deleted, and the epoch of the group then. */
  readonly #forgotten = new Map<string, number>();

  constructor(epoch: number) {
    this.epoch = epoch;
    this.assignmentEpoch = epoch;
  }

  get size(): number {
    return this.#members.size;
  }

  get members(): readonly EpochMember[] {
    return [...this.#members.values()];
  }

  get state(): EpochGroupState {
    if (this.size === 0) return 'Empty';
    const isStable = this.members.every(
      ({ state, isAway }) =>
        !isAway && state.phase === 'stable' && state.epoch === this.assignmentEpoch,
    );
    return isStable && this.epoch === this.assignmentEpoch ? 'Stable' : 'Reconciling';
  }

  member(memberId: string): EpochMember | undefined {
    return this.#members.get(memberId);
  }

  staticMember(instanceId: string): EpochMember | undefined {
    return this.#statics.get(instanceId);
  }

  targetOf({ memberId }: EpochMember): ReadonlyMap<string, EpochPartition> {
    return this.#target.get(memberId) ?? NOTHING;
  }

  add(member: EpochMember): void {
    const { memberId, instanceId } = member;
    assert(!this.#members.has(memberId), 'a member is added once');
    this.#members.set(memberId, member);
    if (instanceId === undefined) return;
    assert(!this.#statics.has(instanceId), 'an instance has one member');
    this.#statics.set(instanceId, member);
  }

  remove(member: EpochMember): void {
    assert(this.#members.delete(member.memberId), 'the member is in the group');
    if (member.instanceId !== undefined) this.#statics.delete(member.instanceId);
    this.#target.delete(member.memberId);
    this.#release(member);
    member.end();
  }

  /** A static member is back as another process: it gets what the old one had. */
  replace(old: EpochMember, member: EpochMember): void {
    const target = this.targetOf(old);
    this.remove(old);
    this.add(member);
    this.#target.set(member.memberId, target);
    this.#own(member);
  }

  /** A static member leaves its place: nobody gets its partitions, and it gives up no others. */
  leavePlace(member: EpochMember): void {
    this.#release(member);
    member.state = { ...member.state, phase: 'stable', revoking: new Map() };
    member.isAway = true;
    this.#own(member);
  }

  /** The topics that the member wants, those that its pattern matches included. */
  topicsOf({ topics: named, pattern, mayRead }: EpochMember, topics: TopicCatalog): string[] {
    const wanted = new Set(named);
    if (pattern === undefined) return [...wanted];
    for (const name of topics.names()) {
      if (!wanted.has(name) && mayRead(name) && pattern.matches(name)) wanted.add(name);
    }
    return [...wanted];
  }

  /** The topics that its members want. */
  get subscribed(): readonly string[] {
    return this.#subscribed;
  }

  /** The topic is deleted: members in this epoch or an earlier one mean that one by its name. */
  forget(topic: string): void {
    if (this.size > 0) this.#forgotten.set(topic, this.epoch);
  }

  /** Whether a member in this epoch may still have the topic that was deleted. */
  isForgotten(topic: string, epoch: number): boolean {
    const last = this.#forgotten.get(topic);
    return last !== undefined && epoch <= last;
  }

  /** The group is in a new epoch when its topics are others than before; whether they are. */
  notice(topics: TopicCatalog): boolean {
    if (this.size === 0 || this.#wantedNow(topics) === this.#wanted) return false;
    this.epoch += 1;
    return true;
  }

  /** Works out who is to have what in the epoch of the group. */
  assign(topics: TopicCatalog): void {
    if (this.assignmentEpoch === this.epoch) return;
    this.assignor = this.#chooseAssignor();
    const known = new Map<string, string>();
    const partitionCounts = new Map<string, number>();
    const members = this.members.map((member) => {
      const wanted = this.topicsOf(member, topics);
      for (const topic of wanted) {
        const found = topics.find(topic);
        if (found === undefined) continue;
        known.set(topic, found.topicId);
        partitionCounts.set(topic, found.partitionCount);
      }
      const { memberId, instanceId } = member;
      const owned = [...this.targetOf(member).values()].filter(
        ({ topic, topicId }) => known.get(topic) === topicId,
      );
      return { memberId, instanceId, topics: wanted, owned, generation: 0 };
    });
    const assigned = assign[this.assignor]({ members, partitionCounts });
    this.#target = new Map();
    for (const [memberId, partitions] of assigned) {
      const given = partitions.map(({ topic, partition }) => {
        const at = { topic, partition, topicId: known.get(topic) ?? '' };
        return [partitionKey(at), at] as const;
      });
      this.#target.set(memberId, new Map(given));
    }
    this.assignmentEpoch = this.epoch;
    this.#wanted = this.#wantedNow(topics);
    this.#subscribed = [...new Set(members.flatMap(({ topics: wanted }) => wanted))];
    const oldest = Math.min(...this.members.map(({ epoch }) => epoch), this.epoch);
    for (const [topic, last] of this.#forgotten) if (last < oldest) this.#forgotten.delete(topic);
  }

  /** Takes up members from before a restart; what they have says what they are to have. */
  restore(members: readonly EpochMember[], topics: TopicCatalog): void {
    for (const member of members) {
      this.add(member);
      this.#own(member);
      const { assigned } = member.state;
      this.#target.set(member.memberId, new Map([...assigned].map(([key, { at }]) => [key, at])));
    }
    this.assignmentEpoch = this.epoch - 1;
    this.assign(topics);
    if (this.state === 'Stable' && members.every((member) => this.#hasTarget(member))) return;
    this.epoch += 1;
    this.assign(topics);
  }

  #hasTarget(member: EpochMember): boolean {
    const { assigned } = member.state;
    const target = this.targetOf(member);
    return assigned.size === target.size && [...target.keys()].every((key) => assigned.has(key));
  }

  /** Brings the member nearer to its target; whether what it is to have now is something else. */
  reconcile(member: EpochMember, owned: ReadonlySet<string> | undefined): boolean {
    const before = member.state;
    const after = reconcile(before, {
      epoch: this.assignmentEpoch,
      partitions: this.targetOf(member),
      owned,
      isFree: (key) => {
        const owner = this.#owners.get(key);
        // What it has just given up is free for itself, too.
        return owner === undefined || owner === member;
      },
    });
    if (after === before || isSameState(after, before)) return false;
    this.#release(member);
    member.state = after;
    if (after.epoch !== before.epoch) member.previousEpoch = before.epoch;
    this.#own(member);
    const { assigned } = before;
    if (after.assigned.size !== assigned.size) return true;
    return [...after.assigned.keys()].some((key) => !assigned.has(key));
  }

  #own(member: EpochMember): void {
    const { assigned, revoking } = member.state;
    for (const key of [...assigned.keys(), ...revoking.keys()]) {
      assert(!this.#owners.has(key), 'a partition has one member');
      this.#owners.set(key, member);
    }
  }

  #release(member: EpochMember): void {
    const { assigned, revoking } = member.state;
    for (const key of [...assigned.keys(), ...revoking.keys()]) this.#owners.delete(key);
  }

  /** What most members ask for; of equals the first. */
  #chooseAssignor(): EpochAssignorName {
    const votes = new Map<EpochAssignorName, number>([['uniform', 0]]);
    for (const { assignor } of this.#members.values()) {
      if (assignor !== undefined) votes.set(assignor, (votes.get(assignor) ?? 0) + 1);
    }
    const [best] = [...votes].sort(([, one], [, other]) => other - one);
    return best?.[0] ?? 'uniform';
  }

  #wantedNow(topics: TopicCatalog): string {
    const wanted = new Set(this.members.flatMap((member) => this.topicsOf(member, topics)));
    return [...wanted]
      .sort()
      .map((topic) => {
        const { topicId, partitionCount } = topics.find(topic) ?? {};
        return `${topic}/${topicId ?? ''}/${partitionCount ?? 0}`;
      })
      .join('\n');
  }
}

function isSameState(one: MemberState, other: MemberState): boolean {
  const hasSame = (here: ReadonlyMap<string, unknown>, there: ReadonlyMap<string, unknown>) =>
    here.size === there.size && [...here.keys()].every((key) => there.has(key));
  return (
    one.phase === other.phase &&
    one.epoch === other.epoch &&
    hasSame(one.assigned, other.assigned) &&
    hasSame(one.revoking, other.revoking)
  );
}
