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
  /** Messages that were taken out of the order of keys, and are not passed over yet. */
  readonly #removed = new OffsetRanges();

  constructor(keyBounds: KeyBounds | undefined) {
    this.#keys = keyBounds === undefined ? undefined : new KeyGroups(keyBounds);
  }

  get count(): number {
    return this.#free.count + this.#keyedCount;
  }

  /** Whether `take` would give a message. */
  get hasNext(): boolean {
    return this.#free.first !== undefined || this.#keys?.nextOffset !== undefined;
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
    this.#passRemoved();
    const keyed = this.#keys?.nextOffset;
    if (keyed === undefined) return this.#free.shift() ?? NOTHING;
    const free = this.#free.first;
    if (free !== undefined && free < keyed) return this.#free.shift() ?? NOTHING;
    this.#takenGroup = this.#keyed().take();
    this.#keyedCount -= 1;
    return keyed;
  }

  /**
   * Takes out one message that is to come, wherever it stands: `isToCome` tells whether it does, in
   * key order. False: it does not.
   */
  remove(offset: number, isToCome: () => boolean): boolean {
    if (this.#free.has(offset)) {
      this.#free.remove(offset, offset + 1);
      return true;
    }
    if (this.#keys === undefined || this.#removed.has(offset)) return false;
    if (!isToCome()) return false;
    this.#removed.add(offset);
    this.#keyedCount -= 1;
    this.#passRemoved();
    return true;
  }

  /** A message that was never offered is given out otherwise; its key may find it all the same. */
  passOver(offset: number): void {
    if (this.#keys !== undefined) this.#removed.add(offset);
  }

  /** The message that was taken with its group is finished. */
  finish(group: number): void {
    if (group === NONE) return;
    this.#keyed().finish(group);
    this.#passRemoved();
  }

  beginLookUp(): LostRange | undefined {
    return this.#keys?.beginLookUp();
  }

  addFound(lookUp: LostRange, offset: number): boolean {
    if (this.#removed.has(offset)) return true;
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
    this.#removed.trim(offset);
    this.#keys?.dropBelow(offset);
  }

  /** A message that was taken out of the order blocks its key no more. */
  #passRemoved(): void {
    while (this.#removed.count > 0) {
      const next = this.#keys?.nextOffset;
      if (next === undefined || !this.#removed.has(next)) return;
      this.#removed.remove(next);
      this.#keyed().finish(this.#keyed().take());
    }
  }

  #keyed(): KeyGroups {
    assert(this.#keys !== undefined, 'the order is that of keys');
    return this.#keys;
  }
}
