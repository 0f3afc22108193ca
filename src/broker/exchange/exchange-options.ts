/**
 * What a program says when it publishes, binds, or asks for an exchange; checked by name.
 */

import { createError } from '../../base/errors.js';
import { resolveOptions } from '../../base/options.js';
import type { RecordHeaderInput } from '../../storage/main.js';
import type { Codec } from '../topic/codec.js';
import type { AttributeScalar, AttributeValue } from './binding-attributes.js';
import type { FilterPolicyInput } from './binding-filter.js';
import type { HeadersMatch } from './binding-headers.js';

export type PublishHeaders =
  | Readonly<Record<string, AttributeValue | Uint8Array | undefined>>
  | readonly RecordHeaderInput[];

/** What becomes of a message that no queue or topic is bound for; it is counted in any case. */
export const unroutablePolicies = ['return', 'count', 'error'] as const;
export type UnroutablePolicy = (typeof unroutablePolicies)[number];

/** What is said of one message beside its value. */
export interface MessageOptions {
  /** The routing key; empty when absent. */
  readonly key?: string | undefined;
  /** What headers exchanges and filters look at; they go along with every copy. */
  readonly headers?: PublishHeaders | undefined;
  /** The key of the records; in a topic it chooses the partition. */
  readonly recordKey?: Uint8Array | string | undefined;
  /** For queues, as their `send` takes it. */
  readonly priority?: number | undefined;
  readonly delayMs?: number | undefined;
  readonly at?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly deduplicationId?: string | undefined;
  /** For queues; a topic takes it as the key when there is no `recordKey`, for its order. */
  readonly group?: string | undefined;
}

/** What is said of a whole call. */
export interface CallOptions {
  /**
   * `return` (the default): the result says so, and a batch gives the message back. `count`: it is
   * counted. `error`: MESSAGE_UNROUTABLE, and nothing of the call is sent.
   */
  readonly onUnroutable?: UnroutablePolicy | undefined;
  /** Ends the wait of what is not on its way yet, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

export interface PublishOptions extends MessageOptions, CallOptions {}

/** One message of a batch. */
export interface PublishedMessage<Value> extends MessageOptions {
  readonly value: Value;
}

/** When a binding matches; see the kinds of exchanges. */
export interface BindOptions {
  /** The key, or the pattern of a topic exchange. */
  readonly key?: string | undefined;
  /** For headers exchanges. */
  readonly headers?: Readonly<Record<string, AttributeScalar>> | undefined;
  readonly match?: HeadersMatch | undefined;
  /** A filter policy as SNS has them; it has to match beside the key or the headers. */
  readonly filter?: FilterPolicyInput | undefined;
}

export interface ExchangeOptions {
  /** The exchange that gets what no binding of this one matches; it need not be there. */
  readonly alternate?: string | undefined;
}

export interface TypedExchangeOptions<Input> extends ExchangeOptions {
  readonly codec: Codec<unknown, Input>;
}

const messageNames = [
  'key',
  'headers',
  'recordKey',
  'priority',
  'delayMs',
  'at',
  'ttlMs',
  'deduplicationId',
  'group',
] as const satisfies readonly (keyof MessageOptions)[];
const callNames = ['onUnroutable', 'signal'] as const satisfies readonly (keyof CallOptions)[];

const publishNames: ReadonlySet<string> = new Set([...messageNames, ...callNames]);
const batchedNames: ReadonlySet<string> = new Set(['value', ...messageNames]);
const batchNames: ReadonlySet<string> = new Set(callNames);
const bindNames: ReadonlySet<string> = new Set(['key', 'headers', 'match', 'filter']);

/** Throws OPTION_UNKNOWN, OPTION_INVALID, and the reason of a signal that has aborted. */
export function checkPublish(options: PublishOptions): void {
  checkNames(options, publishNames, 'publish');
  checkCall(options);
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function checkBatched(message: PublishedMessage<unknown>): void {
  checkNames(message, batchedNames, 'publishBatch');
}

/** Throws as `checkPublish`. */
export function checkBatch(options: CallOptions): void {
  checkNames(options, batchNames, 'publishBatch');
  checkCall(options);
}

/** Throws OPTION_UNKNOWN, OPTION_INVALID. */
export function checkBind(options: BindOptions): void {
  checkNames(options, bindNames, 'bind');
}

function checkCall({ onUnroutable, signal }: CallOptions): void {
  if (onUnroutable !== undefined && !unroutablePolicies.includes(onUnroutable)) {
    const expected = `one of ${unroutablePolicies.join(', ')}`;
    throw createError('OPTION_INVALID', { option: 'onUnroutable', expected, where: 'publish' });
  }
  if (signal === undefined) return;
  if (!(signal instanceof AbortSignal)) {
    throw createError('OPTION_INVALID', { option: 'signal', expected: 'an AbortSignal' });
  }
  signal.throwIfAborted();
}

function checkNames(given: object, known: ReadonlySet<string>, where: string): void {
  if (typeof given !== 'object' || given === null) {
    throw createError('OPTION_INVALID', { option: 'options', expected: 'an object', where });
  }
  for (const name in given) if (!known.has(name)) refuse(given, known, where);
}

/** Throws OPTION_UNKNOWN with the nearest name. */
function refuse(given: object, known: ReadonlySet<string>, where: string): void {
  const table = [...known].map((name) => [name, { default: false, doc: name }] as const);
  const unknown = Object.keys(given).filter((name) => !known.has(name));
  resolveOptions(Object.fromEntries(table), Object.fromEntries(unknown.map((n) => [n])), where);
}
