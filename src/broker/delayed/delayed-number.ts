/**
 * Whole numbers from 0 to 2^53 - 1 as bytes: seven bits a byte, lowest first, the top bit says that
 * more follow.
 */

/** The most bytes that a number takes. */
export const NUMBER_BYTES_MAX = 8;

const TWO_TO_28 = 2 ** 28;

/** Writes a number and returns the position behind it. */
export function writeNumber(bytes: Uint8Array, start: number, value: number): number {
  let position = start;
  let rest = value;
  while (rest >= TWO_TO_28) {
    bytes[position] = (rest % 0x80) | 0x80;
    position += 1;
    rest = Math.floor(rest / 0x80);
  }
  while (rest >= 0x80) {
    bytes[position] = (rest & 0x7f) | 0x80;
    position += 1;
    rest >>>= 7;
  }
  bytes[position] = rest;
  return position + 1;
}

/** Reads numbers one after the other; what is none, or too large, is -1 from there on. */
export class NumberReader {
  readonly #bytes: Uint8Array;
  #position: number;

  constructor(bytes: Uint8Array, position: number) {
    this.#bytes = bytes;
    this.#position = position;
  }

  get isAtEnd(): boolean {
    return this.#position === this.#bytes.length;
  }

  next(): number {
    const bytes = this.#bytes;
    let value = 0;
    let factor = 1;
    for (let count = 0; count < NUMBER_BYTES_MAX; count += 1) {
      const byte = bytes[this.#position];
      if (byte === undefined) break;
      this.#position += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : this.#malformed();
      factor *= 0x80;
    }
    return this.#malformed();
  }

  #malformed(): number {
    this.#position = this.#bytes.length + 1;
    return -1;
  }
}
