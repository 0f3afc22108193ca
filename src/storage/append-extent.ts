/**
 * Extents: runs of finished batches that lie side by side in a slab and in a file, so that one
 * write takes them all; and the memory of the newest ones, from which the tail of the log is read.
 */

import type { SlabUse } from './append-buffer.js';
import type { LogPosition } from './log-core.js';
import { takeReadMemory } from './read-memory.js';
import type { Segment } from './segment.js';
import type { WriterFile, WriterStep } from './writer.js';

export interface Roll {
  readonly sealed: Segment;
  readonly next: Segment;
  readonly steps: readonly WriterStep[];
  readonly reason: string;
}

export interface Extent {
  readonly use: SlabUse;
  readonly generation: number;
  readonly start: number;
  end: number;
  readonly segment: Segment;
  readonly file: WriterFile;
  /** Position in the file of the first byte. */
  readonly position: number;
  /** The offset after the last one in it. */
  nextOffset: number;
  batches: number;
  /** The roll that comes before it, when it is the first of a new segment. */
  readonly roll: Roll | undefined;
}

/** The position behind it. */
export function extentEnd({ segment, position, start, end }: Extent): LogPosition {
  return { segmentBase: segment.baseOffset, position: position + end - start };
}

/** Takes a finished batch in: into the last extent when it goes on there, or as a new one. */
export function addToExtents(
  extents: Extent[],
  batch: Omit<Extent, 'generation' | 'batches'>,
): void {
  const { use, start, end, segment, file, position, nextOffset, roll } = batch;
  const last = extents.at(-1);
  if (last !== undefined && last.use === use && last.end === start && last.segment === segment) {
    last.end = end;
    last.nextOffset = nextOffset;
    last.batches += 1;
    return;
  }
  use.pendingWrites += 1;
  const { generation } = use.slab;
  const batches = 1;
  // Named one by one: a copy of an object is slower, and this is once for each commit.
  extents.push({
    use,
    generation,
    start,
    end,
    segment,
    file,
    position,
    nextOffset,
    batches,
    roll,
  });
}

const RECENT_MAX = 64;

/** `count` bytes from the beginning of the memory on. */
export interface RecentBytes {
  readonly bytes: Buffer;
  readonly count: number;
}

/** The extents written last, as long as their slabs were not used again. */
export class RecentExtents {
  readonly #extents: Extent[] = [];

  push(extent: Extent): void {
    this.#extents.push(extent);
    if (this.#extents.length > RECENT_MAX) this.#extents.shift();
  }

  clear(): void {
    this.#extents.length = 0;
  }

  /**
   * Copies up to `countMax` bytes of `segment` from `position` on into memory for reading;
   * undefined when they are not in memory any more. The copy ends within one extent.
   */
  copy(segment: Segment, position: number, countMax: number): RecentBytes | undefined {
    for (let index = this.#extents.length - 1; index >= 0; index--) {
      const extent = this.#extents[index];
      if (extent === undefined) return undefined;
      if (extent.segment !== segment || position < extent.position) continue;
      const skipped = position - extent.position;
      const count = Math.min(countMax, extent.end - extent.start - skipped);
      if (count <= 0) return undefined;
      if (extent.use.slab.generation !== extent.generation) return undefined;
      const start = extent.start + skipped;
      const bytes = takeReadMemory(count);
      // A plain copy of memory also where the slab is shared (`batch-bytes-copy.ts`).
      bytes.fill(extent.use.slab.bytes.subarray(start, start + count), 0, count);
      return { bytes, count };
    }
    return undefined;
  }
}
