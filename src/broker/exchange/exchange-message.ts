/**
 * A message on its way through exchanges: what bindings look at, and what every copy carries.
 *
 * Headers come as an object of attributes, whose types count for routing, or as the list that a
 * consumed record has: texts, and bytes that are read as UTF-8 up to a bound. A copy carries them
 * as the headers of its record: texts and bytes as they are, numbers, true and false as text, a
 * list as JSON. It also carries the exchange and the key that it was published with, as RabbitMQ
 * delivers them, unless that was the default exchange: then it is as if it was sent to the queue.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import type { RecordHeaderInput } from '../../storage/main.js';
import { copyBytes } from '../topic/codec.js';
import { type Attributes, type AttributeValue, isList } from './binding-attributes.js';
import { DEFAULT_EXCHANGE } from './exchange-definition.js';
import type { MessageOptions, PublishHeaders } from './exchange-options.js';
import type { RoutedSend } from './exchange-targets.js';

export const EXCHANGE_HEADER = 'millrace-exchange';
export const ROUTING_KEY_HEADER = 'millrace-routing-key';

/** A message whose value is encoded, ready to be routed. */
export interface ExchangeMessage {
  readonly routingKey: string;
  readonly attributes: Attributes | undefined;
  /** What a target is sent. */
  readonly send: RoutedSend;
}

/** Throws ATTRIBUTE_INVALID for headers that are none; the rest is checked on the way. */
export function makeMessage(
  exchange: string,
  given: MessageOptions,
  value: Uint8Array | string,
): ExchangeMessage {
  const { key: routingKey = '', headers: asked, recordKey } = given;
  const { priority, delayMs, at, group, deduplicationId, ttlMs } = given;
  const carried: RecordHeaderInput[] = [];
  const attributes = asked === undefined ? undefined : readHeaders(asked, carried);
  if (exchange !== DEFAULT_EXCHANGE) {
    carried.push({ key: EXCHANGE_HEADER, value: exchange });
    if (routingKey !== '') carried.push({ key: ROUTING_KEY_HEADER, value: routingKey });
  }
  const key = recordKey instanceof Uint8Array ? copyBytes(recordKey) : recordKey;
  const headers = carried.length === 0 ? undefined : carried;
  const send = { value, key, headers, priority, delayMs, at, group, deduplicationId, ttlMs };
  return { routingKey, attributes, send };
}

/** The attributes of these headers; what copies carry of them is put into `carried`. */
function readHeaders(headers: PublishHeaders, carried: RecordHeaderInput[]): Attributes {
  const attributes = new Map<string, AttributeValue>();
  if (typeof headers !== 'object' || headers === null) throw noHeaders(typeof headers);
  if (isHeaderList(headers)) {
    for (const header of headers) takeHeader(header, attributes, carried);
    return attributes;
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || isOwn(name)) continue;
    carried.push({ key: name, value: carriedValue(value) });
    if (!(value instanceof Uint8Array)) attributes.set(name, value);
  }
  return attributes;
}

function isHeaderList(headers: PublishHeaders): headers is readonly RecordHeaderInput[] {
  return Array.isArray(headers);
}

function takeHeader(
  header: RecordHeaderInput,
  attributes: Map<string, AttributeValue>,
  carried: RecordHeaderInput[],
): void {
  if (typeof header !== 'object' || header === null) throw noHeaders(typeof header);
  const { key, value = null } = header;
  if (isOwn(key)) return;
  carried.push({ key, value: value instanceof Uint8Array ? copyBytes(value) : value });
  if (value instanceof Uint8Array && value.length > limits.attributeTextBytesMax) return;
  const one = value instanceof Uint8Array ? textOf(value) : value;
  const before = attributes.get(key);
  if (before === undefined) attributes.set(key, one);
  else if (!isList(before)) attributes.set(key, [before, one]);
  else if (before.length <= limits.attributeListMax) attributes.set(key, [...before, one]);
}

/** A message that is published again has gone another way by then. */
function isOwn(name: string): boolean {
  return name === EXCHANGE_HEADER || name === ROUTING_KEY_HEADER;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();
}

function carriedValue(value: AttributeValue | Uint8Array): Uint8Array | string | null {
  if (value === null || typeof value === 'string') return value;
  if (value instanceof Uint8Array) return copyBytes(value);
  return isList(value) ? JSON.stringify(value) : String(value);
}

function noHeaders(actual: string): Error {
  const expected = 'headers as an object, or as a list of { key, value }';
  return createError('ATTRIBUTE_INVALID', { expected, actual });
}
