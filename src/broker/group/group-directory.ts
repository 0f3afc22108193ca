/**
 * The groups that there are, by id: bounded in number, found or made.
 */

import { limits } from '../../base/limits.js';
import { Group } from './group.js';
import { groupError } from './group-errors.js';

export class GroupDirectory {
  readonly #groups = new Map<string, Group>();

  get groups(): readonly Group[] {
    return [...this.#groups.values()];
  }

  find(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  /** The group of a member; UNKNOWN_MEMBER when there is no such group. */
  require(groupId: string, memberId: string): Group {
    const group = this.#groups.get(groupId);
    if (group === undefined) throw groupError('UNKNOWN_MEMBER', { group: groupId, memberId });
    return group;
  }

  /** GROUP_FULL when there is no room for one more. */
  findOrAdd(groupId: string, nowMs: number): Group {
    return this.#groups.get(groupId) ?? this.add(groupId, '', 0, nowMs);
  }

  add(groupId: string, protocolType: string, generation: number, sinceMs: number): Group {
    if (this.#groups.size >= limits.groupsMax) {
      throw groupError('GROUP_FULL', { group: groupId, groupsMax: limits.groupsMax });
    }
    const group = new Group(groupId, { protocolType, generation, sinceMs });
    this.#groups.set(groupId, group);
    return group;
  }

  /** Forgets the group; one that took its place meanwhile stays. */
  remove(group: Group): void {
    if (this.#groups.get(group.groupId) === group) this.#groups.delete(group.groupId);
  }
}
