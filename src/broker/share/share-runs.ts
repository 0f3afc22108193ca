/**
 * First-in, first-out lists of offsets as runs, many of them in one pool of nodes: 16 bytes a run.
 *
 * A list is two numbers, its first node and its last, which its owner keeps.
 *
 *     node: first offset 8, count 4, next node 4
 */

import { assert } from '../../base/assert.js';
import { NONE } from './share-slots.js';

const SLAB_NODES = 4_096;
const SLAB_BITS = 12;
const SLAB_MASK = SLAB_NODES - 1;
const COUNT_MAX = 0xffff_ffff;

class Slab {
  readonly offsets = new Float64Array(SLAB_NODES);
  readonly counts = new Uint32Array(SLAB_NODES);
  readonly links = new Uint32Array(SLAB_NODES);
}

export class RunPool {
  readonly #slabs: Slab[] = [];
  /** The first free node; the others follow by their links. */
  #firstFree = NONE;
  #count = 0;

  /** Runs in all lists. */
  get count(): number {
    return this.#count;
  }

  offsetOf(node: number): number {
    return this.#slab(node).offsets[node & SLAB_MASK] as number;
  }

  nextOf(node: number): number {
    return this.#slab(node).links[node & SLAB_MASK] as number;
  }

  /** Whether `offset` goes on where the run ends. */
  continues(node: number, offset: number): boolean {
    const slab = this.#slab(node);
    const count = slab.counts[node & SLAB_MASK] as number;
    return count < COUNT_MAX && (slab.offsets[node & SLAB_MASK] as number) + count === offset;
  }

  /** Makes a run of one offset, behind the node `last` unless that is NONE. */
  append(last: number, offset: number): number {
    if (this.#firstFree === NONE) this.#grow();
    const node = this.#firstFree;
    const slab = this.#slab(node);
    const at = node & SLAB_MASK;
    this.#firstFree = slab.links[at] as number;
    slab.offsets[at] = offset;
    slab.counts[at] = 1;
    slab.links[at] = NONE;
    if (last !== NONE) this.#slab(last).links[last & SLAB_MASK] = node;
    this.#count += 1;
    return node;
  }

  /** One more offset at the end of the run. */
  extend(node: number): void {
    const slab = this.#slab(node);
    slab.counts[node & SLAB_MASK] = (slab.counts[node & SLAB_MASK] as number) + 1;
  }

  /** Joins two nodes of one list; NONE ends it. */
  link(node: number, next: number): void {
    this.#slab(node).links[node & SLAB_MASK] = next;
  }

  /** Takes the first offset out of the run; returns the node that is first in the list now. */
  shift(node: number): number {
    const next = this.nextOf(node);
    return this.dropBelow(node, this.offsetOf(node) + 1) ? node : next;
  }

  /** Takes what lies below `offset` out of the run; false when nothing stays, and it is freed. */
  dropBelow(node: number, offset: number): boolean {
    const slab = this.#slab(node);
    const at = node & SLAB_MASK;
    const first = slab.offsets[at] as number;
    const count = slab.counts[at] as number;
    const dropped = Math.max(0, Math.min(count, offset - first));
    if (dropped < count) {
      slab.offsets[at] = first + dropped;
      slab.counts[at] = count - dropped;
      return true;
    }
    slab.links[at] = this.#firstFree;
    this.#firstFree = node;
    this.#count -= 1;
    assert(this.#count >= 0, 'the pool knows its runs');
    return false;
  }

  #slab(node: number): Slab {
    return this.#slabs[node >>> SLAB_BITS] as Slab;
  }

  #grow(): void {
    const base = this.#slabs.length * SLAB_NODES;
    const slab = new Slab();
    for (let at = 0; at < SLAB_NODES; at += 1) slab.links[at] = base + at + 1;
    slab.links[SLAB_NODES - 1] = NONE;
    this.#slabs.push(slab);
    this.#firstFree = base;
  }
}
