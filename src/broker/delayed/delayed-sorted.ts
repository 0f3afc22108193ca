/**
 * Entries in memory, sorted: what is being written as a run, and can be taken from meanwhile.
 */

import { assert } from '../../base/assert.js';
import type { EntryCursor } from './delayed-entry.js';

interface Columns {
  readonly dues: Float64Array;
  readonly ids: Float64Array;
  readonly locations: Float64Array;
  count: number;
}

export class SortedEntries implements EntryCursor {
  readonly #columns: Columns;
  #at = 0;

  constructor(columns: number | Columns) {
    this.#columns = typeof columns === 'number' ? emptyColumns(columns) : columns;
  }

  /** Those that were taken out included. */
  get count(): number {
    return this.#columns.count;
  }

  get isEmpty(): boolean {
    return this.#at === this.#columns.count;
  }

  get isLoaded(): boolean {
    return true;
  }

  get floorMs(): number {
    return this.isEmpty ? Number.POSITIVE_INFINITY : this.dueMs;
  }

  get dueMs(): number {
    return this.#columns.dues[this.#at] as number;
  }

  get id(): number {
    return this.#columns.ids[this.#at] as number;
  }

  get location(): number {
    return this.#columns.locations[this.#at] as number;
  }

  async load(): Promise<void> {
    // It is all in memory.
  }

  /** Adds one that comes behind all others. */
  push(dueMs: number, id: number, location: number): void {
    const columns = this.#columns;
    const at = columns.count;
    assert(at < columns.dues.length, 'there is room for the entry');
    columns.dues[at] = dueMs;
    columns.ids[at] = id;
    columns.locations[at] = location;
    columns.count += 1;
  }

  step(): void {
    assert(!this.isEmpty, 'there is an entry');
    this.#at += 1;
  }

  /** A cursor over all entries, also those that were taken out. */
  walk(): SortedEntries {
    return new SortedEntries(this.#columns);
  }
}

function emptyColumns(capacity: number): Columns {
  return {
    dues: new Float64Array(capacity),
    ids: new Float64Array(capacity),
    locations: new Float64Array(capacity),
    count: 0,
  };
}
