/**
 * The map of compaction: the largest offset seen for each key, in one fixed piece of shared memory.
 *
 *     head | table: { hash 4, entry 4 } ...  ->  free  <-  entries: { offset 8, length 4, key }
 *
 * The table grows up from the head and entries are stacked down from the end, so short and long
 * keys alike use all of the memory. The table doubles in place while there is room; the map is full
 * when an entry no longer fits, and stays readable. Keys are stored and compared, so two of them
 * are never taken for each other. Slots are probed one after the other; nothing is ever removed.
 *
 * All state lies in the memory: a map that one thread has filled is read by another that attaches
 * to it, after the tasks between them were handed over by messages. It is not for use at once.
 *
 * A lookup waits twice for memory, for the slot and for the entry, and that is most of what it
 * costs. So keys are looked up in blocks: {@link KeyOffsetMap.look} touches what all of them need,
 * one load after the other without waiting, and `putAt` and `getAt` then find it near. Of a million
 * keys of 16 bytes in random order, a known one then costs 100 instead of 200 ns of processor time
 * (Node 20).
 *
 * Nothing is allocated per call. The hash is seeded at random for each pass, so that keys cannot be
 * prepared to meet in one slot.
 */

import { assert } from '../base/assert.js';
import { limits } from '../base/limits.js';

/** The head, in words of 32 bits. */
const HEAD_MAGIC = 0;
const HEAD_SEED = 1;
const HEAD_SLOTS = 2;
const HEAD_COUNT = 3;
/** The word where the entry that was added last begins. */
const HEAD_TOP = 4;
const HEAD_WORDS = 8;

const MAGIC = 0x4d52_4b4f; // "MRKO"
const SLOT_WORDS = 2;
const SLOTS_INITIAL = 64;
/** Of an entry: two words of offset, one of key length. */
const ENTRY_WORDS = 3;
const WORD_BYTES = 4;
/** How far into an entry a key of ordinary size reaches. */
const ENTRY_LINE_WORDS = ENTRY_WORDS + 3;
const TWO_TO_32 = 2 ** 32;

/** While the table can double it does so at three quarters; after that it fills up to 7 in 8. */
const DOUBLING_LOAD = 0.75;
const FULL_LOAD = 0.875;

const NO_BYTES = new Uint8Array(0);

/** The most keys that are looked up together. */
export const LOOKUP_KEYS_MAX = 256;

export class KeyOffsetMap {
  readonly #words: Int32Array;
  readonly #wordsEnd: number;
  readonly #seed: number;
  /** Odd, so that multiplying loses nothing. */
  readonly #multiplier: number;
  #slots = 0;
  #count = 0;
  #top = 0;
  /** How many keys the table takes as it is. */
  #countMax = 0;
  /** The last source of keys, viewed for reads of whole words. */
  #source: Uint8Array = NO_BYTES;
  /** The block that {@link look} took: where its keys lie, and their hashes. */
  readonly #starts = new Int32Array(LOOKUP_KEYS_MAX);
  readonly #ends = new Int32Array(LOOKUP_KEYS_MAX);
  readonly #hashes = new Int32Array(LOOKUP_KEYS_MAX);
  readonly #entries = new Int32Array(LOOKUP_KEYS_MAX);
  #superseded = -1;
  /** Of everything that was touched, so that touching it is not optimised away. */
  #touched = 0;
  #view: DataView = new DataView(NO_BYTES.buffer);

