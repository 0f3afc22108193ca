/**
 * A record as a reader gets it: a view of the bytes that were read, decoded when asked.
 *
 * Key, value and header values share the memory of the whole chunk that was read. That memory is
 * never written again, so a record stays valid for as long as it is referenced, and keeps the
 * chunk alive for as long; `copy()` lets go of it. Treat the bytes as read-only: other records
 * share them.
 */

import type { RecordHeader } from './record.js';
import { readVarint, varintEnd } from './varint.js';

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

/** Where the parts of a record lie in `bytes`; an end of -1 means null. */
export interface RecordPlace {
  readonly bytes: Buffer;
  readonly offset: number;
  readonly timestamp: number;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly headerCount: number;
  /** Behind the header count. */
  readonly headersStart: number;
}

/** Where a record lies in the value of another one. */
export interface InnerPlace {
  readonly offset: number;
  readonly start: number;
  /** -1: it has no key. */
  readonly keyBytes: number;
  readonly hasValue: boolean;
}

export class LogRecord {
  readonly offset: number;
  /** Milliseconds since 1970; -1 when the producer gave none. */
  readonly timestamp: number;
  readonly #bytes: Buffer;
  readonly #keyStart: number;
  readonly #keyEnd: number;
  readonly #valueStart: number;
  readonly #valueEnd: number;
  readonly #headerCount: number;
  readonly #headersStart: number;

  constructor(place: RecordPlace) {
    this.offset = place.offset;
    this.timestamp = place.timestamp;
    this.#bytes = place.bytes;
    this.#keyStart = place.keyStart;
    this.#keyEnd = place.keyEnd;
    this.#valueStart = place.valueStart;
    this.#valueEnd = place.valueEnd;
    this.#headerCount = place.headerCount;
    this.#headersStart = place.headersStart;
  }

