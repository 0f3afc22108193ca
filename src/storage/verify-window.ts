/**
 * A window on a file: the part of it that lies in memory, moved along as a walk goes on.
 *
 * Asking whether bytes are there is synchronous, so a walk waits only when the window moves. Memory
 * is one chunk, or one batch when that is larger; it is used again after each move.
 */

import type { ReadableFile } from '../base/file-system.js';

const CHUNK_BYTES = 1024 * 1024;

export class FileWindow {
  readonly #file: ReadableFile;
  readonly #to: number;
  readonly #onLoad: ((position: number) => void) | undefined;
  #bytes: Buffer;
  #position = 0;
  #count = 0;

  /** Bytes from `to` on are never shown. `onLoad` is told the position of every move. */
  constructor(file: ReadableFile, to: number, onLoad?: (position: number) => void) {
    this.#file = file;
    this.#to = to;
    this.#onLoad = onLoad;
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(CHUNK_BYTES, to));
  }

  /** The memory; what `startOf` says is a place in it, until the next `load`. */
  get bytes(): Buffer {
    return this.#bytes;
  }

  /** How many bytes are in memory from `position` on. */
  available(position: number): number {
    if (position < this.#position) return 0;
    return Math.max(0, this.#position + this.#count - position);
  }

  /** Where the bytes at `position` lie in the memory; some must be available. */
  startOf(position: number): number {
    return position - this.#position;
  }

  /** Moves the window to `position`; `count` bytes are then there, if the file has them. */
  async load(position: number, count: number): Promise<void> {
    this.#onLoad?.(position);
    const left = Math.max(0, this.#to - position);
    const wanted = Math.min(left, Math.max(count, CHUNK_BYTES));
    if (wanted > this.#bytes.length) this.#bytes = Buffer.allocUnsafeSlow(wanted);
    this.#position = position;
    this.#count = 0;
    while (this.#count < wanted) {
      const done = this.#count;
      const got = await this.#file.read(this.#bytes, done, wanted - done, position + done);
      if (got === 0) break;
      this.#count += got;
    }
  }
}
