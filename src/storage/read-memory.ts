/**
 * Memory of chunks that were read and let go, for the next ones of any reader.
 *
 * Readers that have come to the end hold nothing of it, however many there are. New memory for each
 * chunk would cost more than the read: the pages are cleared by the kernel, and garbage outside of
 * the heap makes V8 look through all of the heap.
 */

const SPARE_BYTES_MIN = 8 * 1024;
/** All spares together. */
const SPARE_BYTES_MAX = 32 * 1024 * 1024;
/** Memory so many times larger than what is wanted is left for others. */
const WASTE_MAX = 4;

/** The one that came back last is at the end. */
const spares: Buffer[] = [];
let spareBytes = 0;

/** Memory of at least `bytes`, with anything in it. */
export function takeReadMemory(bytes: number): Buffer {
  for (let index = spares.length - 1; index >= 0; index -= 1) {
    const spare = spares[index];
    if (spare === undefined || spare.length < bytes || spare.length > bytes * WASTE_MAX) continue;
    spares.splice(index, 1);
    spareBytes -= spare.length;
    return spare;
  }
  return Buffer.allocUnsafeSlow(bytes);
}

/** Nobody has a view of it any more. */
export function giveReadMemory(memory: Buffer): void {
  const { length } = memory;
  if (length < SPARE_BYTES_MIN || length > SPARE_BYTES_MAX) return;
  while (spareBytes + length > SPARE_BYTES_MAX) spareBytes -= spares.shift()?.length ?? 0;
  spares.push(memory);
  spareBytes += length;
}