  /** A new view on each call. */
  get key(): Buffer | null {
    return viewOf(this.#bytes, this.#keyStart, this.#keyEnd);
  }

  /** A new view on each call; null in a tombstone. */
  get value(): Buffer | null {
    return viewOf(this.#bytes, this.#valueStart, this.#valueEnd);
  }

  get headers(): readonly RecordHeader[] {
    return decodeHeaders(this.#bytes, this.#headersStart, this.#headerCount);
  }

  /** About what a copy of it takes: key, value and headers, in bytes. */
  get contentBytes(): number {
    return this.#contentEnd() - this.#keyStart;
  }

  /** Text that is equal for equal keys only; undefined without a key. No view is made for it. */
  get keyText(): string | undefined {
    if (this.#keyEnd < 0) return undefined;
    return this.#bytes.toString('latin1', this.#keyStart, this.#keyEnd);
  }

  /**
   * As `copy`, and cheaper for small records: such copies share pieces of some KiB, which stay for
   * as long as one of them does.
   */
  copyShared(): LogRecord {
    const start = this.#keyStart;
    const end = this.#contentEnd();
    const copy = Buffer.allocUnsafe(end - start);
    this.#bytes.copy(copy, 0, start, end);
    return new LogRecord({
      bytes: copy,
      offset: this.offset,
      timestamp: this.timestamp,
      keyStart: 0,
      keyEnd: this.#keyEnd < 0 ? this.#keyEnd : this.#keyEnd - start,
      valueStart: this.#valueStart - start,
      valueEnd: this.#valueEnd < 0 ? this.#valueEnd : this.#valueEnd - start,
      headerCount: this.#headerCount,
      headersStart: this.#headersStart - start,
    });
  }

  /** The same record in memory of its own, of exactly the size that it needs. */
  copy(): LogRecord {
    return copyRecord({
      bytes: this.#bytes,
      offset: this.offset,
      timestamp: this.timestamp,
      keyStart: this.#keyStart,
      keyEnd: this.#keyEnd,
      valueStart: this.#valueStart,
      valueEnd: this.#valueEnd,
      headerCount: this.#headerCount,
      headersStart: this.#headersStart,
    });
  }

  /**
   * The record that lies in the value of this one, with these headers: first `start` bytes of
   * something else, then its key, then its value, each as far as it has one.
   */
  inner(place: InnerPlace): LogRecord {
    const { offset, start, keyBytes, hasValue } = place;
    const keyStart = this.#valueStart + start;
    const valueStart = keyStart + Math.max(keyBytes, 0);
    return new LogRecord({
      bytes: this.#bytes,
      offset,
      timestamp: this.timestamp,
      keyStart,
      keyEnd: keyBytes < 0 ? -1 : valueStart,
      valueStart,
      valueEnd: hasValue ? this.#valueEnd : -1,
      headerCount: this.#headerCount,
      headersStart: this.#headersStart,
    });
  }

  /** Key, value and headers lie behind each other, in this order. */
  #contentEnd(): number {
    return skipHeaders(this.#bytes, this.#headersStart, this.#headerCount);
  }
}

/** `bytes[start, end)`, or null when `end` says so. */
export function viewOf(bytes: Buffer, start: number, end: number): Buffer | null {
  return end < 0 ? null : bytes.subarray(start, end);
}

/** The same in memory of its own, and not in Node's pool, which a small copy would keep alive. */
export function copyOf(bytes: Buffer, start: number, end: number): Buffer | null {
  if (end < 0) return null;
  const copy = Buffer.allocUnsafeSlow(end - start);
  copy.set(bytes.subarray(start, end), 0);
  return copy;
}

/** A record whose parts lie in one fresh piece of memory. */
export function copyRecord(place: RecordPlace): LogRecord {
  const { bytes, keyStart, keyEnd, valueStart, valueEnd, headersStart } = place;
  const keyBytes = Math.max(keyEnd - keyStart, 0);
  const valueBytes = Math.max(valueEnd - valueStart, 0);
  const headersEnd = skipHeaders(bytes, headersStart, place.headerCount);
  const copy = Buffer.allocUnsafeSlow(keyBytes + valueBytes + headersEnd - headersStart);
  if (keyBytes > 0) copy.set(bytes.subarray(keyStart, keyEnd), 0);
  if (valueBytes > 0) copy.set(bytes.subarray(valueStart, valueEnd), keyBytes);
  copy.set(bytes.subarray(headersStart, headersEnd), keyBytes + valueBytes);
  return new LogRecord({
    bytes: copy,
    offset: place.offset,
    timestamp: place.timestamp,
    keyStart: 0,
    keyEnd: keyEnd < 0 ? keyEnd : keyBytes,
    valueStart: keyBytes,
    valueEnd: valueEnd < 0 ? valueEnd : keyBytes + valueBytes,
    headerCount: place.headerCount,
    headersStart: keyBytes + valueBytes,
  });
}

/** The headers at `position` in memory of their own. */
export function copyHeaders(
  bytes: Buffer,
  position: number,
  count: number,
): readonly RecordHeader[] {
  const copy = copyOf(bytes, position, skipHeaders(bytes, position, count));
  return copy === null ? NO_HEADERS : decodeHeaders(copy, 0, count);
}

/** The headers at `position`, which were walked before: their lengths lie within the record. */
export function decodeHeaders(
  bytes: Buffer,
  position: number,
  count: number,
): readonly RecordHeader[] {
  if (count === 0) return NO_HEADERS;
  const headers: RecordHeader[] = [];
  for (let index = 0; index < count; index += 1) {
    const keyBytes = readVarint(bytes, position, bytes.length);
    const keyStart = varintEnd(bytes, position);
    position = keyStart + keyBytes;
    const key = bytes.toString('utf8', keyStart, position);
    const valueBytes = readVarint(bytes, position, bytes.length);
    position = varintEnd(bytes, position);
    if (valueBytes < 0) {
      headers.push({ key, value: null });
    } else {
      headers.push({ key, value: bytes.subarray(position, position + valueBytes) });
      position += valueBytes;
    }
  }
  return headers;
}

function skipHeaders(bytes: Buffer, position: number, count: number): number {
  for (let field = 0; field < 2 * count; field += 1) {
    const fieldBytes = readVarint(bytes, position, bytes.length);
    position = varintEnd(bytes, position) + Math.max(fieldBytes, 0);
  }
  return position;
}
