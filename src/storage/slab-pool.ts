/**
 * The slabs of one writer: memory in which batches are built and from which they are written.
 *
 * Slabs come in sizes that are powers of two and are used again in the order in which they came
 * back, so the content of a released slab stays readable for as long as possible: the tail of a log
 * is served from there. Memory is bounded; at the bound `acquire` gives nothing.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';
import type { Slab } from './writer.js';

const SLAB_BYTES_MIN = 4096;
/** Free slabs beyond this many bytes are dropped. */
const IDLE_BYTES_MAX = 32 * 1024 * 1024;

export class SlabPool {
  readonly #allocate: (bytes: number) => Uint8Array;
  readonly #announce: (slab: Slab) => void;
  readonly #retire: (slab: Slab) => void;
  readonly #free = new Map<number, Slab[]>();
  readonly #waiters: (() => void)[] = [];
  readonly #reclaimers = new Set<() => void>();
  #nextId = 0;
  #totalBytes = 0;
  #freeBytes = 0;

  /** `announce` and `retire` tell the other side of the writer which memory an id means. */
  constructor(
    allocate: (bytes: number) => Uint8Array,
    announce: (slab: Slab) => void,
    retire: (slab: Slab) => void,
  ) {
    this.#allocate = allocate;
    this.#announce = announce;
    this.#retire = retire;
  }

  /** Bytes of the slabs that are handed out now. */
  get usedBytes(): number {
    return this.#totalBytes - this.#freeBytes;
  }

  acquire(bytes: number): Slab | undefined {
    const size = sizeClass(bytes);
    const free = this.#free.get(size);
    const recycled = free?.shift();
    if (recycled !== undefined) {
      this.#freeBytes -= size;
      recycled.generation += 1;
      return recycled;
    }
    if (this.usedBytes + size > limits.slabPoolBytesMax) {
      for (const reclaim of [...this.#reclaimers]) reclaim();
      if (this.usedBytes + size > limits.slabPoolBytesMax) return undefined;
    }
    const slab: Slab = { id: this.#nextId++, bytes: this.#allocate(size), generation: 0 };
    this.#totalBytes += size;
    this.#announce(slab);
    return slab;
  }

  release(slab: Slab): void {
    const size = slab.bytes.length;
    if (this.#freeBytes + size > IDLE_BYTES_MAX) {
      this.#totalBytes -= size;
      slab.generation += 1;
      this.#retire(slab);
    } else {
      const free = this.#free.get(size);
      assert(free === undefined || !free.includes(slab), 'a slab is released once');
      if (free === undefined) this.#free.set(size, [slab]);
      else free.push(slab);
      this.#freeBytes += size;
    }
    for (const ready of this.#waiters.splice(0)) ready();
  }

  /** Registers who may hold a slab that nothing needs; idle logs keep theirs until then. */
  onPressure(reclaim: () => void): () => void {
    this.#reclaimers.add(reclaim);
    return () => this.#reclaimers.delete(reclaim);
  }

  onSlab(ready: () => void): void {
    this.#waiters.push(ready);
  }
}

function sizeClass(bytes: number): number {
  assert(bytes > 0, 'a slab has bytes');
  let size = SLAB_BYTES_MIN;
  while (size < bytes) size *= 2;
  return size;
}
