/**
 * MurmurHash2 as Kafka's clients use it for keys: 32 bits, little-endian, with Kafka's seed.
 */

const SEED = 0x9747_b28c;
const FACTOR = 0x5bd1_e995;

/** A signed 32-bit number, equal to what Kafka's `Utils.murmur2` gives for the first bytes. */
export function murmur2(bytes: Uint8Array, count: number = bytes.length): number {
  let hash = SEED ^ count;
  let position = 0;
  for (; position + 4 <= count; position += 4) {
    let word =
      byteAt(bytes, position) |
      (byteAt(bytes, position + 1) << 8) |
      (byteAt(bytes, position + 2) << 16) |
      (byteAt(bytes, position + 3) << 24);
    word = Math.imul(word, FACTOR);
    word = Math.imul(word ^ (word >>> 24), FACTOR);
    hash = Math.imul(hash, FACTOR) ^ word;
  }
  const left = count - position;
  if (left === 3) hash ^= byteAt(bytes, position + 2) << 16;
  if (left >= 2) hash ^= byteAt(bytes, position + 1) << 8;
  if (left >= 1) hash = Math.imul(hash ^ byteAt(bytes, position), FACTOR);
  hash = Math.imul(hash ^ (hash >>> 13), FACTOR);
  return (hash ^ (hash >>> 15)) | 0;
}

function byteAt(bytes: Uint8Array, position: number): number {
  return bytes[position] ?? 0;
}