  /**
   * Attaches to the map that `buffer` holds, which was made with the same seed (32 bits), or makes
   * an empty one of a buffer of zeros, or one that was forgotten. The buffer has at least
   * {@link KeyOffsetMap.bytesMin} bytes.
   */
  constructor(buffer: SharedArrayBuffer, hashSeed: number) {
    assert(buffer.byteLength >= KeyOffsetMap.bytesMin(0), 'the memory holds a map');
    assert(buffer.byteLength < 2 ** 31, 'positions in the memory are 31-bit numbers');
    this.#words = new Int32Array(buffer, 0, Math.floor(buffer.byteLength / WORD_BYTES));
    this.#wordsEnd = this.#words.length;
    this.#seed = hashSeed | 0;
    this.#multiplier = Math.imul(this.#seed ^ 0x9e37_79b1, 0x85eb_ca6b) | 1;
    if (this.#words[HEAD_MAGIC] === 0) {
      this.clear();
      return;
    }
    assert(this.#words[HEAD_MAGIC] === MAGIC, 'the memory holds a map or zeros');
    assert(this.#words[HEAD_SEED] === this.#seed, 'the map was made with the same seed');
    this.#slots = this.#words[HEAD_SLOTS] as number;
    this.#count = this.#words[HEAD_COUNT] as number;
    this.#top = this.#words[HEAD_TOP] as number;
    this.#setCountMax();
  }

  /** The memory in which a key of `keyBytes` bytes fits beside no other. */
  static bytesMin(keyBytes: number): number {
    const tableWords = HEAD_WORDS + SLOTS_INITIAL * SLOT_WORDS;
    return (tableWords + entryWords(keyBytes)) * WORD_BYTES;
  }

  /** Makes memory with any content that of an empty map. */
  static forget(buffer: SharedArrayBuffer): void {
    new Int32Array(buffer, 0, HEAD_WORDS).fill(0);
  }

  /** Different keys in the map. */
  get count(): number {
    return this.#count;
  }

  /** Of the two offsets that the last put met, the smaller one; -1 when its key was new. */
  get superseded(): number {
    return this.#superseded;
  }

  /** Forgets all keys. */
  clear(): void {
    this.#slots = SLOTS_INITIAL;
    this.#count = 0;
    this.#top = this.#wordsEnd;
    this.#words.fill(0, HEAD_WORDS, this.#tableEnd);
    this.#words[HEAD_MAGIC] = MAGIC;
    this.#words[HEAD_SEED] = this.#seed;
    this.#words[HEAD_SLOTS] = this.#slots;
    this.#words[HEAD_COUNT] = 0;
    this.#words[HEAD_TOP] = this.#top;
    this.#setCountMax();
  }

  /**
   * Takes a block of at most {@link LOOKUP_KEYS_MAX} keys `bytes[starts[n], ends[n])`, which
   * `putAt` and `getAt` then call by their numbers. A negative end means that there is no key.
   */
  look(bytes: Uint8Array, starts: Int32Array, ends: Int32Array, count: number): void {
    assert(count <= LOOKUP_KEYS_MAX, 'the block is not too large');
    if (bytes !== this.#source) this.#view = this.#viewOf(bytes);
    const words = this.#words;
    const hashes = this.#hashes;
    const entries = this.#entries;
    for (let key = 0; key < count; key += 1) {
      const start = starts[key] as number;
      const end = ends[key] as number;
      this.#starts[key] = start;
      this.#ends[key] = end;
      if (end < 0) continue;
      assert(start >= 0 && start <= end && end <= bytes.length, 'the key lies within the bytes');
      hashes[key] = this.#hash(start, end);
    }
    const mask = this.#slots - 1;
    for (let key = 0; key < count; key += 1) {
      const slot = (hashes[key] as number) & mask;
      entries[key] = words[HEAD_WORDS + slot * SLOT_WORDS + 1] as number;
    }
    let touched = 0;
    const last = this.#wordsEnd - 1;
    for (let key = 0; key < count; key += 1) {
      const entry = entries[key] as number;
      // An entry may begin in one line of the cache and end in the next.
      const entryEnd = entry + ENTRY_LINE_WORDS;
      touched ^= (words[entry] as number) ^ (words[entryEnd > last ? last : entryEnd] as number);
    }
    this.#touched ^= touched;
  }

  /**
   * Notes that the key of the block was seen at `offset`; the largest one stays. Answers false when
   * the key is new and does not fit any more: the map is as it was, and full.
   */
  putAt(key: number, offset: number): boolean {
    assert(offset >= 0 && offset <= limits.offsetMax, 'the offset is an offset');
    const start = this.#starts[key] as number;
    const end = this.#ends[key] as number;
    assert(end >= start, 'the key is there');
    return this.#put(this.#hashes[key] as number, start, end, offset);
  }

  /** The largest offset seen for the key of the block, or -1. */
  getAt(key: number): number {
    const start = this.#starts[key] as number;
    const end = this.#ends[key] as number;
    assert(end >= start, 'the key is there');
    const words = this.#words;
    const entry = words[this.#find(this.#hashes[key] as number, start, end) + 1] as number;
    if (entry === 0) return -1;
    return (words[entry + 1] as number) * TWO_TO_32 + ((words[entry] as number) >>> 0);
  }

  #put(hash: number, start: number, end: number, offset: number): boolean {
    let slot = this.#find(hash, start, end);
    const words = this.#words;
    let entry = words[slot + 1] as number;
    if (entry !== 0) {
      const known = (words[entry + 1] as number) * TWO_TO_32 + ((words[entry] as number) >>> 0);
      this.#superseded = offset > known ? known : offset;
      if (offset > known) writeOffset(words, entry, offset);
      return true;
    }
    this.#superseded = -1;
    if (this.#count >= this.#countMax) {
      if (!this.#makeRoom()) return false;
      slot = this.#find(hash, start, end);
    }
    entry = this.#top - entryWords(end - start);
    if (entry < this.#tableEnd) return false;
    writeOffset(words, entry, offset);
    words[entry + 2] = end - start;
    this.#storeKey(entry + ENTRY_WORDS, start, end);
    words[slot] = hash;
    words[slot + 1] = entry;
    this.#count += 1;
    this.#top = entry;
    words[HEAD_COUNT] = this.#count;
    words[HEAD_TOP] = entry;
    return true;
  }

  get #tableEnd(): number {
    return HEAD_WORDS + this.#slots * SLOT_WORDS;
  }

  /** Keys mostly come from one chunk after the other, so a view is made once for many. */
  #viewOf(bytes: Uint8Array): DataView {
    this.#source = bytes;
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The word of the slot that has the key, or of the empty one where it belongs. */
  #find(hash: number, start: number, end: number): number {
    const words = this.#words;
    const mask = this.#slots - 1;
    let slot = hash & mask;
    for (;;) {
      const at = HEAD_WORDS + slot * SLOT_WORDS;
      const entry = words[at + 1] as number;
      if (entry === 0) return at;
      if (words[at] === hash && this.#isKey(entry, start, end)) return at;
      slot = (slot + 1) & mask;
    }
  }

  #isKey(entry: number, start: number, end: number): boolean {
    const words = this.#words;
    if (words[entry + 2] !== end - start) return false;
    const view = this.#view;
    let at = entry + ENTRY_WORDS;
    let position = start;
    for (; position + WORD_BYTES <= end; position += WORD_BYTES) {
      if (words[at] !== view.getInt32(position, true)) return false;
      at += 1;
    }
    return position === end || words[at] === lastWord(view, position, end);
  }

  #storeKey(at: number, start: number, end: number): void {
    const words = this.#words;
    const view = this.#view;
    let position = start;
    for (; position + WORD_BYTES <= end; position += WORD_BYTES) {
      words[at] = view.getInt32(position, true);
      at += 1;
    }
    if (position < end) words[at] = lastWord(view, position, end);
  }

  /** Each word is mixed in by a multiplication that depends on the seed, and spread downwards. */
  #hash(start: number, end: number): number {
    const view = this.#view;
    const multiplier = this.#multiplier;
    let hash = this.#seed ^ (end - start);
    let position = start;
    for (; position + WORD_BYTES <= end; position += WORD_BYTES) {
      hash = Math.imul(hash ^ view.getInt32(position, true), multiplier);
      hash ^= hash >>> 15;
    }
    if (position < end) {
      hash = Math.imul(hash ^ lastWord(view, position, end), multiplier);
      hash ^= hash >>> 15;
    }
    return finishHash(hash);
  }

  /** The same for a key that is stored. */
  #hashEntry(entry: number): number {
    const words = this.#words;
    const multiplier = this.#multiplier;
    const keyBytes = words[entry + 2] as number;
    const end = entry + entryWords(keyBytes);
    let hash = this.#seed ^ keyBytes;
    for (let at = entry + ENTRY_WORDS; at < end; at += 1) {
      hash = Math.imul(hash ^ (words[at] as number), multiplier);
      hash ^= hash >>> 15;
    }
    return finishHash(hash);
  }

