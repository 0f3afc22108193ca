/**
 * The members of a share group, their numbers, and which of them is the active one.
 */

import { createError } from '../../base/errors.js';
import { type MemberGroup, ShareMember, type ShareMemberOptions } from './share-member.js';

/** The numbers fit the delivery state. 0 is the group itself. */
const OWNERS_MAX = 65_536;

export class ShareMembers {
  readonly #byOwner: (ShareMember | undefined)[] = [undefined];
  #turns = 0;
  #active: ShareMember | undefined;

  get all(): readonly ShareMember[] {
    return this.#byOwner.filter((member) => member !== undefined);
  }

  find(owner: number): ShareMember | undefined {
    return this.#byOwner[owner];
  }

  /** Throws GROUP_FULL. */
  join(group: MemberGroup, options: ShareMemberOptions): ShareMember {
    let owner = 1;
    while (this.#byOwner[owner] !== undefined) owner += 1;
    if (owner >= OWNERS_MAX) {
      throw createError('GROUP_FULL', { group: group.name, members: OWNERS_MAX - 1 });
    }
    const member = new ShareMember(group, owner, this.#turns, options);
    this.#turns += 1;
    this.#byOwner[owner] = member;
    return member;
  }

  leave(member: ShareMember): void {
    this.#byOwner[member.owner] = undefined;
    if (this.#active === member) this.#active = undefined;
  }

  /**
   * Of a group with one active member: whether it is this one. It stays so until it has gone, or
   * has nothing and another one comes before it.
   */
  isActive(member: ShareMember): boolean {
    let best: ShareMember | undefined;
    for (const other of this.#byOwner) {
      if (other === undefined || other.isClosed) continue;
      if (best === undefined || comesBefore(other, best)) best = other;
    }
    const active = this.#active;
    if (active !== undefined && active !== best && active.heldCount > 0) return false;
    this.#active = best;
    return member === best;
  }
}

function comesBefore(one: ShareMember, other: ShareMember): boolean {
  if (one.priority !== other.priority) return one.priority > other.priority;
  return one.turn < other.turn;
}
