/**
 * MurmurHash2 as Kafka's clients use it for keys: 32 bits, little-endian, with Kafka's seed.
 */

const SEED = 0x9747_b28c;
const FACTOR = 0x5bd1_e995;
const ASCII_MAX = 0x7f;

/**
 * The same of text without characters beyond ASCII, whose bytes need not be written anywhere;
 * undefined when there is such a character. For short text: 1 to 2 ns a character.
 */
export function murmur2Ascii(text: string): number | undefined {
  const count = text.length;
  let hash = SEED ^ count;
  /** All characters so far, joined by bits. */
  let seen = 0;
  let position = 0;
  for (; position + 4 <= count; position += 4) {
    const first = text.charCodeAt(position);
    const second = text.charCodeAt(position + 1);
    const third = text.charCodeAt(position + 2);
    const fourth = text.charCodeAt(position + 3);
    seen |= first | second | third | fourth;
    hash = mixed(hash, first | (second << 8) | (third << 16) | (fourth << 24));
  }
  const left = count - position;
  let tail = 0;
  for (let index = left - 1; index >= 0; index -= 1) {
    const character = text.charCodeAt(position + index);
    seen |= character;
    tail = (tail << 8) | character;
  }
  if (seen > ASCII_MAX) return undefined;
  return ended(left === 0 ? hash : Math.imul(hash ^ tail, FACTOR));
}

/** A signed 32-bit number, equal to what Kafka's `Utils.murmur2` gives for the first bytes. */
export function murmur2(bytes: Uint8Array, count: number = bytes.length): number {
  let hash = SEED ^ count;
  let position = 0;
  for (; position + 4 <= count; position += 4) {
    hash = mixed(
      hash,
      byteAt(bytes, position) |
        (byteAt(bytes, position + 1) << 8) |
        (byteAt(bytes, position + 2) << 16) |
        (byteAt(bytes, position + 3) << 24),
    );
  }
  const left = count - position;
  if (left === 3) hash ^= byteAt(bytes, position + 2) << 16;
  if (left >= 2) hash ^= byteAt(bytes, position + 1) << 8;
  if (left >= 1) hash = Math.imul(hash ^ byteAt(bytes, position), FACTOR);
  return ended(hash);
}

function mixed(hash: number, given: number): number {
  let word = Math.imul(given, FACTOR);
  word = Math.imul(word ^ (word >>> 24), FACTOR);
  return Math.imul(hash, FACTOR) ^ word;
}

function ended(given: number): number {
  const hash = Math.imul(given ^ (given >>> 13), FACTOR);
  return (hash ^ (hash >>> 15)) | 0;
}

function byteAt(bytes: Uint8Array, position: number): number {
  return bytes[position] ?? 0;
}
