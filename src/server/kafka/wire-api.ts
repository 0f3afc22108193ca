/**
 * One API of the protocol: its key, the versions that are spoken here, its request and response.
 *
 * A frame is [length int32, header, body]. The header of a request is version 2 in flexible
 * versions, else 1; its client id keeps the old form in both. That of a response is version 1 in
 * flexible versions, else 0; but that of ApiVersions is always 0, because a client reads it before
 * it knows what the server speaks.
 */

import { assert } from '../../base/assert.js';
import { createError } from '../../base/errors.js';
import { WireReader } from './wire-reader.js';
import { type Fields, struct } from './wire-struct.js';
import type { Coder, WireType, WireVersion } from './wire-type.js';
import { WireWriter } from './wire-writer.js';

export interface SpokenVersions {
  readonly versionMin: number;
  readonly versionMax: number;
  /** The first flexible version; infinite when there is none. */
  readonly flexibleFrom: number;
}

export interface Api<Request, Response> extends SpokenVersions {
  readonly key: number;
  readonly name: string;
  readonly request: WireType<Request>;
  readonly response: WireType<Response>;
}

export interface ApiDeclaration<Request, Response> {
  readonly key: number;
  readonly name: string;
  /** First and last. */
  readonly versions: readonly [number, number];
  readonly flexibleFrom?: number;
  readonly request: Fields<Request>;
  readonly response: Fields<Response>;
}

export type RequestOf<Type> = Type extends Api<infer Request, infer _> ? Request : never;
export type ResponseOf<Type> = Type extends Api<infer _, infer Response> ? Response : never;

/** What is in front of a request. */
export interface RequestHeader {
  readonly key: number;
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

const API_VERSIONS_KEY = 18;
/** Key, version, and correlation id. */
const HEADER_BYTES_MIN = 8;

export function defineApi<Request, Response>({
  key,
  name,
  versions: [versionMin, versionMax],
  flexibleFrom = Number.POSITIVE_INFINITY,
  request,
  response,
}: ApiDeclaration<Request, Response>): Api<Request, Response> {
  assert(versionMin <= versionMax, 'an API has a version');
  return {
    key,
    name,
    versionMin,
    versionMax,
    flexibleFrom,
    request: remembering(struct(request)),
    response: remembering(struct(response)),
  };
}

function isFlexible(api: SpokenVersions, version: number): boolean {
  return version >= api.flexibleFrom;
}

/**
 * The header of a request, as far as every version has it, without the length of the frame. Throws
 * FRAME_INVALID.
 */
export function readRequestStart(reader: WireReader): RequestHeader {
  if (reader.remaining < HEADER_BYTES_MIN) throw reader.invalid('a request header');
  const key = reader.int16();
  const version = reader.int16();
  const correlationId = reader.int32();
  const clientId = reader.text(false);
  return { key, version, correlationId, clientId };
}

/**
 * The body of a request whose header was read. Throws FRAME_INVALID. What is behind it in the frame
 * is left alone, as in Kafka: librdkafka (2.16) sends three bytes too many when it asks for all
 * topics.
 */
export function readRequest<Request>(
  api: Api<Request, unknown>,
  version: number,
  reader: WireReader,
): Request {
  const at = versionOf(api, version);
  try {
    if (at.isFlexible) skipTags(reader);
    return api.request.coderAt(at).read(reader);
  } catch (cause) {
    throw createError('FRAME_INVALID', { api: api.name, version }, cause);
  }
}

/** The whole frame of a response, length included. */
export function writeResponse<Response>(
  api: Api<unknown, Response>,
  version: number,
  correlationId: number,
  response: Response,
): readonly Uint8Array[] {
  const at = versionOf(api, version);
  const writer = new WireWriter();
  writer.int32(correlationId);
  if (at.isFlexible && api.key !== API_VERSIONS_KEY) writer.uvarint(0);
  api.response.coderAt(at).write(writer, response);
  return writer.frame();
}

/** The whole frame of a request, length included: for tests, and for clients of our own. */
export function writeRequest<Request>(
  api: Api<Request, unknown>,
  { version, correlationId, clientId }: Omit<RequestHeader, 'key'>,
  request: Request,
): readonly Uint8Array[] {
  const at = versionOf(api, version);
  const writer = new WireWriter();
  writer.int16(api.key);
  writer.int16(version);
  writer.int32(correlationId);
  writer.text(clientId, false);
  if (at.isFlexible) writer.uvarint(0);
  api.request.coderAt(at).write(writer, request);
  return writer.frame();
}

/** The body of a response, without the length of the frame. Throws FRAME_INVALID. */
export function readResponse<Response>(
  api: Api<unknown, Response>,
  version: number,
  frame: Buffer,
): { readonly correlationId: number; readonly response: Response } {
  const at = versionOf(api, version);
  const reader = new WireReader(frame);
  const correlationId = reader.int32();
  if (at.isFlexible && api.key !== API_VERSIONS_KEY) skipTags(reader);
  const response = api.response.coderAt(at).read(reader);
  if (reader.remaining > 0) throw reader.invalid('the end of the response');
  return { correlationId, response };
}

function versionOf(api: SpokenVersions, version: number): WireVersion {
  assert(version >= api.versionMin && version <= api.versionMax, 'the version is spoken here');
  return { version, isFlexible: isFlexible(api, version) };
}

function skipTags(reader: WireReader): void {
  TAGS.coderAt(FLEXIBLE).read(reader);
}

const FLEXIBLE: WireVersion = { version: 0, isFlexible: true };
const TAGS = struct<Record<never, never>>({});

/** The same type, whose coders are made once for each version. */
function remembering<Value>(type: WireType<Value>): WireType<Value> {
  const coders = new Map<number, Coder<Value>>();
  return {
    ...type,
    coderAt: (at) => {
      const known = coders.get(at.version);
      if (known !== undefined) return known;
      const made = type.coderAt(at);
      coders.set(at.version, made);
      return made;
    },
  };
}
