/**
 * Writing a run: entries of cursors, in order, into pages; a few pages at a time.
 *
 * What is finished is left out, and of several entries of one message all but the first. The pages
 * count for nothing before the run is noted in the state: until then they are only space.
 */

import { type EntryCursor, firstOf } from './delayed-entry.js';
import { PageWriter } from './delayed-page.js';
import type { DelayedRun, PageStore, RunPage } from './delayed-run.js';

export interface BuildParts {
  readonly store: PageStore;
  readonly cursors: readonly EntryCursor[];
  readonly isFinished: (id: number) => boolean;
  readonly level: number;
  readonly pageEntries: number;
}

export class RunBuild {
  readonly #parts: BuildParts;
  readonly #writer: PageWriter;
  readonly #pages: RunPage[] = [];
  #entries = 0;
  #lastId = -1;

  constructor(parts: BuildParts) {
    this.#parts = parts;
    this.#writer = new PageWriter(parts.pageEntries);
  }

  /** Writes a few pages; true when all of them are written, and durable. */
  async step(pagesMax: number): Promise<boolean> {
    for (let pages = 0; pages < pagesMax; pages += 1) {
      await this.#fill();
      if (this.#writer.count === 0) break;
      await this.#write();
    }
    if (!this.#parts.cursors.every(({ isEmpty }) => isEmpty)) return false;
    await this.#parts.store.flush();
    return true;
  }

  /** What was written; undefined when there was nothing to write. */
  finish(number: number): DelayedRun | undefined {
    if (this.#entries === 0) return undefined;
    const { level } = this.#parts;
    return { number, level, entries: this.#entries, pages: this.#pages };
  }

  async #fill(): Promise<void> {
    const { cursors, isFinished } = this.#parts;
    while (!this.#writer.isFull) {
      for (const cursor of cursors) if (!cursor.isLoaded) await cursor.load();
      const first = firstOf(cursors);
      if (first === undefined) return;
      const { id } = first;
      if (id !== this.#lastId && !isFinished(id)) {
        this.#writer.add(first.dueMs, id, first.location);
      }
      this.#lastId = id;
      first.step();
    }
  }

  async #write(): Promise<void> {
    const { count, firstDueMs } = this.#writer;
    const page = this.#writer.finish();
    this.#entries += count;
    this.#pages.push({ offset: await this.#parts.store.append(page), firstDueMs });
  }
}
