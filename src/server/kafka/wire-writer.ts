/**
 * Writes the fields of one Kafka frame into memory that grows, and takes large parts by reference.
 *
 * Record batches are not copied: the frame becomes a list of pieces, and those of the batches are
 * the buffers they were read into. Whoever gives them leaves them alone until the frame was sent.
 */

import { assert } from '../../base/assert.js';
import { writeInt8, writeInt16, writeInt32, writeInt64 } from '../../base/bytes.js';

const INITIAL_BYTES = 512;
/** Larger parts are not copied. */
const COPIED_BYTES_MAX = 1_024;
const INT16_MAX = 32_767;
const LENGTH_BYTES = 4;

export class WireWriter {
  #bytes = Buffer.allocUnsafe(INITIAL_BYTES);
  /** Where in `#bytes` the part begins that is in no piece yet. */
  #start = 0;
  #position = LENGTH_BYTES;
  readonly #pieces: Uint8Array[] = [];
  #pieceBytes = 0;

  int8(value: number): void {
    const at = this.#room(1);
    writeInt8(this.#bytes, at, value);
  }

  int16(value: number): void {
    const at = this.#room(2);
    writeInt16(this.#bytes, at, value);
  }

  int32(value: number): void {
    const at = this.#room(4);
    writeInt32(this.#bytes, at, value);
  }

  int64(value: number): void {
    const at = this.#room(8);
    writeInt64(this.#bytes, at, value);
  }

  bool(value: boolean): void {
    this.int8(value ? 1 : 0);
  }

  uvarint(value: number): void {
    assert(value >= 0 && value < 2 ** 32, 'the value fits in 32 unsigned bits');
    let rest = value;
    while (rest >= 0x80) {
      this.#byte((rest % 0x80) + 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.#byte(rest);
  }

  uuid(hex: string): void {
    assert(/^[0-9a-f]{32}$/.test(hex), 'an id has 32 hexadecimal digits');
    const at = this.#room(16);
    this.#bytes.write(hex, at, 'hex');
  }

  text(value: string | null, isFlexible: boolean): void {
    const length = value === null ? -1 : Buffer.byteLength(value);
    assert(length <= INT16_MAX, 'a text is within the length that its field has');
    if (isFlexible) this.uvarint(length + 1);
    else this.int16(length);
    if (value === null) return;
    const at = this.#room(length);
    this.#bytes.write(value, at, 'utf8');
  }

  bytes(value: Uint8Array | null, isFlexible: boolean): void {
    this.#length(value === null ? -1 : value.length, isFlexible);
    if (value !== null) this.#append(value);
  }

  /** Several buffers, one behind the other, as one field. */
  pieces(values: readonly Uint8Array[] | null, isFlexible: boolean): void {
    let length = values === null ? -1 : 0;
    for (const value of values ?? []) length += value.length;
    this.#length(length, isFlexible);
    for (const value of values ?? []) this.#append(value);
  }

  count(value: number, isFlexible: boolean): void {
    this.#length(value, isFlexible);
  }

  /** A tagged field: its size is known when `write` has written it. */
  sized(write: (writer: WireWriter) => void): void {
    const inner = new WireWriter();
    write(inner);
    const pieces = inner.#finish();
    let size = -LENGTH_BYTES;
    for (const piece of pieces) size += piece.length;
    this.uvarint(size);
    pieces.forEach((piece, index) => {
      this.#append(index === 0 ? piece.subarray(LENGTH_BYTES) : piece);
    });
  }

  /** The frame with its length in front; the writer is not used any more. */
  frame(): readonly Uint8Array[] {
    const pieces = this.#finish();
    const [first] = pieces;
    assert(first !== undefined, 'a frame begins with its length');
    writeInt32(first, 0, this.#pieceBytes - LENGTH_BYTES);
    return pieces;
  }

  #finish(): readonly Uint8Array[] {
    this.#cut();
    return this.#pieces;
  }

  #length(value: number, isFlexible: boolean): void {
    if (isFlexible) this.uvarint(value + 1);
    else this.int32(value);
  }

  #append(value: Uint8Array): void {
    if (value.length <= COPIED_BYTES_MAX) {
      const at = this.#room(value.length);
      this.#bytes.set(value, at);
      return;
    }
    this.#cut();
    this.#pieces.push(value);
    this.#pieceBytes += value.length;
  }

  #byte(value: number): void {
    const at = this.#room(1);
    this.#bytes[at] = value;
  }

  /** What was written so far becomes a piece. */
  #cut(): void {
    if (this.#position === this.#start) return;
    const piece = this.#bytes.subarray(this.#start, this.#position);
    this.#pieces.push(piece);
    this.#pieceBytes += piece.length;
    this.#start = this.#position;
  }

  /** Where so many bytes go; the memory may be another one after it. */
  #room(count: number): number {
    const at = this.#position;
    if (at + count > this.#bytes.length) return this.#grow(count);
    this.#position = at + count;
    return at;
  }

  #grow(count: number): number {
    const used = this.#position - this.#start;
    const bytes = Buffer.allocUnsafe(Math.max(2 * this.#bytes.length, used + count));
    bytes.set(this.#bytes.subarray(this.#start, this.#position));
    this.#bytes = bytes;
    this.#start = 0;
    this.#position = used + count;
    return used;
  }
}
