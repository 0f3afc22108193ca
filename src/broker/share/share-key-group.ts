/**
 * What is known of one key in key order, and lists of such groups.
 *
 *     (none) -> ready     a message of the key came
 *     ready -> blocked    its next message was taken
 *     blocked -> ready, starved or (none)     that message is finished
 *     starved -> ready, starved or (none)     its lost messages were looked up in the log
 */

type KeyGroupPhase = 'ready' | 'blocked' | 'starved';

/** Messages of one key that are to be looked up in the log, in [first, end). */
export interface LostRange {
  readonly key: string;
  readonly first: number;
  /** Exclusive. */
  readonly end: number;
}

export interface KeyGroup {
  readonly key: string;
  readonly number: number;
  phase: KeyGroupPhase;
  /** The runs of messages to come: the first node and the last. */
  first: number;
  last: number;
  /** The offsets between which messages are not among the runs; an end of 0: there are none. */
  lostFirst: number;
  lostEnd: number;
  /** The part of them that is being looked up. */
  lookUp: LostRange | undefined;
  /** The group behind this one in its list. */
  next: KeyGroup | undefined;
}

/** Groups in the order in which they came; a group is in one list at most. */
export class KeyGroupList {
  #first: KeyGroup | undefined;
  #last: KeyGroup | undefined;

  get first(): KeyGroup | undefined {
    return this.#first;
  }

  push(group: KeyGroup): void {
    group.next = undefined;
    if (this.#last === undefined) this.#first = group;
    else this.#last.next = group;
    this.#last = group;
  }

  shift(): KeyGroup | undefined {
    const group = this.#first;
    if (group === undefined) return undefined;
    this.#first = group.next;
    if (this.#first === undefined) this.#last = undefined;
    group.next = undefined;
    return group;
  }

  clear(): void {
    this.#first = undefined;
    this.#last = undefined;
  }
}
