/**
 * Indexes of sealed segments in memory, and files of segments open for reading, both bounded.
 *
 * What was used longest ago goes first. A file that somebody reads is not closed; an index that is
 * dropped is loaded again when it is needed. While the files of a segment change their names,
 * opening and loading wait at its gate; what is open stays open.
 */

import { assert } from '../base/assert.js';
import type { FileSystem, ReadableFile } from '../base/file-system.js';
import { limits } from '../base/limits.js';
import type { Seal } from './seal.js';
import type { Segment } from './segment.js';
import { loadSealedSegment, readSeal, type SegmentContext } from './segment-loader.js';

interface OpenSegment {
  readonly file: Promise<ReadableFile>;
  users: number;
  /** Nobody may take it any more; it is closed when the last user lets go. */
  isDoomed: boolean;
}

/** Looks again, behind opening a segment's file, whether it is the one that is known; or throws. */
export type ConfirmSegment = (segment: Segment) => Promise<void>;

export class SegmentFiles {
  readonly #fileSystem: FileSystem;
  readonly #open = new Map<Segment, OpenSegment>();
  readonly #closing = new Set<Promise<void>>();
  readonly #confirm: ConfirmSegment | undefined;
  #onIdle: (() => void) | undefined;
  #isClosed = false;

  constructor(fileSystem: FileSystem, confirm?: ConfirmSegment) {
    this.#fileSystem = fileSystem;
    this.#confirm = confirm;
  }

  get count(): number {
    return this.#open.size;
  }

  /** The segment's file; the caller gives it back with `release`. */
  async acquire(segment: Segment): Promise<ReadableFile> {
    // Descriptors that are open go on; a new one waits until the names are settled.
    while (!this.#open.has(segment) && !segment.gate.isOpen) await segment.gate.pass();
    let open = this.#open.get(segment);
    if (open === undefined) {
      const file = this.#openFile(segment);
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

  /** Resolves when no file of these segments is being opened. */
  async quiesce(segments: readonly Segment[]): Promise<void> {
    const opening = segments.map((segment) => this.#open.get(segment)?.file);
    await Promise.allSettled(opening);
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
      // Opened again now it would wait for the end of the swap.
      if (open.users === 0 && segment.gate.isOpen) this.#close(segment, open);
    }
  }

  async #openFile(segment: Segment): Promise<ReadableFile> {
    const file = await this.#fileSystem.open(segment.logPath);
    try {
      await this.#confirm?.(segment);
      return file;
    } catch (error) {
      await file.close().catch(() => undefined);
      throw error;
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
  readonly #sealsRead = new Map<Segment, Promise<Seal | 'absent' | 'invalid'>>();
  #bytes = 0;

  /** Makes sure that the segment's indexes are in memory. */
  async load(context: SegmentContext, segment: Segment, mayHaveGaps: boolean): Promise<void> {
    while (!this.#loaded.has(segment) && !segment.gate.isOpen) await segment.gate.pass();
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

  /** The segment's seal, which it then has in memory; or why there is none to believe. */
  async seal(context: SegmentContext, segment: Segment): Promise<Seal | 'absent' | 'invalid'> {
    while (!segment.gate.isOpen) await segment.gate.pass();
    if (segment.seal !== undefined) return segment.seal;
    const reading = this.#sealsRead.get(segment) ?? readSeal(context, segment);
    this.#sealsRead.set(segment, reading);
    try {
      const seal = await reading;
      if (typeof seal !== 'string' && segment.seal === undefined) {
        segment.seal = seal;
        segment.hasGaps = seal.hasGaps;
      }
      return seal;
    } finally {
      this.#sealsRead.delete(segment);
    }
  }

  /** Resolves when no index and no seal of these segments is being loaded. */
  async quiesce(segments: readonly Segment[]): Promise<void> {
    const loading = [this.#loaded, this.#sealsRead].flatMap((map) =>
      segments.map((segment) => map.get(segment)),
    );
    await Promise.allSettled(loading);
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
