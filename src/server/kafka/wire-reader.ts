/**
 * Reads the fields of one Kafka frame, which comes from a stranger.
 *
 * Every length is compared with what is left of the frame before anything is made of it, and all
 * lists of a frame together have a bounded number of entries, so a frame costs memory in proportion
 * to its own size. Bytes and records are views on the frame; texts are copies.
 *
 * Integers are big-endian. In flexible versions (KIP-482) lengths are unsigned varints, one more
 * than the length, and 0 is null; in older ones they are signed, and -1 is null.
 */

import { readInt8, readInt16, readInt32, readInt64 } from '../../base/bytes.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';

const UVARINT_BYTES_MAX = 5;
const UUID_BYTES = 16;

export class WireReader {
  readonly #bytes: Buffer;
  #position = 0;
  #entriesLeft = limits.kafkaFrameEntriesMax;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get position(): number {
    return this.#position;
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  int8(): number {
    return readInt8(this.#bytes, this.#take(1));
  }

  int16(): number {
    return readInt16(this.#bytes, this.#take(2));
  }

  int32(): number {
    return readInt32(this.#bytes, this.#take(4));
  }

  /** FRAME_INVALID beyond 2^53: no field of ours can mean that. */
  int64(): number {
    const position = this.#take(8);
    const value = readInt64(this.#bytes, position);
    if (Number.isNaN(value)) throw this.invalid('an integer within 2^53', position);
    return value;
  }

  bool(): boolean {
    return this.int8() !== 0;
  }

  /** Unsigned, of 32 bits at most. */
  uvarint(): number {
    const start = this.#position;
    let value = 0;
    for (let index = 0; index < UVARINT_BYTES_MAX; index += 1) {
      const byte = this.#bytes[this.#take(1)] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * index);
      if (byte >= 0x80) continue;
      if (value < 2 ** 32) return value;
      break;
    }
    throw this.invalid('an unsigned varint of 32 bits', start);
  }

  /** 32 hexadecimal digits, as topics have them. */
  uuid(): string {
    const start = this.#take(UUID_BYTES);
    return this.#bytes.toString('hex', start, start + UUID_BYTES);
  }

  /** A view on the frame; null when the field says so. */
  bytes(isFlexible: boolean): Buffer | null {
    const length = isFlexible ? this.uvarint() - 1 : this.int32();
    if (length === -1) return null;
    return this.#view(length);
  }

  text(isFlexible: boolean): string | null {
    const length = isFlexible ? this.uvarint() - 1 : this.int16();
    if (length === -1) return null;
    const start = this.#take(this.#checkLength(length));
    return this.#bytes.toString('utf8', start, start + length);
  }

  /** How many entries follow, each of `entryBytesMin` at least; null when there is no list. */
  count(isFlexible: boolean, entryBytesMin: number): number | null {
    const start = this.#position;
    const count = isFlexible ? this.uvarint() - 1 : this.int32();
    if (count === -1) return null;
    if (count < 0 || count * entryBytesMin > this.remaining) {
      throw this.invalid(`a list within the ${this.remaining} bytes left`, start, count);
    }
    if (count > this.#entriesLeft) {
      throw this.invalid(`at most ${limits.kafkaFrameEntriesMax} entries`, start, count);
    }
    this.#entriesLeft -= count;
    return count;
  }

  /** Passes over bytes; used for tagged fields that nobody knows. */
  skip(count: number): void {
    this.#take(this.#checkLength(count));
  }

  /** The error for what is no such field, at `position` or here. */
  invalid(expected: string, position = this.#position, actual?: number): Error {
    return createError('FRAME_INVALID', { position, expected, actual });
  }

  #view(length: number): Buffer {
    const start = this.#take(this.#checkLength(length));
    return this.#bytes.subarray(start, start + length);
  }

  #checkLength(length: number): number {
    if (length >= 0 && length <= this.remaining) return length;
    throw this.invalid(`a length within the ${this.remaining} bytes left`, this.#position, length);
  }

  #take(count: number): number {
    const start = this.#position;
    if (count > this.#bytes.length - start) throw this.invalid(`${count} more bytes`, start);
    this.#position = start + count;
    return start;
  }
}
