/**
 * Records that were read ahead of who takes them, batch by batch, found by their offsets.
 *
 * Mostly they are taken in their order, so the batch that was used last is tried first. A batch
 * whose last record was taken is let go.
 */

import type { LogRecord } from '../../storage/main.js';

interface Piece {
  readonly first: number;
  readonly last: number;
  /** By their order; one that was taken is undefined. */
  readonly records: (LogRecord | undefined)[];
  /** Only where offsets are missing. */
  readonly offsets: readonly number[] | undefined;
  readonly bytes: number;
  left: number;
}

export class RecordBuffer {
  /** By rising offsets, and apart. */
  #pieces: Piece[] = [];
  #last = 0;
  #bytes = 0;
  #count = 0;

  /** What the batches take that are in it. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** Adds records of one batch, in their order. */
  add(records: LogRecord[], bytes: number): void {
    const first = records[0]?.offset;
    const last = records.at(-1)?.offset;
    if (first === undefined || last === undefined) return;
    const isDense = last - first + 1 === records.length;
    const offsets = isDense ? undefined : records.map(({ offset }) => offset);
    const piece = { first, last, records, offsets, bytes, left: records.length };
    const at = this.#indexOf(first);
    if (at === this.#pieces.length) this.#pieces.push(piece);
    else this.#pieces.splice(at, 0, piece);
    this.#bytes += bytes;
    this.#count += records.length;
  }

  /** Takes a record out; undefined when it is not there. */
  take(offset: number): LogRecord | undefined {
    let at = this.#last;
    let piece = this.#pieces[at];
    if (piece === undefined || offset < piece.first || offset > piece.last) {
      at = this.#indexOf(offset);
      piece = this.#pieces[at];
      if (piece === undefined || offset < piece.first) return undefined;
      this.#last = at;
    }
    const index =
      piece.offsets === undefined ? offset - piece.first : search(piece.offsets, offset);
    const record = piece.records[index];
    if (record === undefined) return undefined;
    piece.records[index] = undefined;
    piece.left -= 1;
    this.#count -= 1;
    if (piece.left === 0) this.#drop(at);
    return record;
  }

  /** Puts a record back that was taken, as far as its batch is still there. */
  giveBack(record: LogRecord): void {
    const at = this.#indexOf(record.offset);
    const piece = this.#pieces[at];
    if (piece === undefined || record.offset < piece.first) {
      this.add([record], record.contentBytes);
      return;
    }
    const { offset } = record;
    const index =
      piece.offsets === undefined ? offset - piece.first : search(piece.offsets, offset);
    if (index < 0 || piece.records[index] !== undefined) return;
    piece.records[index] = record;
    piece.left += 1;
    this.#count += 1;
  }

  /** Lets the oldest batches go until the rest takes `bytes` at most. */
  shrinkTo(bytes: number): void {
    while (this.#bytes > bytes) this.#drop(0);
  }

  dropBelow(offset: number): void {
    while ((this.#pieces[0]?.last ?? offset) < offset) this.#drop(0);
  }

  clear(): void {
    this.#pieces = [];
    this.#last = 0;
    this.#bytes = 0;
    this.#count = 0;
  }

  #drop(at: number): void {
    const [piece] = at === 0 ? [this.#pieces.shift()] : this.#pieces.splice(at, 1);
    this.#bytes -= piece?.bytes ?? 0;
    this.#count -= piece?.left ?? 0;
    this.#last = Math.max(0, at - 1);
  }

  /** The first piece whose end is not before the offset. */
  #indexOf(offset: number): number {
    const pieces = this.#pieces;
    let low = 0;
    let high = pieces.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((pieces[middle] as Piece).last < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Where the offset is in the list; -1 when it is not. */
function search(offsets: readonly number[], offset: number): number {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((offsets[middle] as number) < offset) low = middle + 1;
    else high = middle;
  }
  return offsets[low] === offset ? low : -1;
}
