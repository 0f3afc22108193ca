/**
 * The content of a simulated file: pages that are never changed in place, so that images share them
 * and a copy costs one pointer per page.
 */

import { assert } from '../../src/base/assert.js';

export const pageBytes = 4096;
export const sectorBytes = 512;

const zeros = Buffer.alloc(pageBytes);

/** The content of a file; a missing page is a hole and reads as zeros. */
export interface Image {
  readonly pages: (Uint8Array | undefined)[];
  bytes: number;
}

/** The range of a caller's memory that a call is about; checked as Node checks it. */
export function rangeOf(
  memory: Uint8Array,
  start: number,
  count: number,
  position: number,
): Uint8Array {
  const isWithin = start >= 0 && count >= 0 && start + count <= memory.length;
  if (!isWithin) throw new RangeError('the range lies outside the memory of the caller');
  assert(position >= 0, 'a position in a file is 0 or more');
  return memory.subarray(start, start + count);
}

export function createImage(): Image {
  return { pages: [], bytes: 0 };
}

export function copyImage(image: Image): Image {
  return { pages: image.pages.slice(), bytes: image.bytes };
}

/** The bytes of one page after `source` was written into it at `start`; `page` stays as it is. */
export function overwritePage(
  page: Uint8Array | undefined,
  source: Uint8Array,
  start: number,
): Uint8Array {
  if (source.length === pageBytes) return Uint8Array.prototype.slice.call(source);
  const made = new Uint8Array(pageBytes);
  if (page !== undefined) made.set(page);
  made.set(source, start);
  return made;
}

/** Drops what lies at `bytes` or beyond; the rest of the last page becomes zeros. */
export function trimImage(image: Image, bytes: number): void {
  const pageCount = Math.ceil(bytes / pageBytes);
  if (image.pages.length > pageCount) image.pages.length = pageCount;
  const used = bytes % pageBytes;
  const last = image.pages[pageCount - 1];
  if (used === 0 || last === undefined) return;
  // Most are trimmed already: the page can be shared on.
  if (zeros.compare(last, used, pageBytes, used, pageBytes) === 0) return;
  const cut = new Uint8Array(pageBytes);
  cut.set(last.subarray(0, used));
  image.pages[pageCount - 1] = cut;
}

/** Copies up to `target.length` bytes at `position`; returns how many the file has there. */
export function readImage(image: Image, target: Uint8Array, position: number): number {
  const count = Math.max(0, Math.min(target.length, image.bytes - position));
  let done = 0;
  while (done < count) {
    const page = Math.floor((position + done) / pageBytes);
    const start = position + done - page * pageBytes;
    const part = Math.min(pageBytes - start, count - done);
    const bytes = image.pages[page];
    if (bytes === undefined) target.fill(0, done, done + part);
    else target.set(bytes.subarray(start, start + part), done);
    done += part;
  }
  return count;
}
