/**
 * The columns of messages under way: given out at least once, and not finished.
 *
 * A message has a slot, which keeps its number while it is under way. Slots lie in slabs of 4,096,
 * a typed array for each column, 29 bytes a slot; the key order takes 4 more. The lowest slab with
 * room is used first, and empty slabs at the end are let go, so memory follows what is under way.
 *
 *     offset 8  due 4  deliveries 4  link 4  bytes 4  failures 2  owner 2  phase 1  (group 4)
 *
 * `due` counts milliseconds from a time that the deadlines keep; `link` joins slots to lists.
 */

import { assert } from '../../base/assert.js';

export const NONE = 0xffff_ffff;

const SLAB_SLOTS = 4_096;
const SLAB_BITS = 12;
const SLAB_MASK = SLAB_SLOTS - 1;
/** The phase of a slot that is not in use. */
export const FREE = 255;

class Slab {
  readonly offsets = new Float64Array(SLAB_SLOTS);
  readonly dues = new Uint32Array(SLAB_SLOTS);
  readonly deliveries = new Uint32Array(SLAB_SLOTS);
  readonly links = new Uint32Array(SLAB_SLOTS);
  readonly bytes = new Uint32Array(SLAB_SLOTS);
  readonly failures = new Uint16Array(SLAB_SLOTS);
  readonly owners = new Uint16Array(SLAB_SLOTS);
  readonly phases = new Uint8Array(SLAB_SLOTS).fill(FREE);
  readonly groups: Uint32Array | undefined;
  used = 0;
  /** The first free slot in the slab; the others follow by their links. */
  firstFree = 0;

  constructor(isKeyed: boolean) {
    this.groups = isKeyed ? new Uint32Array(SLAB_SLOTS) : undefined;
    for (let at = 0; at < SLAB_SLOTS; at += 1) this.links[at] = at + 1;
  }
}

export class DeliverySlots {
  readonly #isKeyed: boolean;
  readonly #slabs: Slab[] = [];
  /** No slab before this one has room. */
  #roomy = 0;
  #count = 0;

  constructor(isKeyed: boolean) {
    this.#isKeyed = isKeyed;
  }

  /** Slots in use. */
  get count(): number {
    return this.#count;
  }

  /** All slots lie below this number. */
  get end(): number {
    return this.#slabs.length * SLAB_SLOTS;
  }

  /** Takes a slot; the caller fills its columns. */
  take(): number {
    while (this.#slabs[this.#roomy]?.used === SLAB_SLOTS) this.#roomy += 1;
    if (this.#roomy === this.#slabs.length) this.#slabs.push(new Slab(this.#isKeyed));
    const slab = this.#slabs[this.#roomy] as Slab;
    const at = slab.firstFree;
    slab.firstFree = slab.links[at] as number;
    slab.used += 1;
    this.#count += 1;
    return this.#roomy * SLAB_SLOTS + at;
  }

  free(slot: number): void {
    const number = slot >>> SLAB_BITS;
    const slab = this.#slabs[number] as Slab;
    const at = slot & SLAB_MASK;
    assert(slab.phases[at] !== FREE, 'the slot is in use');
    slab.phases[at] = FREE;
    slab.links[at] = slab.firstFree;
    slab.firstFree = at;
    slab.used -= 1;
    this.#count -= 1;
    if (number < this.#roomy) this.#roomy = number;
    if (slab.used === 0) this.#letGo();
  }

  isUsed(slot: number): boolean {
    return slot < this.end && this.phaseOf(slot) !== FREE;
  }

  offsetOf(slot: number): number {
    return this.#slab(slot).offsets[slot & SLAB_MASK] as number;
  }

  setOffset(slot: number, offset: number): void {
    this.#slab(slot).offsets[slot & SLAB_MASK] = offset;
  }

  dueOf(slot: number): number {
    return this.#slab(slot).dues[slot & SLAB_MASK] as number;
  }

  setDue(slot: number, due: number): void {
    this.#slab(slot).dues[slot & SLAB_MASK] = due;
  }

  deliveriesOf(slot: number): number {
    return this.#slab(slot).deliveries[slot & SLAB_MASK] as number;
  }

  setDeliveries(slot: number, deliveries: number): void {
    this.#slab(slot).deliveries[slot & SLAB_MASK] = deliveries;
  }

  failuresOf(slot: number): number {
    return this.#slab(slot).failures[slot & SLAB_MASK] as number;
  }

  setFailures(slot: number, failures: number): void {
    this.#slab(slot).failures[slot & SLAB_MASK] = failures;
  }

  bytesOf(slot: number): number {
    return this.#slab(slot).bytes[slot & SLAB_MASK] as number;
  }

  setBytes(slot: number, bytes: number): void {
    this.#slab(slot).bytes[slot & SLAB_MASK] = bytes;
  }

  ownerOf(slot: number): number {
    return this.#slab(slot).owners[slot & SLAB_MASK] as number;
  }

  setOwner(slot: number, owner: number): void {
    this.#slab(slot).owners[slot & SLAB_MASK] = owner;
  }

  phaseOf(slot: number): number {
    return this.#slab(slot).phases[slot & SLAB_MASK] as number;
  }

  setPhase(slot: number, phase: number): void {
    this.#slab(slot).phases[slot & SLAB_MASK] = phase;
  }

  linkOf(slot: number): number {
    return this.#slab(slot).links[slot & SLAB_MASK] as number;
  }

  setLink(slot: number, link: number): void {
    this.#slab(slot).links[slot & SLAB_MASK] = link;
  }

  /** The group of the message's key; NONE when it has no key, or keys do not matter. */
  groupOf(slot: number): number {
    return this.#slab(slot).groups?.[slot & SLAB_MASK] ?? NONE;
  }

  setGroup(slot: number, group: number): void {
    const { groups } = this.#slab(slot);
    if (groups !== undefined) groups[slot & SLAB_MASK] = group;
  }

  #slab(slot: number): Slab {
    return this.#slabs[slot >>> SLAB_BITS] as Slab;
  }

  /** Lets empty slabs at the end go, but for one: a count that swings does not make new ones. */
  #letGo(): void {
    const slabs = this.#slabs;
    while (slabs.length > 1 && slabs.at(-1)?.used === 0 && slabs.at(-2)?.used === 0) slabs.pop();
  }
}
