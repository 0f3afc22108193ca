/**
 * From the records of a send to its shares: encoded, checked, and dealt out to partitions.
 */

import { createError } from '../../base/errors.js';
import {
  type AppendLimits,
  checkOne,
  type RecordHeaderInput,
  type RecordInput,
} from '../../storage/main.js';
import { bytes, type Codec, copyBytes, encodeValue } from '../topic/codec.js';
import { type OpenSend, SendShare } from './producer-send.js';

export interface TopicRecord<Value> {
  readonly key?: Uint8Array | string | null | undefined;
  /** Null, or none, is a tombstone. */
  readonly value?: Value | null | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** Milliseconds since 1970, 0 or more; the time of the append when absent. */
  readonly timestamp?: number | undefined;
  /** The partition to send to; chosen by key, or in turn, when absent. */
  readonly partition?: number | undefined;
}

/** A record whose value is bytes or text, and where it was asked to go. */
export type EncodedRecord = TopicRecord<Uint8Array | string>;

/** Encoded records, which are the caller's still or nobody else's any more. */
export interface EncodedRecords {
  readonly records: readonly EncodedRecord[];
  /** The caller may change them as soon as `send` has returned. */
  readonly isBorrowed: boolean;
}

/** A batch header, and a few bytes to spare. */
const BATCH_OVERHEAD_BYTES = 64;

/**
 * Encodes values in order; a promise when the codec gives one. Values that are bytes already stay
 * the caller's. Throws RECORD_INVALID and VALUE_INVALID.
 */
export function encodeRecords<Value>(
  records: readonly TopicRecord<Value>[],
  codec: Codec<unknown, Value>,
): EncodedRecords | Promise<EncodedRecords> {
  if (areBytes(records, codec)) return { records, isBorrowed: true };
  const encoded: (EncodedRecord | Promise<EncodedRecord>)[] = [];
  let isPromised = false;
  for (const record of records) {
    const one = encodeRecord(record, codec);
    if (one instanceof Promise) isPromised = true;
    encoded.push(one);
  }
  if (isPromised) {
    return Promise.all(encoded).then((settled) => ({ records: settled, isBorrowed: false }));
  }
  const settled = encoded.filter((one): one is EncodedRecord => !(one instanceof Promise));
  return { records: settled, isBorrowed: false };
}

/** The same for one record; what is given at once may be the caller's still. */
export function encodeOne<Value>(
  record: TopicRecord<Value>,
  codec: Codec<unknown, Value>,
): EncodedRecord | Promise<EncodedRecord> {
  if (codec === bytes && isEncoded(record)) return record;
  return encodeRecord(record, codec);
}

/** The same records in memory of their own. Throws RECORD_INVALID for what is none. */
export function ownRecords(records: readonly EncodedRecord[]): readonly RecordInput[] {
  return records.map((record) => {
    if (!isEncoded(record)) throw notARecord();
    return {
      key: ownBytes(record.key),
      value: ownBytes(record.value),
      headers: ownHeaders(record.headers),
      timestamp: record.timestamp,
    };
  });
}

/** None is looked at: what is no record is found when it is checked, or copied. */
function areBytes(
  records: readonly TopicRecord<unknown>[],
  codec: Codec<unknown, never>,
): records is readonly EncodedRecord[] {
  return codec === bytes && records.length > 0;
}

/** What is not bytes is found when the record is checked. */
function isEncoded(record: TopicRecord<unknown>): record is EncodedRecord {
  return typeof record === 'object' && record !== null;
}

function notARecord(): Error {
  return createError('RECORD_INVALID', { field: 'record', reason: 'a record is an object' });
}

function encodeRecord<Value>(
  given: TopicRecord<Value>,
  codec: Codec<unknown, Value>,
): EncodedRecord | Promise<EncodedRecord> {
  if (typeof given !== 'object' || given === null) throw notARecord();
  // Copied before anybody else runs, whatever the codec does.
  const key = ownBytes(given.key);
  const headers = ownHeaders(given.headers);
  const { value: input, timestamp, partition } = given;
  if (input === undefined || input === null) {
    return { key, value: null, headers, timestamp, partition };
  }
  const encoded = encodeValue(codec, input);
  if (!(encoded instanceof Promise)) return { key, value: encoded, headers, timestamp, partition };
  return encoded.then((value) => ({ key, value, headers, timestamp, partition }));
}

