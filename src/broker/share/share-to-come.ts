/**
 * The messages of a partition that are still to be given out: runs of offsets, and groups of keys.
 *
 * Of a message without a key and the next one of a key that is free, the lower offset is first, so
 * neither kind waits for the other to run out.
 */

import { assert } from '../../base/assert.js';
import type { LostRange } from './share-key-group.js';
import { type KeyBounds, KeyGroups } from './share-keys.js';
import { OffsetRanges } from './share-ranges.js';
import { NONE } from './share-slots.js';

/** There is no offset. */
export const NOTHING = -1;

export class ToCome {
  readonly #free = new OffsetRanges();
  readonly #keys: KeyGroups | undefined;
  /** Messages in key order, the lost ones included. */
  #keyedCount = 0;
  #takenGroup = NONE;

  constructor(keyBounds: KeyBounds | undefined) {
    this.#keys = keyBounds === undefined ? undefined : new KeyGroups(keyBounds);
  }

  get count(): number {
    return this.#free.count + this.#keyedCount;
  }

  /** Keys with messages under way or to come. */
  get keyCount(): number {
    return this.#keys?.count ?? 0;
  }

  /** The group of the message that was taken last; NONE when keys do not matter to it. */
  get takenGroup(): number {
    return this.#takenGroup;
  }

  add(first: number, end: number): void {
    this.#free.add(first, end);
  }

  hasRoom(key: string): boolean {
    return this.#keyed().hasRoom(key);
  }

  addKeyed(key: string, offset: number): void {
    this.#keyed().add(key, offset);
    this.#keyedCount += 1;
  }

  /** The next message, which is to come no more; or NOTHING. */
  take(): number {
    this.#takenGroup = NONE;
    const keyed = this.#keys?.nextOffset;
    if (keyed === undefined) return this.#free.shift() ?? NOTHING;
    const free = this.#free.first;
    if (free !== undefined && free < keyed) return this.#free.shift() ?? NOTHING;
    this.#takenGroup = this.#keyed().take();
    this.#keyedCount -= 1;
    return keyed;
  }

  /** The message that was taken with its group is finished. */
  finish(group: number): void {
    if (group !== NONE) this.#keyed().finish(group);
  }

  beginLookUp(): LostRange | undefined {
    return this.#keys?.beginLookUp();
  }

  addFound(lookUp: LostRange, offset: number): boolean {
    return this.#keyed().addFound(lookUp, offset);
  }

  endLookUp(lookUp: LostRange, end: number): void {
    this.#keyed().endLookUp(lookUp, end);
  }

  /** Forgets what lies below `offset`; there are `count` such messages. */
  dropBelow(offset: number, count: number): void {
    const before = this.#free.count;
    const first = this.#free.first;
    if (first !== undefined && first < offset) this.#free.remove(first, offset);
    this.#keyedCount -= count - (before - this.#free.count);
    assert(this.#keyedCount >= 0, 'what is dropped was to come');
    this.#keys?.dropBelow(offset);
  }

  #keyed(): KeyGroups {
    assert(this.#keys !== undefined, 'the order is that of keys');
    return this.#keys;
  }
}
