/**
 * The index of delayed messages: which is due next, of any number, in bounded memory.
 *
 * The newest entries lie in a heap. When it is full it is sorted and written as a run; some runs of
 * a level are merged into one of the next. Entries are taken in the order of their due times
 * from all of these together, with one page of each run in memory:
 *
 *     heap -> sorted, being written -> runs of level 0 -> level 1 -> ...
 *
 * The log of pages gives its space back from its start on, up to the first page that is needed. A
 * run that keeps too much behind it is written again at the end.
 *
 * Nothing here is durable by itself: a run counts once its maker has noted it, and entries that are
 * not in a noted run are learned again at the next open.
 */

import { assert } from '../../base/assert.js';
import { RunBuild } from './delayed-build.js';
import { type EntryCursor, firstOf } from './delayed-entry.js';
import { DelayedHeap } from './delayed-heap.js';
import type { DelayedLimits } from './delayed-limits.js';
import { type DelayedRun, type PageStore, RUN_PAGES_MAX, RunCursor } from './delayed-run.js';
import type { SortedEntries } from './delayed-sorted.js';

/** Pages that one step of a merge or of a flush writes. */
const STEP_PAGES = 8;
/** Pages that are kept for one that is needed, before a run is moved. */
const KEPT_RATIO = 3;

/** Entries that were taken, in columns. */
export interface TakenEntries {
  readonly dues: number[];
  readonly ids: number[];
  readonly locations: number[];
}

/** Runs that are to be replaced by one, or by none, in one step. */
export interface RunChange {
  readonly removed: readonly DelayedRun[];
  readonly added: DelayedRun | undefined;
}

export interface IndexParts {
  readonly store: PageStore;
  readonly isFinished: (id: number) => boolean;
  readonly limits: Pick<DelayedLimits, 'pageEntries' | 'mergedRuns' | 'keptPages'>;
}

interface Merge {
  readonly build: RunBuild;
  readonly removed: readonly DelayedRun[];
}

export class DelayedIndex {
  readonly #parts: IndexParts;
  #heap = new DelayedHeap();
  #sorted: SortedEntries | undefined;
  #flush: RunBuild | undefined;
  #merge: Merge | undefined;
  readonly #cursors: RunCursor[] = [];
  #nextNumber = 0;
  /** Whether entries were given back, so that they may be nowhere but in memory. */
  #owes = { heap: false, sorted: false };

  constructor(parts: IndexParts) {
    this.#parts = parts;
  }

  /** Puts in runs that were noted, at an open; all that is due before `fromMs` is finished. */
  restore(runs: readonly DelayedRun[], fromMs: number): void {
    for (const run of runs) {
      this.#cursors.push(new RunCursor(run, this.#parts.store, fromMs));
      this.#nextNumber = Math.max(this.#nextNumber, run.number + 1);
    }
  }

  /** Entries in the heap. */
  get heapCount(): number {
    return this.#heap.count;
  }

  /** Whether a run is being written: the heap cannot be sorted meanwhile. */
  get isFlushing(): boolean {
    return this.#sorted !== undefined;
  }

  get runs(): readonly DelayedRun[] {
    return this.#cursors.map(({ run }) => run);
  }

  /** Nothing is due before; Infinity when there is nothing. */
  get floorMs(): number {
    let floorMs = Number.POSITIVE_INFINITY;
    for (const cursor of this.#all()) floorMs = Math.min(floorMs, cursor.floorMs);
    return floorMs;
  }

  add(dueMs: number, id: number, location: number): void {
    this.#heap.push(dueMs, id, location);
  }

  /** Puts an entry back that was taken: its message is not finished. */
  giveBack(dueMs: number, id: number, location: number): void {
    this.#owes.heap = true;
    this.add(dueMs, id, location);
  }

  /**
   * Takes entries that are due, earliest first, up to `max` of them. Whoever takes them finishes
   * their messages, or gives the entries back, before anything else is asked of the index.
   */
  async take(nowMs: number, max: number): Promise<TakenEntries> {
    const taken: TakenEntries = { dues: [], ids: [], locations: [] };
    const ids = new Set<number>();
    const cursors = this.#all();
    while (ids.size < max) {
      for (const cursor of cursors) {
        while (!cursor.isLoaded && cursor.floorMs <= nowMs) await cursor.load();
      }
      const first = firstOf(cursors.filter(({ isLoaded }) => isLoaded));
      if (first === undefined || first.dueMs > nowMs) break;
      this.#takeFrom(first, cursors, nowMs, max, taken, ids);
    }
    return taken;
  }

  /** Takes entries until a page must be loaded, or there are enough. */
  #takeFrom(
    begin: EntryCursor,
    cursors: readonly EntryCursor[],
    nowMs: number,
    max: number,
    { dues, ids: list, locations }: TakenEntries,
    ids: Set<number>,
  ): void {
    const loaded = cursors.filter(({ isLoaded }) => isLoaded);
    let first: EntryCursor | undefined = begin;
    while (first !== undefined && first.dueMs <= nowMs && ids.size < max) {
      const { dueMs, id, location } = first;
      first.step();
      // Copies of one message have entries of their own; the newest comes first.
      if (!ids.has(id) && !this.#parts.isFinished(id)) {
        ids.add(id);
        dues.push(dueMs);
        list.push(id);
        locations.push(location);
      }
      if (!first.isLoaded) return;
      first = firstOf(loaded);
    }
  }

