/**
 * From the bytes of a connection to frames: a length of four bytes, and as many bytes behind it.
 *
 * Memory grows with what has arrived, never with what a length claims. A frame that came in one
 * piece is a view on it; one that came in several is put together once, when it is whole.
 */

import { createError } from '../../base/errors.js';

const LENGTH_BYTES = 4;

export class FrameSplitter {
  #frameBytesMax: number;
  #pieces: Buffer[] = [];
  #bytes = 0;

  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** What has arrived and is no whole frame yet. */
  get bufferedBytes(): number {
    return this.#bytes;
  }

  /** From now on frames may be so large. */
  limit(frameBytesMax: number): void {
    this.#frameBytesMax = frameBytesMax;
  }

  /** Takes what has arrived; it is not changed any more. */
  push(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#pieces.push(piece);
    this.#bytes += piece.length;
  }

  /** The next whole frame, without its length. Throws FRAME_INVALID for a length beyond bounds. */
  next(): Buffer | undefined {
    if (this.#bytes < LENGTH_BYTES) return undefined;
    const length = this.#peekLength();
    if (length < 0 || length > this.#frameBytesMax) {
      const expected = `a frame of at most ${this.#frameBytesMax} bytes`;
      throw createError('FRAME_INVALID', { expected, actual: length });
    }
    if (this.#bytes < LENGTH_BYTES + length) return undefined;
    return this.#take(LENGTH_BYTES + length).subarray(LENGTH_BYTES);
  }

  #peekLength(): number {
    const [first] = this.#pieces;
    if (first !== undefined && first.length >= LENGTH_BYTES) return first.readInt32BE(0);
    this.#join();
    return this.#pieces[0]?.readInt32BE(0) ?? 0;
  }

  #take(count: number): Buffer {
    const [first] = this.#pieces;
    if (first === undefined || first.length < count) this.#join();
    const whole = this.#pieces[0] ?? Buffer.alloc(0);
    const rest = whole.subarray(count);
    if (rest.length === 0) this.#pieces.shift();
    else this.#pieces[0] = rest;
    this.#bytes -= count;
    return whole.subarray(0, count);
  }

  #join(): void {
    this.#pieces = [Buffer.concat(this.#pieces, this.#bytes)];
  }
}
