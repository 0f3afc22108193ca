/**
 * The memory that passes of compaction use for keys, kept from one to the next.
 *
 * Shared memory is free again only when every thread that saw it has collected its garbage, and a
 * cleaner's thread makes little: with memory of its own for each pass, a process would hold that of
 * many passes. What is spare is one piece; it goes with the threads, when nothing is cleaned.
 */

/** What is asked for is rounded up to multiples of it, so that passes of about one size share. */
const GRANULE_BYTES = 1024 * 1024;

export class SpareMemory {
  #spare: SharedArrayBuffer | undefined;

  /** Memory of `bytes` or more, within `bytesMax`, with any content; the caller's from now on. */
  take(bytes: number, bytesMax: number): SharedArrayBuffer {
    const spare = this.#spare;
    if (spare !== undefined && spare.byteLength >= bytes && spare.byteLength <= bytesMax) {
      this.#spare = undefined;
      return spare;
    }
    const rounded = Math.ceil(bytes / GRANULE_BYTES) * GRANULE_BYTES;
    return new SharedArrayBuffer(Math.max(bytes, Math.min(rounded, bytesMax)));
  }

  /** Of two pieces the larger one stays. All tasks that had it have ended: nobody writes to it. */
  give(memory: SharedArrayBuffer): void {
    if (memory.byteLength > (this.#spare?.byteLength ?? 0)) this.#spare = memory;
  }

  drop(): void {
    this.#spare = undefined;
  }
}
