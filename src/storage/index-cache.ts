/**
 * Indexes of sealed segments in memory, and files of segments open for reading, both bounded.
 *
 * What was used longest ago goes first. A file that somebody reads is not closed; an index that is
 * dropped is loaded again when it is needed.
 */

import { assert } from '../base/assert.js';
import type { FileSystem, ReadableFile } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import type { Segment } from './segment.js';
import { loadSealedSegment, type SegmentContext } from './segment-loader.js';

interface OpenSegment {
  readonly file: Promise<ReadableFile>;
  users: number;
  /** Nobody may take it any more; it is closed when the last user lets go. */
  isDoomed: boolean;
}

export class SegmentFiles {
  readonly #fileSystem: FileSystem;
  readonly #open = new Map<Segment, OpenSegment>();
  readonly #closing = new Set<Promise<void>>();
  #onIdle: (() => void) | undefined;
  #isClosed = false;

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  get count(): number {
    return this.#open.size;
  }

  /** The segment's file; the caller gives it back with `release`. */
  async acquire(segment: Segment): Promise<ReadableFile> {
    let open = this.#open.get(segment);
    if (open === undefined) {
      const file = this.#fileSystem.open(segment.logPath);
      // A reader that was on its way here when the log closed gets its file, for one read.
      open = { file, users: 0, isDoomed: this.#isClosed };
    }
    // The newest use goes to the end of the map: its order is the order of use.
    this.#open.delete(segment);
    this.#open.set(segment, open);
    open.users += 1;
    try {
      const file = await open.file;
      this.#evict();
      return file;
    } catch (error) {
      open.users -= 1;
      if (this.#open.get(segment) === open) this.#open.delete(segment);
      this.#noteIdle();
      throw error;
    }
  }

  release(segment: Segment): void {
    const open = this.#open.get(segment);
    assert(open !== undefined && open.users > 0, 'a file is released once');
    open.users -= 1;
    if (open.isDoomed && open.users === 0) this.#close(segment, open);
  }

  /** The segment is deleted: its file is closed as soon as nobody reads it. */
  forget(segment: Segment): void {
    const open = this.#open.get(segment);
    if (open === undefined) return;
    open.isDoomed = true;
    if (open.users === 0) this.#close(segment, open);
  }

  /** Closes all files; resolves when the last one is closed, which waits for reads in flight. */
  async closeAll(): Promise<void> {
    this.#isClosed = true;
    for (const segment of [...this.#open.keys()]) this.forget(segment);
    while (this.#open.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
    await Promise.all(this.#closing);
  }

  #evict(): void {
    for (const [segment, open] of this.#open) {
      if (this.#open.size <= limits.openSegmentsMax) return;
      if (open.users === 0) this.#close(segment, open);
    }
  }

  #close(segment: Segment, open: OpenSegment): void {
    this.#open.delete(segment);
    // A file that was opened for reading only: a failed close loses nothing.
    const closing = open.file
      .then((file) => file.close())
      .catch(() => undefined)
      .finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
    this.#noteIdle();
  }

  #noteIdle(): void {
    if (this.#open.size === 0) this.#onIdle?.();
  }
}

export class IndexCache {
  readonly #loaded = new Map<Segment, Promise<void>>();
  #bytes = 0;

  /** Makes sure that the segment's indexes are in memory. */
  async load(context: SegmentContext, segment: Segment, mayHaveGaps: boolean): Promise<void> {
    if (segment.indexer !== undefined && !this.#loaded.has(segment)) return;
    const loading = this.#loaded.get(segment) ?? loadSealedSegment(context, segment, mayHaveGaps);
    const isFirst = this.#loaded.get(segment) !== loading;
    this.#loaded.delete(segment);
    this.#loaded.set(segment, loading);
    try {
      await loading;
    } catch (error) {
      if (this.#loaded.get(segment) === loading) this.#loaded.delete(segment);
      throw error;
    }
    if (isFirst) this.#keep(segment, loading);
  }

  forget(segment: Segment): void {
    if (!this.#loaded.delete(segment)) return;
    this.#bytes -= indexBytes(segment);
    segment.indexer = undefined;
  }

  /** Counts what was loaded, and drops what was used longest ago when that is too much. */
  #keep(segment: Segment, loading: Promise<void>): void {
    if (this.#loaded.get(segment) !== loading) {
      // It was forgotten meanwhile: what was loaded may say what is not true any more.
      segment.indexer = undefined;
      segment.totals = undefined;
      return;
    }
    this.#bytes += indexBytes(segment);
    for (const other of this.#loaded.keys()) {
      if (this.#bytes <= limits.indexCacheBytes || other === segment) return;
      this.forget(other);
    }
  }
}

function indexBytes(segment: Segment): number {
  const { indexer } = segment;
  return indexer === undefined ? 0 : indexer.offsets.bytes + indexer.times.bytes;
}
