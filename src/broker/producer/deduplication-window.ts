/**
 * The ids that were sent to one topic of late, in memory: bounded in time and in number.
 *
 * An id is forgotten when it is older than the window, or when so many newer ones are there that
 * there is no room. Ages count on the monotonic clock, so a jump of the wall clock forgets nothing.
 *
 * The window is cut into slices by the time at which a send began. A slice notes where the
 * partitions ended when it began: what was sent in it lies there or behind, also what is still on
 * its way. So the ends of the oldest slice that is in use are where a restart begins to read.
 */

import { assert } from '../../base/assert.js';
import { ExpiringIds, type IdBounds } from './expiring-ids.js';

/** A slice is this part of the window. */
const SLICES = 16;

export interface StoredPlace {
  /** Or `WAITS`. */
  readonly partition: number;
  readonly offset: number;
}

/** Instead of a partition: the record waits for its time, and the offset is its number there. */
export const WAITS = -1;

/** A part of the window's time. */
export interface WindowSlice {
  readonly startMs: number;
  /** Exclusive durable ends of the partitions, by number; those beyond the list were empty. */
  readonly ends: readonly number[];
  /** Ids that were sent in it, and sends that are on their way. */
  uses: number;
}

interface KnownId extends StoredPlace {
  readonly notedMs: number;
  readonly slice: WindowSlice;
}

/** All times are monotonic milliseconds, which may be negative. */
export class DeduplicationWindow {
  readonly #known = new ExpiringIds<KnownId>();
  /** Oldest first; the last one is the current one. */
  readonly #slices: WindowSlice[];

  /** What the log holds already lies in the first slice. */
  constructor(startMs: number, ends: readonly number[]) {
    this.#slices = [{ startMs, ends, uses: 0 }];
  }

  get count(): number {
    return this.#known.count;
  }

  find(id: string): StoredPlace | undefined {
    return this.#known.find(id);
  }

  /** Forgets what is too old, or too much. */
  expire(nowMs: number, bounds: IdBounds): void {
    this.#known.expire(nowMs, bounds, ({ slice }) => this.release(slice));
  }

  /** A send begins: its slice, to be given to `note` or `release`. */
  begin(nowMs: number, windowMs: number, endsNow: () => readonly number[]): WindowSlice {
    let current = this.#current;
    if (nowMs - current.startMs >= windowMs / SLICES) {
      current = { startMs: nowMs, ends: endsNow(), uses: 0 };
      this.#slices.push(current);
    }
    current.uses += 1;
    return current;
  }

  /** The send is stored. */
  note(id: string, { partition, offset }: StoredPlace, notedMs: number, slice: WindowSlice): void {
    this.#known.note(id, { partition, offset, notedMs, slice });
  }

  /** An id that the log holds; in the order of time, before anything else is noted. */
  restore(id: string, place: StoredPlace, notedMs: number): void {
    const older = this.#known.forget(id);
    if (older === undefined) this.#current.uses += 1;
    this.note(id, place, notedMs, this.#current);
  }

  /** The send failed, or its id is forgotten. */
  release(slice: WindowSlice): void {
    assert(slice.uses > 0, 'a slice is released as often as it was begun');
    slice.uses -= 1;
  }

  /** Every id of the window lies at these offsets or behind; they only rise. */
  oldestEnds(): readonly number[] {
    while (this.#slices.length > 1 && this.#slices[0]?.uses === 0) this.#slices.shift();
    return this.#slices[0]?.ends ?? [];
  }

  get #current(): WindowSlice {
    const current = this.#slices.at(-1);
    assert(current !== undefined, 'a window has a current slice');
    return current;
  }
}
