/**
 * A page of the index: up to some thousand entries in order, about 6 bytes each.
 *
 *     form      1 byte: 1
 *     count     varint, at least 1
 *     entries   due      varint: milliseconds since the entry before, times four; plus two when the
 *                        id is less than that of the entry before; plus one when the message does
 *                        not lie where its id says
 *               id       varint: the distance to that of the entry before
 *               moved by varint, only then: location less id
 *
 * The first entry counts from 0. Varints are those of `delayed-number.ts`.
 */

import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import { isEntry } from './delayed-entry.js';
import { NUMBER_BYTES_MAX, NumberReader, writeNumber } from './delayed-number.js';

/** Entries of a page at most. */
export const PAGE_ENTRIES = 4_096;

const FORM = 1;
/** In the lowest bits of a due time. */
const FLAGS = 4;
const MOVED = 1;
const BACK = 2;
const ENTRY_BYTES_MAX = 3 * NUMBER_BYTES_MAX;
const HEADER_BYTES_MAX = 1 + NUMBER_BYTES_MAX;

export class PageWriter {
  readonly #entriesMax: number;
  readonly #scratch: Buffer;
  #end = 0;
  #count = 0;
  #firstDueMs = 0;
  #lastDueMs = 0;
  #lastId = 0;

  constructor(entriesMax: number) {
    assert(entriesMax >= 1 && entriesMax <= PAGE_ENTRIES, 'the entries of a page are bounded');
    this.#entriesMax = entriesMax;
    this.#scratch = Buffer.alloc(entriesMax * ENTRY_BYTES_MAX);
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count === this.#entriesMax;
  }

  /** Of the first entry. */
  get firstDueMs(): number {
    return this.#firstDueMs;
  }

  /** Adds an entry that comes behind the others. */
  add(dueMs: number, id: number, location: number): void {
    assert(!this.isFull, 'there is room in the page');
    assert(dueMs >= this.#lastDueMs, 'entries come in order');
    assert(isEntry(dueMs, id, location), 'an entry is in bounds');
    if (this.#count === 0) this.#firstDueMs = dueMs;
    const movedBy = location - id;
    const bytes = this.#scratch;
    const distance = id - this.#lastId;
    const flags = (distance < 0 ? BACK : 0) + (movedBy === 0 ? 0 : MOVED);
    this.#end = writeNumber(bytes, this.#end, (dueMs - this.#lastDueMs) * FLAGS + flags);
    this.#end = writeNumber(bytes, this.#end, Math.abs(distance));
    if (movedBy !== 0) this.#end = writeNumber(bytes, this.#end, movedBy);
    this.#count += 1;
    this.#lastDueMs = dueMs;
    this.#lastId = id;
  }

  /** The bytes of the page; the next one begins. */
  finish(): Uint8Array {
    assert(this.#count > 0, 'a page has entries');
    const header = Buffer.alloc(HEADER_BYTES_MAX);
    header[0] = FORM;
    const headerEnd = writeNumber(header, 1, this.#count);
    const page = Buffer.concat([
      header.subarray(0, headerEnd),
      this.#scratch.subarray(0, this.#end),
    ]);
    this.#end = 0;
    this.#count = 0;
    this.#lastDueMs = 0;
    this.#lastId = 0;
    return page;
  }
}

/** Steps through a page. Whatever the bytes are, it ends, or throws LOG_CORRUPT. */
export class PageReader {
  readonly #numbers: NumberReader;
  #left = 0;
  dueMs = 0;
  id = 0;
  location = 0;

  /** Throws FORMAT_UNSUPPORTED, LOG_CORRUPT. */
  constructor(bytes: Uint8Array) {
    this.#numbers = new NumberReader(bytes, 1);
    const form = bytes[0] ?? 0;
    if (form > FORM) throw createError('FORMAT_UNSUPPORTED', { expected: FORM, actual: form });
    if (form !== FORM) throw corrupt();
    this.#left = this.#number();
    if (this.#left < 1 || this.#left > PAGE_ENTRIES) throw corrupt();
  }

  /** Steps to the next entry; false behind the last one. */
  next(): boolean {
    if (this.#left === 0) {
      if (!this.#numbers.isAtEnd) throw corrupt();
      return false;
    }
    this.#left -= 1;
    const due = this.#number();
    const flags = due % FLAGS;
    this.dueMs += (due - flags) / FLAGS;
    const distance = this.#number();
    this.id += (flags & BACK) === 0 ? distance : -distance;
    this.location = (flags & MOVED) === 0 ? this.id : this.id + this.#number();
    if (!isEntry(this.dueMs, this.id, this.location)) throw corrupt();
    return true;
  }

  #number(): number {
    const number = this.#numbers.next();
    if (number < 0) throw corrupt();
    return number;
  }
}

function corrupt(): Error {
  return createError('LOG_CORRUPT', { expected: 'a page of the index of delayed messages' });
}
