/**
 * The messages to come in key order: of each key one at a time, in their order; other keys pass.
 *
 * A key has a group while one of its messages is under way or to come. The messages to come are
 * runs of offsets, so those of one key in a row take no room. Nothing is ever searched for a key
 * that is free: groups that are ready stand in a list.
 *
 * When there are as many runs as may be, a group that has some does not get more. It keeps between
 * which offsets it lost messages, and when its runs are used up it is starved: whoever reads the
 * log looks the messages up there, and gives them again. A group without runs always gets one. So
 * the two limits bound the memory, and no free key stays unseen.
 */

import { assert } from '../../base/assert.js';
import { type KeyGroup, KeyGroupList, type LostRange } from './share-key-group.js';
import { RunPool } from './share-runs.js';
import { NONE } from './share-slots.js';

export interface KeyBounds {
  /** Keys with messages under way or to come. */
  readonly keysMax: number;
  /** Runs of messages to come, beyond one for each key. */
  readonly runsMax: number;
}

export class KeyGroups {
  readonly #bounds: KeyBounds;
  readonly #runs = new RunPool();
  readonly #byKey = new Map<string, KeyGroup>();
  readonly #groups: (KeyGroup | undefined)[] = [];
  readonly #freeNumbers: number[] = [];
  readonly #ready = new KeyGroupList();
  readonly #starved = new KeyGroupList();

  constructor(bounds: KeyBounds) {
    assert(bounds.keysMax >= 1 && bounds.runsMax >= 0, 'there is room for a key');
    this.#bounds = bounds;
  }

  /** Keys with messages under way or to come. */
  get count(): number {
    return this.#byKey.size;
  }

  /** The next message of the group that has been ready for the longest time, or undefined. */
  get nextOffset(): number | undefined {
    const group = this.#ready.first;
    return group === undefined ? undefined : this.#runs.offsetOf(group.first);
  }

  /** Whether a message of this key would be taken. */
  hasRoom(key: string): boolean {
    return this.#byKey.size < this.#bounds.keysMax || this.#byKey.has(key);
  }

  /** Takes a message that is to come; there is room. */
  add(key: string, offset: number): void {
    const known = this.#byKey.get(key);
    const group = known ?? this.#begin(key);
    const isLosing = group.lostEnd > 0 || group.lookUp !== undefined;
    if (isLosing || !this.#append(group, offset)) lose(group, offset, offset + 1);
    if (known === undefined) this.#goOn(group);
  }

  /** Takes the message of {@link nextOffset}, and blocks its group; returns the group. */
  take(): number {
    const group = this.#ready.shift();
    assert(group !== undefined, 'a group is ready');
    group.phase = 'blocked';
    group.first = this.#runs.shift(group.first);
    if (group.first === NONE) group.last = NONE;
    return group.number;
  }

  /** The message of the group that was taken is finished. */
  finish(number: number): void {
    const group = this.#groups[number];
    assert(group !== undefined, 'the group is there while it is blocked');
    assert(group.phase === 'blocked', 'a message of the group was under way');
    this.#goOn(group);
  }

  /** Begins to look up what one starved group lost; undefined when none has. */
  beginLookUp(): LostRange | undefined {
    const group = this.#starved.shift();
    if (group === undefined) return undefined;
    group.lookUp = { key: group.key, first: group.lostFirst, end: group.lostEnd };
    group.lostEnd = 0;
    return group.lookUp;
  }

  /** A lost message that was found, in the order of the log; false: look no further. */
  addFound(lookUp: LostRange, offset: number): boolean {
    const group = this.#byKey.get(lookUp.key);
    if (group?.lookUp !== lookUp) return false;
    assert(offset >= lookUp.first && offset < lookUp.end, 'the message was lost');
    return this.#append(group, offset);
  }

  /** All messages of the key below `end` have been found. */
  endLookUp(lookUp: LostRange, end: number): void {
    const group = this.#byKey.get(lookUp.key);
    if (group?.lookUp !== lookUp) return;
    group.lookUp = undefined;
    if (end < lookUp.end) lose(group, Math.max(end, lookUp.first), lookUp.end);
    this.#goOn(group);
  }

  /** Forgets what is to come below `offset`; look-ups are void. */
  dropBelow(offset: number): void {
    this.#ready.clear();
    this.#starved.clear();
    for (const group of [...this.#byKey.values()]) {
      if (group.lookUp !== undefined) lose(group, group.lookUp.first, group.lookUp.end);
      group.lookUp = undefined;
      this.#dropRuns(group, offset);
      group.lostFirst = Math.max(group.lostFirst, offset);
      if (group.lostFirst >= group.lostEnd) group.lostEnd = 0;
      if (group.phase !== 'blocked') this.#goOn(group);
    }
  }

  /** What follows when nothing of the group is under way. */
  #goOn(group: KeyGroup): void {
    if (group.first !== NONE) {
      group.phase = 'ready';
      this.#ready.push(group);
    } else if (group.lostEnd > 0) {
      group.phase = 'starved';
      this.#starved.push(group);
    } else {
      this.#byKey.delete(group.key);
      this.#groups[group.number] = undefined;
      this.#freeNumbers.push(group.number);
    }
  }

  /** False when there is no room for one more run. */
  #append(group: KeyGroup, offset: number): boolean {
    const runs = this.#runs;
    if (group.last !== NONE && runs.continues(group.last, offset)) {
      runs.extend(group.last);
      return true;
    }
    if (group.last !== NONE && runs.count >= this.#bounds.runsMax) return false;
    group.last = runs.append(group.last, offset);
    if (group.first === NONE) group.first = group.last;
    return true;
  }

  #dropRuns(group: KeyGroup, offset: number): void {
    const runs = this.#runs;
    let node = group.first;
    group.first = NONE;
    group.last = NONE;
    while (node !== NONE) {
      const next = runs.nextOf(node);
      if (runs.dropBelow(node, offset)) {
        if (group.last === NONE) group.first = node;
        else runs.link(group.last, node);
        runs.link(node, NONE);
        group.last = node;
      }
      node = next;
    }
  }

  #begin(key: string): KeyGroup {
    assert(this.#byKey.size < this.#bounds.keysMax, 'there is room for the key');
    const group: KeyGroup = {
      key,
      number: this.#freeNumbers.pop() ?? this.#groups.length,
      phase: 'blocked',
      first: NONE,
      last: NONE,
      lostFirst: 0,
      lostEnd: 0,
      lookUp: undefined,
      next: undefined,
    };
    this.#groups[group.number] = group;
    this.#byKey.set(key, group);
    return group;
  }
}

function lose(group: KeyGroup, first: number, end: number): void {
  group.lostFirst = group.lostEnd === 0 ? first : Math.min(group.lostFirst, first);
  group.lostEnd = Math.max(group.lostEnd, end);
}