function ownHeaders(
  headers: readonly RecordHeaderInput[] | undefined,
): readonly RecordHeaderInput[] | undefined {
  // What is no list of headers stays as it is: the check of the record refuses it.
  if (!Array.isArray(headers) || !headers.every(isHeader)) return headers;
  return headers.map(({ key, value }) => ({ key, value: ownBytes(value) }));
}

function isHeader(header: unknown): header is RecordHeaderInput {
  return typeof header === 'object' && header !== null;
}

function ownBytes(given: Uint8Array | string | null | undefined): typeof given {
  return given instanceof Uint8Array ? copyBytes(given) : given;
}

/** Says where a record goes. */
export interface RecordRouter {
  partitionOf(record: EncodedRecord): number;
}

/**
 * Deals records out. Records of one partition keep their order.
 * Throws RECORD_INVALID, RECORD_TOO_LARGE, KEY_REQUIRED: then none of them is sent.
 */
export function dealOut(
  send: OpenSend,
  encoded: readonly EncodedRecord[],
  limits: AppendLimits,
  router: RecordRouter,
): readonly SendShare[] {
  const bytesMax = limits.batchBytesMax - BATCH_OVERHEAD_BYTES;
  const { length } = encoded;
  let first = -1;
  let bytes = 0;
  // What goes to one partition as a whole is passed on as it was given.
  for (let index = 0; index < length; index += 1) {
    const record = recordAt(encoded, index);
    const size = checkOne(record, limits, index);
    const partition = router.partitionOf(record);
    if (index === 0) first = partition;
    if (partition === first && (bytes + size <= bytesMax || index === 0)) {
      bytes += size;
      continue;
    }
    const dealt = new Dealt(send, bytesMax, limits);
    dealt.begin(first, encoded.slice(0, index), bytes);
    dealt.add(partition, record, size);
    for (let next = index + 1; next < length; next += 1) {
      const other = recordAt(encoded, next);
      const otherSize = checkOne(other, limits, next);
      dealt.add(router.partitionOf(other), other, otherSize);
    }
    return dealt.end();
  }
  return [new SendShare(send, first, encoded, bytes, limits)];
}

function recordAt(encoded: readonly EncodedRecord[], index: number): EncodedRecord {
  const record = encoded[index];
  if (record === undefined) throw notARecord();
  return record;
}

interface OpenShare {
  readonly partition: number;
  records: RecordInput[];
  bytes: number;
}

/** Records of one send by partition. */
class Dealt {
  readonly #send: OpenSend;
  readonly #bytesMax: number;
  readonly #limits: AppendLimits;
  readonly #shares: SendShare[] = [];
  readonly #open = new Map<number, OpenShare>();
  /** The open share of the record before. */
  #last: OpenShare | undefined;

  constructor(send: OpenSend, bytesMax: number, limits: AppendLimits) {
    this.#send = send;
    this.#bytesMax = bytesMax;
    this.#limits = limits;
  }

  begin(partition: number, records: EncodedRecord[], bytes: number): void {
    const share = { partition, records, bytes };
    this.#open.set(partition, share);
    this.#last = share;
  }

  add(partition: number, record: EncodedRecord, bytes: number): void {
    const isSame = this.#last?.partition === partition;
    const share = isSame ? this.#last : this.#open.get(partition);
    if (share === undefined) {
      this.begin(partition, [record], bytes);
      return;
    }
    this.#last = share;
    if (share.bytes + bytes <= this.#bytesMax) {
      share.records.push(record);
      share.bytes += bytes;
      return;
    }
    this.#close(share);
    share.records = [record];
    share.bytes = bytes;
  }

  end(): readonly SendShare[] {
    for (const share of this.#open.values()) this.#close(share);
    return this.#shares;
  }

  #close({ partition, records, bytes }: OpenShare): void {
    this.#shares.push(new SendShare(this.#send, partition, records, bytes, this.#limits));
  }
}
