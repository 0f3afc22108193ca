/**
 * Whether bytes are whole zstd frames, as RFC 8878 lays them out: header, blocks, checksum.
 *
 * Node's library hands out what it has when a frame ends early, without an error, on some versions.
 * This walk looks at the lengths alone and reads no content; inflating is the library's.
 *
 *     magic 4 | descriptor 1 | window 0-1 | dictionary 0-4 | content size 0-8 |
 *     blocks: { last 1 bit, type 2 bits, size 21 bits, content } | checksum 0-4
 */

const MAGIC = 0xfd2fb528;
const MAGIC_BYTES = 4;
const BLOCK_HEADER_BYTES = 3;
const CHECKSUM_BYTES = 4;
/** A block of this type is one byte, repeated as often as its size says. */
const BLOCK_REPEATED = 1;
const BLOCK_RESERVED = 3;

const dictionaryBytes = [0, 1, 2, 4] as const;
const contentSizeBytes = [0, 2, 4, 8] as const;

/** Whether `bytes` are one or more whole frames and nothing else. */
export function areWholeZstdFrames(bytes: Uint8Array): boolean {
  let position = 0;
  do {
    const end = frameEnd(bytes, position);
    if (end === 'broken') return false;
    position = end;
  } while (position < bytes.length);
  return true;
}

function frameEnd(bytes: Uint8Array, start: number): number | 'broken' {
  const descriptor = at(bytes, start + MAGIC_BYTES);
  if (descriptor === undefined || magicAt(bytes, start) !== MAGIC) return 'broken';
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  const sizeFlag = descriptor >> 6;
  // A single segment always says its size: flag 0 then means one byte.
  const sizeBytes = sizeFlag === 0 && isSingleSegment ? 1 : (contentSizeBytes[sizeFlag] ?? 0);
  let position = start + MAGIC_BYTES + 1 + (isSingleSegment ? 0 : 1);
  position += (dictionaryBytes[descriptor & 0x03] ?? 0) + sizeBytes;
  for (let isLast = false; !isLast; ) {
    const low = at(bytes, position);
    const middle = at(bytes, position + 1);
    const high = at(bytes, position + 2);
    if (low === undefined || middle === undefined || high === undefined) return 'broken';
    const header = low | (middle << 8) | (high << 16);
    const type = (header >> 1) & 0x03;
    if (type === BLOCK_RESERVED) return 'broken';
    isLast = (header & 1) !== 0;
    position += BLOCK_HEADER_BYTES + (type === BLOCK_REPEATED ? 1 : header >> 3);
  }
  const end = position + (hasChecksum ? CHECKSUM_BYTES : 0);
  return end <= bytes.length ? end : 'broken';
}

function magicAt(bytes: Uint8Array, start: number): number {
  let magic = 0;
  for (let index = MAGIC_BYTES - 1; index >= 0; index--) {
    magic = magic * 256 + (at(bytes, start + index) ?? 0);
  }
  return magic;
}

function at(bytes: Uint8Array, index: number): number | undefined {
  return bytes[index];
}
