/**
 * `log.json`: the log's id and the options that decide what is kept; and `partition.metadata`.
 *
 * Both are small text files that are replaced whole. `log.json` carries a checksum over its other
 * fields, so a changed digit is noticed; `partition.metadata` is Kafka's format, and its topic id
 * is the log's id.
 */

import { crc32c } from '../base/crc32c.js';
import { createError } from '../base/errors.js';
import {
  firstRememberedOptions,
  type RememberedOptions,
  rememberedFrom,
  rememberedOptions,
} from './log-config.js';

const VERSION = 2;
/** Which options each version holds; an older file stays as it is until an `alter`. */
const optionsOf: Readonly<Record<number, readonly (keyof RememberedOptions)[]>> = {
  1: firstRememberedOptions,
  [VERSION]: rememberedOptions,
};

export interface LogIdentity {
  /** 16 random bytes as 32 hexadecimal digits. */
  readonly logId: string;
  readonly createdMs: number;
  readonly options: RememberedOptions;
}

export function encodeLogJson(identity: LogIdentity): Uint8Array {
  return encodeVersion(identity, VERSION);
}

function encodeVersion(identity: LogIdentity, version: number): Uint8Array {
  const body = bodyOf(identity, version);
  const text = `${JSON.stringify({ ...body, checksum: checksumOf(body) }, undefined, 2)}\n`;
  return new TextEncoder().encode(text);
}

/** Throws LOG_CORRUPT or FORMAT_UNSUPPORTED when the bytes are not what `encodeLogJson` wrote. */
export function decodeLogJson(bytes: Uint8Array, file: string): LogIdentity {
  const parsed = parseObject(bytes, file);
  if (typeof parsed['version'] === 'number' && parsed['version'] > VERSION) {
    const actual = parsed['version'];
    throw createError('FORMAT_UNSUPPORTED', { file, expected: VERSION, actual });
  }
  const { version, logId, createdMs, options } = parsed;
  if (typeof version !== 'number' || optionsOf[version] === undefined) {
    throw damaged(file, 'version');
  }
  if (typeof logId !== 'string' || !/^[0-9a-f]{32}$/.test(logId)) throw damaged(file, 'logId');
  if (typeof createdMs !== 'number') throw damaged(file, 'createdMs');
  const identity = { logId, createdMs, options: readOptions(options, file) };
  // Written anew, the file must come out byte for byte: nothing in it can differ unseen.
  if (Buffer.compare(encodeVersion(identity, version), bytes) !== 0)
    throw damaged(file, 'checksum');
  return identity;
}

/** Kafka's `partition.metadata`; the topic id is base64url of the 16 bytes. */
export function encodeMetadata(logId: string): Uint8Array {
  const topicId = Buffer.from(logId, 'hex').toString('base64url');
  return new TextEncoder().encode(`version: 0\ntopic_id: ${topicId}\n`);
}

/** The log id in `partition.metadata`, or `'invalid'`. */
export function decodeMetadata(bytes: Uint8Array): string | 'invalid' {
  const text = new TextDecoder('latin1').decode(bytes);
  // The last digit holds two bits: the four others are zero in what is written.
  const match = /^version: 0\ntopic_id: ([A-Za-z0-9_-]{21}[AQgw])\n?$/.exec(text);
  const topicId = match?.[1];
  if (topicId === undefined) return 'invalid';
  return Buffer.from(topicId, 'base64url').toString('hex');
}

function bodyOf(identity: LogIdentity, version: number): Record<string, unknown> {
  const options: Record<string, unknown> = {};
  for (const name of optionsOf[version] ?? []) options[name] = identity.options[name];
  return { version, logId: identity.logId, createdMs: identity.createdMs, options };
}

function checksumOf(body: Record<string, unknown>): string {
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  return crc32c(bytes, 0, bytes.length).toString(16).padStart(8, '0');
}

function parseObject(bytes: Uint8Array, file: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (isObject(parsed)) return parsed;
  } catch (error) {
    throw createError('LOG_CORRUPT', { file, reason: 'not JSON text' }, error);
  }
  throw damaged(file, 'an object');
}

function readOptions(options: unknown, file: string): RememberedOptions {
  if (!isObject(options)) throw damaged(file, 'options');
  try {
    return rememberedFrom(options, file);
  } catch (error) {
    throw createError('LOG_CORRUPT', { file, reason: 'an option is not valid' }, error);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function damaged(file: string, what: string): Error {
  return createError('LOG_CORRUPT', { file, reason: `${what} is not as it was written` });
}
