/**
 * A sorted run of the index: pages in the log of pages, each with the due time of its first entry.
 *
 * A cursor holds one page of its run, and loads the next when it is asked to.
 */

import { assert } from '../../base/assert.js';
import type { EntryCursor } from './delayed-entry.js';
import { PageReader } from './delayed-page.js';

/** Pages of a run at most: 134 M entries. Runs that would be larger are not merged. */
export const RUN_PAGES_MAX = 32_768;

/** Where pages are kept. */
export interface PageStore {
  /** Appends a page; resolves to its offset, once it is written. */
  append(page: Uint8Array): Promise<number>;
  /** Resolves when all of them are durable. */
  flush(): Promise<void>;
  /** The page at an offset; LOG_CORRUPT when there is none. */
  read(offset: number): Promise<Uint8Array>;
  /** Pages below are needed no more. */
  deleteBefore(offset: number): Promise<void>;
  /** The offsets that are kept, for what that takes. */
  readonly startOffset: number;
  readonly endOffset: number;
}

export interface RunPage {
  /** In the log of pages; rises from page to page. */
  readonly offset: number;
  readonly firstDueMs: number;
}

export interface DelayedRun {
  /** Rises with each run that is made. */
  readonly number: number;
  /** How often its entries were merged, about. */
  readonly level: number;
  readonly entries: number;
  readonly pages: readonly RunPage[];
}

export class RunCursor implements EntryCursor {
  readonly run: DelayedRun;
  readonly #store: PageStore;
  /** Of the next page to load. */
  #next: number;
  #reader: PageReader | undefined;
  #floorMs: number;
  dueMs = 0;
  id = 0;
  location = 0;

  /** Stands before the first entry that is due at `fromMs` or later, or a little before that. */
  constructor(run: DelayedRun, store: PageStore, fromMs: number) {
    assert(run.pages.length > 0, 'a run has pages');
    this.run = run;
    this.#store = store;
    this.#next = pageAt(run.pages, fromMs);
    // Pages that were given back held nothing any more.
    while ((run.pages[this.#next]?.offset ?? store.startOffset) < store.startOffset)
      this.#next += 1;
    this.#floorMs = Math.max(fromMs, run.pages[this.#next]?.firstDueMs ?? 0);
  }

  get isEmpty(): boolean {
    return this.#reader === undefined && this.#next === this.run.pages.length;
  }

  get isLoaded(): boolean {
    return this.#reader !== undefined || this.isEmpty;
  }

  get floorMs(): number {
    if (this.#reader !== undefined) return this.dueMs;
    return this.isEmpty ? Number.POSITIVE_INFINITY : this.#floorMs;
  }

  /** The first page that is needed; pages of the run before it are not. */
  get firstNeeded(): number {
    const at = this.#reader === undefined ? this.#next : this.#next - 1;
    return this.run.pages[at]?.offset ?? Number.POSITIVE_INFINITY;
  }

  /** Pages from there on. */
  get pagesLeft(): number {
    return this.run.pages.length - this.#next + (this.#reader === undefined ? 0 : 1);
  }

  async load(): Promise<void> {
    if (this.isLoaded) return;
    const page = this.run.pages[this.#next];
    assert(page !== undefined, 'there is a page to load');
    const reader = new PageReader(await this.#store.read(page.offset));
    reader.next();
    this.#next += 1;
    this.#reader = reader;
    this.#show(reader);
  }

  step(): void {
    assert(this.#reader !== undefined, 'the page is loaded');
    if (this.#reader.next()) {
      this.#show(this.#reader);
      return;
    }
    this.#reader = undefined;
    this.#floorMs = this.run.pages[this.#next]?.firstDueMs ?? 0;
  }

  #show({ dueMs, id, location }: PageReader): void {
    this.dueMs = dueMs;
    this.id = id;
    this.location = location;
  }
}

/** The last page that begins before the time, or the first page. */
function pageAt(pages: readonly RunPage[], fromMs: number): number {
  let low = 0;
  let high = pages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pages[middle]?.firstDueMs ?? 0) < fromMs) low = middle + 1;
    else high = middle;
  }
  return Math.max(0, low - 1);
}
