/**
 * How the bytes of a chunk come into memory: from what was just written, from the file, or because
 * they were read ahead while the chunk before was worked on.
 *
 * A fetch that was begun is never waited for in vain: dropping it leaves it to itself.
 */

import { errnoOf } from '../base/errors.js';
import { fromSystem } from './log-folder.js';
import { takeReadMemory } from './read-memory.js';
import type { ReadSource } from './read-source.js';
import type { Segment } from './segment.js';

/** `bytes[0, count)` are those of the segment from `position` on. */
export interface Fetched {
  readonly position: number;
  readonly bytes: Buffer;
  readonly count: number;
}

export class ReadFetch {
  readonly #source: ReadSource;
  readonly #gone: () => Error;
  #ahead: Promise<Fetched> | undefined;

  /** `gone` makes the error of a file that is not there any more. */
  constructor(source: ReadSource, gone: () => Error) {
    this.#source = source;
    this.#gone = gone;
  }

  /**
   * The bytes `[position, end)`, or fewer when the file has no more; at least `bytesMin` when they
   * come from what was just written. Rejects with errors that name the file.
   */
  async fetch(segment: Segment, position: number, end: number, bytesMin: number): Promise<Fetched> {
    const recent = this.#source.copyRecent(segment, position, end - position);
    if (recent !== undefined && recent.count >= bytesMin) return { position, ...recent };
    return await this.#read(segment, position, end);
  }

  /** Begins to read; `take` gets it. */
  begin(segment: Segment, position: number, end: number): void {
    const ahead = this.#read(segment, position, end);
    // An error is met by whoever takes it; when nobody does, it is of no interest.
    ahead.catch(() => undefined);
    this.#ahead = ahead;
  }

  /** What was read ahead, if it begins at `position` and has at least `bytesMin` bytes. */
  async take(position: number, bytesMin: number): Promise<Fetched | undefined> {
    const ahead = this.#ahead;
    if (ahead === undefined) return undefined;
    this.#ahead = undefined;
    const fetched = await ahead;
    return fetched.position === position && fetched.count >= bytesMin ? fetched : undefined;
  }

  /** What was read ahead is not wanted. */
  drop(): void {
    this.#ahead = undefined;
  }

  /** Resolves when nothing is read any more. */
  async close(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    await ahead?.catch(() => undefined);
  }

  async #read(segment: Segment, position: number, end: number): Promise<Fetched> {
    const wanted = end - position;
    const bytes = takeReadMemory(wanted);
    const { files } = this.#source;
    try {
      const file = await files.acquire(segment);
      try {
        let count = 0;
        while (count < wanted) {
          const got = await file.read(bytes, count, wanted - count, position + count);
          if (got === 0) break;
          count += got;
        }
        return { position, bytes, count };
      } finally {
        files.release(segment);
      }
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') throw this.#gone();
      throw fromSystem(error, segment.logPath);
    }
  }
}
