/**
 * Frames on the holder's socket, put together from the pieces in which they arrive.
 *
 *     [ length: u32 big-endian ][ body: `length` bytes ]
 *
 * The length is checked before any memory is given to it, and memory then grows with the bytes that
 * really came (at most twice their number), not with the length that was promised. A body that is
 * handed out owns its memory: nothing is written to it afterwards.
 */

import { assert } from '../base/assert.js';
import { readUint32, writeUint32 } from '../base/bytes.js';
import { limits } from '../base/limits.js';

export const FRAME_HEADER_BYTES = 4;
const FIRST_BYTES = 4_096;

export class FrameAssembler {
  #bytes = new Uint8Array(FIRST_BYTES);
  #count = 0;

  /** Bytes kept for frames that are not taken yet. */
  get pendingBytes(): number {
    return this.#count;
  }

  /** Memory in use, in bytes. */
  get memoryBytes(): number {
    return this.#bytes.length;
  }

  push(piece: Uint8Array): void {
    this.#reserve(this.#count + piece.length);
    this.#bytes.set(piece, this.#count);
    this.#count += piece.length;
  }

  /** The next body; `more` when it is not complete, `too-large` (for good) when it is too long. */
  take(): Uint8Array | 'more' | 'too-large' {
    if (this.#count < FRAME_HEADER_BYTES) return 'more';
    const length = readUint32(this.#bytes, 0);
    if (length > limits.holderFrameBytesMax) return 'too-large';
    const end = FRAME_HEADER_BYTES + length;
    if (this.#count < end) return 'more';
    const body = this.#bytes.subarray(FRAME_HEADER_BYTES, end);
    const rest = this.#bytes.subarray(end, this.#count);
    this.#bytes = new Uint8Array(Math.max(FIRST_BYTES, rest.length));
    this.#bytes.set(rest);
    this.#count = rest.length;
    return body;
  }

  #reserve(count: number): void {
    if (count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(count, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#count));
    this.#bytes = grown;
  }
}

/** The frame of a body, in memory of its own. */
export function makeFrame(body: Uint8Array): Uint8Array {
  assert(body.length <= limits.holderFrameBytesMax, 'a frame keeps the limit');
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.length);
  writeUint32(frame, 0, body.length);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}
