/**
 * The options of one message, and what they come to: where it goes, when, and with which headers.
 */

import { createError } from '../../base/errors.js';
import type { RecordHeaderInput } from '../../storage/main.js';
import { checkDeduplicationId } from '../producer/deduplication-header.js';
import type { TopicRecord } from '../producer/producer-records.js';
import { checkGroupName, checkUserHeaders, headersToSend } from './queue-headers.js';
import { type QueueConfig, queueOptionTable } from './queue-options.js';

export interface QueueMessageOptions {
  readonly key?: Uint8Array | string | null | undefined;
  readonly headers?: readonly RecordHeaderInput[] | undefined;
  /** It can be received when so many milliseconds are over; the queue's `delayMs` when absent. */
  readonly delayMs?: number | undefined;
  /** The same as a time: milliseconds since 1970. One that is past means now. */
  readonly at?: number | undefined;
  /** From 0 to the queue's `priorities` less 1, which is the most urgent; 0 when absent. */
  readonly priority?: number | undefined;
  /** In a queue with `fifo`: what the message is in order with. */
  readonly group?: string | undefined;
  /** Of messages with one id one is stored, within the queue's `deduplicationWindowMs`. */
  readonly deduplicationId?: string | undefined;
  /** How long it may wait to be received; the shorter of this and the queue's `ttlMs`. */
  readonly ttlMs?: number | undefined;
}

export interface QueueSendOptions extends QueueMessageOptions {
  /** Ends the wait for room with the signal's reason; what is on its way goes on. */
  readonly signal?: AbortSignal | undefined;
}

export interface QueueMessageInput<Value> extends QueueMessageOptions {
  /** Null, or none, is a message without a value. */
  readonly value?: Value | null | undefined;
}

/** When a message can be received. */
export type Due = { readonly delayMs: number } | { readonly atMs: number };

export interface SendPlan<Value> {
  readonly record: TopicRecord<Value> & { readonly partition: number };
  /** Undefined: at once. */
  readonly due: Due | undefined;
  readonly deduplicationId: string | undefined;
}

const names: readonly string[] = [
  'value',
  'key',
  'headers',
  'delayMs',
  'at',
  'priority',
  'group',
  'deduplicationId',
  'ttlMs',
  'signal',
];

/** The largest time that a message can wait for: 2^48 ms, some 8,900 years. */
const AT_MS_MAX = 2 ** 48;

/** Throws OPTION_UNKNOWN, OPTION_INVALID. `nowMs` is the wall time. */
export function planSend<Value>(
  queue: string,
  config: QueueConfig,
  message: QueueMessageInput<Value>,
  nowMs: number,
): SendPlan<Value> {
  checkNames(queue, message);
  const { value, key, headers, priority = 0, group, deduplicationId, ttlMs } = message;
  checkInteger(queue, 'priority', priority, 0, config.priorities - 1);
  if (group !== undefined) checkGroup(queue, config, group);
  if (ttlMs !== undefined) checkDuration(queue, 'ttlMs', ttlMs);
  if (deduplicationId !== undefined) checkDeduplicationId(deduplicationId);
  if (headers !== undefined) checkUserHeaders(headers);
  const all = headersToSend(headers, { group, ttlMs });
  const record = { key, value, headers: all, partition: priority };
  return { record, due: dueOf(queue, config, message, nowMs), deduplicationId };
}

function dueOf(
  queue: string,
  config: QueueConfig,
  { delayMs, at }: QueueMessageOptions,
  nowMs: number,
): Due | undefined {
  if (at !== undefined) {
    if (delayMs !== undefined) throw invalid(queue, 'at', 'nothing beside delayMs', at);
    checkInteger(queue, 'at', at, 0, AT_MS_MAX);
    return at > nowMs ? { atMs: at } : undefined;
  }
  if (delayMs !== undefined) checkDuration(queue, 'delayMs', delayMs);
  const effectiveMs = delayMs ?? config.delayMs;
  return effectiveMs > 0 ? { delayMs: effectiveMs } : undefined;
}

function checkGroup(queue: string, config: QueueConfig, group: unknown): void {
  checkGroupName(group);
  if (!config.fifo) throw invalid(queue, 'group', 'none where `fifo` is off', group.slice(0, 64));
}

function checkDuration(queue: string, option: 'delayMs' | 'ttlMs', value: unknown): void {
  const { min, max } = queueOptionTable[option];
  checkInteger(queue, option, value, min, max);
}

function checkInteger(
  queue: string,
  option: string,
  value: unknown,
  min: number,
  max: number,
): void {
  if (Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max) return;
  const actual = typeof value === 'number' ? value : typeof value;
  throw invalid(queue, option, `a whole number from ${min} to ${max}`, actual);
}

function checkNames(queue: string, message: object): void {
  for (const option of Object.keys(message)) {
    if (names.includes(option)) continue;
    throw createError('OPTION_UNKNOWN', { option: option.slice(0, 64), where: queue });
  }
}

function invalid(where: string, option: string, expected: string, actual: string | number): Error {
  return createError('OPTION_INVALID', { option, expected, actual, where });
}