  /** Sorts the heap, to be written as a run; whatever is added from now on is not in it. */
  freeze(): void {
    assert(this.#sorted === undefined, 'one run is written at a time');
    const sorted = this.#heap.drain();
    this.#sorted = sorted;
    this.#owes = { heap: false, sorted: this.#owes.heap };
  }

  /** Writes a part of what was sorted. A run that is complete is to be noted, then adopted. */
  async flushStep(): Promise<RunChange | undefined> {
    const sorted = this.#sorted;
    assert(sorted !== undefined, 'there is something to write');
    this.#flush ??= this.#build([sorted.walk()], 0);
    const build = this.#flush;
    // What was written in part is written again from its beginning.
    this.#flush = undefined;
    const isWhole = await build.step(STEP_PAGES);
    this.#flush = build;
    return isWhole ? { removed: [], added: build.finish(this.#nextNumber) } : undefined;
  }

  /** The run that was sorted is noted. */
  adoptFlushed({ added }: RunChange): void {
    const floorMs = this.floorMs;
    this.#sorted = undefined;
    this.#flush = undefined;
    this.#owes = { ...this.#owes, sorted: false };
    this.#adopt([], added, floorMs);
  }

  /** Merges a part of some runs, when there are too many. What is complete is to be noted. */
  async mergeStep(): Promise<RunChange | undefined> {
    this.#merge ??= this.#plan();
    const merge = this.#merge;
    if (merge === undefined) return undefined;
    this.#merge = undefined;
    const isWhole = await merge.build.step(STEP_PAGES);
    this.#merge = merge;
    if (!isWhole) return undefined;
    return { removed: merge.removed, added: merge.build.finish(this.#nextNumber) };
  }

  /** Whether there is something to merge. */
  get isMerging(): boolean {
    return this.#merge !== undefined || this.#chosen() !== undefined;
  }

  /** The merged run is noted instead of the others. */
  adoptMerged({ removed, added }: RunChange): void {
    this.#merge = undefined;
    this.#adopt(removed, added, this.floorMs);
  }

  /** Nothing waits: no entry is needed. No run is being written. */
  clear(): void {
    assert(this.#sorted === undefined, 'no run is being written');
    this.#heap.drain();
    this.#merge = undefined;
    this.#cursors.length = 0;
    this.#owes = { heap: false, sorted: false };
  }

  /** Runs of which nothing is left: to be noted as removed, then dropped by `adoptMerged`. */
  emptyRuns(): readonly DelayedRun[] {
    if (this.#merge !== undefined || this.#isOwing) return [];
    return this.#cursors.filter(({ isEmpty }) => isEmpty).map(({ run }) => run);
  }

  /** The first page that is needed. */
  get firstNeeded(): number {
    // A run that is being written has pages that nobody names yet.
    const { store } = this.#parts;
    if (this.#merge !== undefined || this.#sorted !== undefined) return store.startOffset;
    if (this.#isOwing) return store.startOffset;
    return this.#cursors.reduce(
      (first, cursor) => Math.min(first, cursor.firstNeeded),
      store.endOffset,
    );
  }

  get #isOwing(): boolean {
    return this.#owes.heap || this.#owes.sorted;
  }

  #adopt(removed: readonly DelayedRun[], added: DelayedRun | undefined, fromMs: number): void {
    const kept = this.#cursors.filter(({ run }) => !removed.includes(run));
    this.#cursors.splice(0, this.#cursors.length, ...kept);
    if (added === undefined) return;
    this.#nextNumber = added.number + 1;
    this.#cursors.push(new RunCursor(added, this.#parts.store, fromMs));
  }

  #plan(): Merge | undefined {
    const chosen = this.#chosen();
    if (chosen === undefined) return undefined;
    // What is due before the floor is finished, or in memory only and with us again: it is not.
    const fromMs = this.floorMs;
    const cursors = chosen.runs.map((run) => new RunCursor(run, this.#parts.store, fromMs));
    return { build: this.#build(cursors, chosen.level), removed: chosen.runs };
  }

  #chosen(): { readonly runs: readonly DelayedRun[]; readonly level: number } | undefined {
    const { mergedRuns } = this.#parts.limits;
    const byLevel: DelayedRun[][] = [];
    for (const { run } of this.#cursors) {
      const same = byLevel[run.level] ?? [];
      byLevel[run.level] = same;
      same.push(run);
    }
    for (const [level, runs] of byLevel.entries()) {
      if (runs === undefined || runs.length < mergedRuns) continue;
      const pages = runs.reduce((sum, run) => sum + run.pages.length, 0);
      if (pages <= RUN_PAGES_MAX) return { runs, level: level + 1 };
    }
    const pinning = this.#pinning();
    return pinning === undefined ? undefined : { runs: [pinning], level: pinning.level };
  }

  /** The run behind whose first page there are too many that nobody needs. */
  #pinning(): DelayedRun | undefined {
    const { startOffset, endOffset } = this.#parts.store;
    const { keptPages } = this.#parts.limits;
    const needed = this.#cursors.reduce((sum, { pagesLeft }) => sum + pagesLeft, 0);
    if (endOffset - startOffset <= KEPT_RATIO * needed + keptPages) return undefined;
    const oldest = this.#cursors.reduce<RunCursor | undefined>(
      (first, one) => (first === undefined || one.firstNeeded < first.firstNeeded ? one : first),
      undefined,
    );
    if (oldest === undefined || oldest.firstNeeded > startOffset + keptPages) return undefined;
    return oldest.run;
  }

  #build(cursors: readonly EntryCursor[], level: number): RunBuild {
    const { store, isFinished, limits } = this.#parts;
    const { pageEntries } = limits;
    return new RunBuild({ store, cursors, isFinished, level, pageEntries });
  }

  #all(): EntryCursor[] {
    const all: EntryCursor[] = [this.#heap, ...this.#cursors];
    if (this.#sorted !== undefined) all.push(this.#sorted);
    return all;
  }
}
