/**
 * What is said on the holder's socket: requests and replies, and their bytes.
 *
 * A body is one msgpack map. Requests: `{ version: 1, id, kind, ... }`; replies:
 * `{ id, ok: true, values }` or `{ id, ok: false, code, message, facts }`. Both sides check every
 * field by hand: nobody sees a decoded value that was not checked, and unknown fields are dropped.
 * Records travel as arrays `[key, value, timestamp, [[headerKey, headerValue], ...]]` with null for
 * what is absent.
 *
 * Decoded bytes are views on the frame's memory, which nobody writes to again; they stay valid
 * while referenced, and one of them keeps the whole frame alive.
 */

import {
  createError,
  type ErrorCode,
  type ErrorFact,
  type ErrorFacts,
  errorTable,
  MillraceError,
} from '../base/errors.js';
import { limits } from '../base/limits.js';
import * as msgpack from '../base/msgpack.js';
import { type BrokerRequest, brokerReaders } from './holder-broker-requests.js';
import { countOf, fieldOf, isMap, textOf } from './holder-fields.js';
import { makeFrame } from './holder-frame.js';
import {
  FieldError,
  type HolderOptions,
  readArray,
  readOffset,
  readOptions,
  readRecord,
} from './holder-request-fields.js';
import { shapeOf } from './holder-shape.js';
import type { RecordInput } from './record.js';

export const HOLDER_PROTOCOL_VERSION = 1;
/** The id of a reply to what has no readable id of its own. */
export const UNKNOWN_ID = 0;
const ID_MAX = 2 ** 32 - 1;

export type HolderRequest = LogRequest | BrokerRequest;

/** What is asked of a log. */
export type LogRequest =
  | { readonly kind: 'describe' }
  | { readonly kind: 'append'; readonly records: readonly RecordInput[] }
  | { readonly kind: 'deleteRecordsBefore'; readonly offset: number }
  /** One page; see `holder-stats.ts`. */
  | { readonly kind: 'stats'; readonly fromOffset: number }
  | { readonly kind: 'compact' }
  | { readonly kind: 'retain' }
  | { readonly kind: 'alter'; readonly options: HolderOptions };

export type HolderValue =
  | Uint8Array
  | string
  | number
  | boolean
  | null
  | readonly HolderValue[]
  | { readonly [name: string]: HolderValue };

export type HolderReply =
  | { readonly ok: true; readonly values: Readonly<Record<string, HolderValue>> }
  | {
      readonly ok: false;
      readonly code: ErrorCode;
      readonly message: string;
      readonly facts: ErrorFacts;
    };

/** What a body turned out to be; only `malformed` ends the connection. */
export type ParsedRequest =
  | { readonly outcome: 'request'; readonly id: number; readonly request: HolderRequest }
  | { readonly outcome: 'refused'; readonly id: number; readonly reply: HolderReply }
  | { readonly outcome: 'malformed'; readonly reason: string };

export type ParsedReply =
  | { readonly outcome: 'reply'; readonly id: number; readonly reply: HolderReply }
  | { readonly outcome: 'malformed'; readonly reason: string };

type Kind = HolderRequest['kind'];

/** One reader per kind of request: the list of kinds is these two tables. */
const logReaders: { readonly [K in LogRequest['kind']]: (map: object) => LogRequest } = {
  describe: () => ({ kind: 'describe' }),
  append: (map) => ({ kind: 'append', records: readArray(map, 'records').map(readRecord) }),
  deleteRecordsBefore: (map) => ({
    kind: 'deleteRecordsBefore',
    offset: readOffset(map, 'offset'),
  }),
  stats: (map) => ({ kind: 'stats', fromOffset: readOffset(map, 'fromOffset') }),
  compact: () => ({ kind: 'compact' }),
  retain: () => ({ kind: 'retain' }),
  alter: (map) => ({ kind: 'alter', options: readOptions(map) }),
};

const requestReaders: { readonly [K in Kind]: (map: object) => HolderRequest } = {
  ...logReaders,
  ...brokerReaders,
};

/** Whether a request is for a broker; every other one is for a log. */
export function isBrokerRequest(request: HolderRequest): request is BrokerRequest {
  return Object.hasOwn(brokerReaders, request.kind);
}

/** The frame of a request, or BATCH_TOO_LARGE when it would exceed a limit of the protocol. */
export function encodeRequest(id: number, request: HolderRequest): Uint8Array {
  const frame = pack({ version: HOLDER_PROTOCOL_VERSION, id, ...wireOf(request) });
  if (typeof frame !== 'string') return frame;
  const expected = limits.holderFrameBytesMax;
  throw createError('BATCH_TOO_LARGE', { kind: request.kind, reason: frame, expected });
}

/** The frame of a reply; one that exceeds a limit becomes an error reply. */
export function encodeReply(id: number, reply: HolderReply): Uint8Array {
  const frame = pack({ id, ...reply });
  if (typeof frame !== 'string') return frame;
  const error = createError('HOLDER_FAILED', { message: 'the reply is too large', reason: frame });
  const short = pack({ id, ...errorReply(error) });
  if (typeof short === 'string') throw error;
  return short;
}

