/**
 * Asking through a queue, and answering: a message that carries where its reply is to go.
 *
 * A request is a message like any other: it waits for a worker, comes again when that fails, and is
 * acknowledged by whoever has answered it. It lives as long as somebody waits for its reply, unless
 * the options say otherwise: one whose requester is gone expires by itself. The reply is encoded
 * and decoded, so nothing is shared between the two.
 */

import { createError } from '../../base/errors.js';
import { optionTable, resolveOptions } from '../../base/options.js';
import type { RecordHeader, RecordHeaderInput } from '../../storage/main.js';
import { asInvalid, type Codec, encodeValue } from '../topic/codec.js';
import type { QueueHandler } from '../worker/queue-handler.js';
import { REPLY_TO_HEADER, replyToIn } from './queue-reply-to.js';
import type { QueueSendOptions } from './queue-send-options.js';
import type { Replies } from './request-replies.js';

const DAY_MS = 24 * 60 * 60 * 1000;

const requestOptionTable = optionTable({
  timeoutMs: {
    unit: 'ms',
    default: 30_000,
    min: 1,
    max: DAY_MS,
    doc: 'How long a request waits for its reply.',
  },
});

export interface RequestOptions<Reply> extends QueueSendOptions {
  /** How long to wait for the reply, 1 ms to a day; 30 s when absent. */
  readonly timeoutMs?: number | undefined;
  /** Reads the reply; the queue's own when absent. */
  readonly replyCodec?: Codec<Reply, never> | undefined;
}

/** What asks through a queue. */
export interface Requester<Reply> {
  readonly queue: string;
  /** Reads replies, unless the options say otherwise. */
  readonly codec: Codec<Reply, never>;
  readonly replies: Replies;
  send(options: QueueSendOptions): Promise<unknown>;
}

/**
 * Sends a request and resolves to the reply. Rejects with REQUEST_TIMED_OUT, BUFFER_FULL, with the
 * signal's reason, VALUE_INVALID for a reply that the codec cannot read, and with what the send
 * rejects with.
 */
export async function requestBy<Reply>(
  { queue, codec, replies, send }: Requester<Reply>,
  { timeoutMs, replyCodec, ...options }: RequestOptions<Reply> = {},
): Promise<Reply> {
  const resolved = resolveOptions(requestOptionTable, { timeoutMs }, queue);
  const reader = replyCodec ?? codec;
  if (typeof reader?.decode !== 'function') {
    throw createError('OPTION_INVALID', { option: 'replyCodec', expected: 'encode and decode' });
  }
  const given = options.headers ?? [];
  if (!Array.isArray(given)) {
    throw createError('OPTION_INVALID', { option: 'headers', expected: 'a list of headers' });
  }
  const others = given.filter(isOther);
  const request = replies.open(queue, resolved.timeoutMs, options.signal);
  const replyTo = { key: REPLY_TO_HEADER, value: request.replyTo };
  const headers = [...others, replyTo];
  const ttlMs = options.ttlMs ?? resolved.timeoutMs;
  send({ ...options, headers, ttlMs }).catch(request.fail);
  const value = await request.reply;
  try {
    return await reader.decode(value);
  } catch (error) {
    throw asInvalid(reader, error);
  }
}

/** A message that can be answered. */
interface Answerable {
  reply(value: unknown): Promise<boolean>;
}

/** The same handler; what it returns is the reply to its message, unless that is undefined. */
export function answering<Message extends Answerable>(
  handler: QueueHandler<Message>,
): QueueHandler<Message> {
  if (typeof handler !== 'function') return handler;
  return async (message, context) => {
    const value = await handler(message, context);
    if (value !== undefined) await message.reply(value);
  };
}

/**
 * Answers a message: true when somebody had waited for it. A reply to a message that is no request,
 * or that nobody waits for any more, is dropped. Rejects with VALUE_INVALID.
 */
export async function replyBy<Value>(
  headers: readonly RecordHeader[],
  replies: Replies,
  codec: Codec<unknown, Value>,
  value: Value,
): Promise<boolean> {
  const replyTo = replyToIn(headers);
  if (replyTo === undefined) return false;
  const encoded = await encodeValue(codec, value);
  return replies.reply(
    replyTo,
    typeof encoded === 'string' ? Buffer.from(encoded) : copyOf(encoded),
  );
}

/** The codec may give memory that belongs to the handler. */
function copyOf(encoded: Uint8Array): Buffer {
  return Buffer.from(encoded);
}

/** A request that is passed on has its own place for replies. */
function isOther(header: RecordHeaderInput | null): boolean {
  return header?.key !== REPLY_TO_HEADER;
}
