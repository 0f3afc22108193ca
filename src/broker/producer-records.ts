/**
 * From the records of a send to its shares: encoded, checked, and dealt out to partitions.
 */

import { createError } from '../base/errors.js';
import {
  type AppendLimits,
  checkOne,
  type RecordHeaderInput,
  type RecordInput,
} from '../storage/main.js';
import { bytes, type Codec, copyBytes, encodeValue } from './codec.js';
import type { OpenSend, SendShare } from './producer-send.js';

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
  if (isBytesCodec(codec) && areEncoded(records)) return { records, isBorrowed: true };
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

/** The same records in memory of their own. */
export function ownRecords(records: readonly EncodedRecord[]): readonly RecordInput[] {
  return records.map((record) => ({
    key: ownBytes(record.key),
    value: ownBytes(record.value),
    headers: ownHeaders(record.headers),
    timestamp: record.timestamp,
  }));
}

function isBytesCodec(codec: Codec<unknown, never>): boolean {
  return codec === bytes;
}

/** What is not bytes is found when the record is checked. */
function areEncoded(records: readonly TopicRecord<unknown>[]): records is readonly EncodedRecord[] {
  for (const record of records) {
    if (typeof record !== 'object' || record === null) throw notARecord();
  }
  return true;
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

/**
 * Deals records out; `partitionOf` says where each goes. Records of one partition keep their order.
 * Throws RECORD_INVALID, RECORD_TOO_LARGE, KEY_REQUIRED: then none of them is sent.
 */
export function dealOut(
  send: OpenSend,
  encoded: readonly EncodedRecord[],
  limits: AppendLimits,
  partitionOf: (record: EncodedRecord) => number,
): readonly SendShare[] {
  const [only] = encoded;
  if (only !== undefined && encoded.length === 1) {
    const bytes = checkOne(only, limits, 0);
    return [{ send, partition: partitionOf(only), records: encoded, bytes }];
  }
  const shares: SendShare[] = [];
  const open = new Map<number, OpenShare>();
  const bytesMax = limits.batchBytesMax - BATCH_OVERHEAD_BYTES;
  for (let index = 0; index < encoded.length; index += 1) {
    const record = encoded[index];
    if (record === undefined) throw notARecord();
    const size = checkOne(record, limits, index);
    const partition = partitionOf(record);
    const share = open.get(partition);
    if (share !== undefined && share.bytes + size <= bytesMax) {
      share.records.push(record);
      share.bytes += size;
      continue;
    }
    if (share !== undefined) shares.push({ send, partition, ...share });
    open.set(partition, { records: [record], bytes: size });
  }
  for (const [partition, share] of open) shares.push({ send, partition, ...share });
  return shares;
}

interface OpenShare {
  readonly records: RecordInput[];
  bytes: number;
}