export function parseRequest(body: Uint8Array): ParsedRequest {
  const map = unpack(body);
  if (typeof map === 'string') return { outcome: 'malformed', reason: map };
  const id = countOf(map, 'id');
  if (id === undefined || id > ID_MAX) return refused(UNKNOWN_ID, 'OPTION_INVALID', 'id', map);
  if (fieldOf(map, 'version') !== HOLDER_PROTOCOL_VERSION) {
    return refused(id, 'FORMAT_UNSUPPORTED', 'version', map);
  }
  const kind = textOf(map, 'kind');
  if (kind === undefined || !isKind(kind)) return refused(id, 'OPTION_INVALID', 'kind', map);
  try {
    return { outcome: 'request', id, request: requestReaders[kind](map) };
  } catch (error) {
    if (error instanceof FieldError) return refused(id, 'OPTION_INVALID', error.field, map);
    throw error;
  }
}

export function parseReply(body: Uint8Array): ParsedReply {
  const map = unpack(body);
  if (typeof map === 'string') return { outcome: 'malformed', reason: map };
  const id = countOf(map, 'id');
  if (id === undefined) return { outcome: 'malformed', reason: 'id' };
  try {
    if (fieldOf(map, 'ok') === true) {
      const values = readValues(fieldOf(map, 'values'), 'values');
      return { outcome: 'reply', id, reply: { ok: true, values } };
    }
    return { outcome: 'reply', id, reply: readErrorReply(map) };
  } catch (error) {
    if (error instanceof FieldError) return { outcome: 'malformed', reason: error.field };
    throw error;
  }
}

/** The reply that reports an error of a handler; what is not Millrace's shows no internals. */
export function errorReply(error: unknown): HolderReply {
  const known =
    error instanceof MillraceError
      ? error
      : createError('HOLDER_FAILED', { message: 'the holder failed to carry out the request' });
  const { code, facts } = known;
  // The bare text: whoever makes an error of it again adds code and facts.
  const message = String(facts['message'] ?? errorTable[code].summary);
  return { ok: false, code, message, facts };
}

function pack(value: object): Uint8Array | string {
  const body = msgpack.pack(value);
  if (body.length > limits.holderFrameBytesMax) return 'too-large';
  const shape = shapeOf(body);
  return shape === 'valid' ? makeFrame(body) : shape;
}

/** The decoded map, or why there is none. */
function unpack(body: Uint8Array): object | string {
  const shape = shapeOf(body);
  if (shape !== 'valid') return shape;
  try {
    const value: unknown = msgpack.unpack(body);
    return isMap(value) ? value : 'not-a-map';
  } catch {
    // The shape is valid, so this is a key that msgpackr refuses, such as an array.
    return 'malformed';
  }
}

function wireOf(request: HolderRequest): object {
  if (!('records' in request)) return request;
  const records = request.records.map(({ key, value, timestamp, headers = [] }) => [
    key,
    value,
    timestamp,
    headers.map((header) => [header.key, header.value]),
  ]);
  return { ...request, records };
}

function refused(id: number, code: ErrorCode, field: string, map: object): ParsedRequest {
  const found = fieldOf(map, field);
  const actual = typeof found === 'string' ? found.slice(0, 100) : typeof found;
  const message = `the request has no valid field '${field}'`;
  return { outcome: 'refused', id, reply: errorReply(createError(code, { message, actual })) };
}

function isKind(text: string): text is Kind {
  return Object.hasOwn(requestReaders, text);
}

function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorTable, text);
}

function readErrorReply(map: object): HolderReply {
  const code = textOf(map, 'code');
  const message = textOf(map, 'message');
  if (fieldOf(map, 'ok') !== false || code === undefined || message === undefined) {
    throw new FieldError('code');
  }
  const facts = readFacts(fieldOf(map, 'facts'));
  // A newer holder may know codes that this program does not.
  if (isErrorCode(code)) return { ok: false, code, message, facts };
  return { ok: false, code: 'HOLDER_FAILED', message, facts: { ...facts, code } };
}

function readFacts(field: unknown): ErrorFacts {
  if (!isMap(field)) throw new FieldError('facts');
  const entries = Object.entries(field).map(
    ([name, value]: [string, unknown]): [string, ErrorFact] => {
      if (value === null || typeof value === 'string') return [name, value];
      if (typeof value === 'number' || typeof value === 'boolean') return [name, value];
      throw new FieldError('facts');
    },
  );
  return Object.fromEntries(entries);
}

function readValues(field: unknown, name: string): Record<string, HolderValue> {
  if (!isMap(field)) throw new FieldError(name);
  const entries = Object.entries(field).map(
    ([key, value]: [string, unknown]): [string, HolderValue] => [key, readValue(value, name)],
  );
  return Object.fromEntries(entries);
}

/** Nesting is bounded by the shape of the frame. */
function readValue(value: unknown, name: string): HolderValue {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map((member: unknown) => readValue(member, name));
  return readValues(value, name);
}