  /** Doubles the table when that leaves room for entries; false when it cannot take one more. */
  #makeRoom(): boolean {
    const slots = this.#slots * 2;
    const tableEnd = HEAD_WORDS + slots * SLOT_WORDS;
    if (tableEnd > this.#top) {
      this.#countMax = Math.floor(this.#slots * FULL_LOAD);
      return this.#count < this.#countMax;
    }
    const oldWords = this.#slots * SLOT_WORDS;
    const words = this.#words;
    // Where there is room for the old table too, its hashes need not be made again.
    const hasCopy = tableEnd + oldWords <= this.#top;
    if (hasCopy) words.copyWithin(tableEnd, HEAD_WORDS, HEAD_WORDS + oldWords);
    this.#slots = slots;
    words[HEAD_SLOTS] = slots;
    words.fill(0, HEAD_WORDS, tableEnd);
    if (hasCopy) this.#placeCopied(tableEnd, tableEnd + oldWords);
    else this.#placeAll();
    this.#setCountMax();
    return true;
  }

  /** Fills the table from a copy of the old one, in its order: both are walked from end to end. */
  #placeCopied(start: number, end: number): void {
    const words = this.#words;
    for (let at = start; at < end; at += SLOT_WORDS) {
      const entry = words[at + 1] as number;
      if (entry !== 0) this.#place(words[at] as number, entry);
    }
  }

  /** Fills the table from the entries alone. */
  #placeAll(): void {
    const words = this.#words;
    let entry = this.#top;
    while (entry < this.#wordsEnd) {
      this.#place(this.#hashEntry(entry), entry);
      entry += entryWords(words[entry + 2] as number);
    }
  }

  #place(hash: number, entry: number): void {
    const words = this.#words;
    const mask = this.#slots - 1;
    let slot = hash & mask;
    while (words[HEAD_WORDS + slot * SLOT_WORDS + 1] !== 0) slot = (slot + 1) & mask;
    words[HEAD_WORDS + slot * SLOT_WORDS] = hash;
    words[HEAD_WORDS + slot * SLOT_WORDS + 1] = entry;
  }

  #setCountMax(): void {
    const next = HEAD_WORDS + this.#slots * 2 * SLOT_WORDS;
    const load = next <= this.#top ? DOUBLING_LOAD : FULL_LOAD;
    this.#countMax = Math.floor(this.#slots * load);
  }
}

/** The words of an entry with a key of this size. */
function entryWords(keyBytes: number): number {
  return ENTRY_WORDS + ((keyBytes + WORD_BYTES - 1) >>> 2);
}

function writeOffset(words: Int32Array, entry: number, offset: number): void {
  words[entry] = offset | 0;
  words[entry + 1] = Math.floor(offset / TWO_TO_32);
}

/** The one to three bytes behind the last whole word, as one word. */
function lastWord(view: DataView, position: number, end: number): number {
  let word = view.getUint8(position);
  if (position + 1 < end) word |= view.getUint8(position + 1) << 8;
  if (position + 2 < end) word |= view.getUint8(position + 2) << 16;
  return word;
}

/** Lets every bit reach every other (the finalizer of MurmurHash3). */
function finishHash(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
  return mixed ^ (mixed >>> 16);
}
