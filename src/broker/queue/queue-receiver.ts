/**
 * A consumer of its own: with its own limits of what it may have, its own priority, its own end.
 */

import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { type GivenOptions, limitOf, optionTable, resolveOptions } from '../../base/options.js';
import type { Codec } from '../topic/codec.js';
import type { HostedQueue } from './hosted-queue.js';
import type { QueueMember } from './queue-group.js';
import type { MessageHome, QueueMessage } from './queue-message.js';
import { type ReceiveOptions, resolveReceiveOptions } from './queue-receive-options.js';

const PRIORITY_MAX = 1_000_000;

export const receiverOptionTable = optionTable({
  inFlightMax: {
    unit: 'messages',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: limits.queueInFlightMax,
    doc: 'How many messages it has at once, beside what the queue says.',
  },
  inFlightBytesMax: {
    unit: 'bytes',
    isLimit: true,
    default: 'unlimited',
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    doc: 'The same, in bytes of keys, values and headers; one message may be larger.',
  },
  priority: {
    unit: 'levels',
    default: 0,
    min: -PRIORITY_MAX,
    max: PRIORITY_MAX,
    doc: 'Messages go to consumers of higher priority while those have room.',
  },
});

export type QueueReceiverOptions = GivenOptions<typeof receiverOptionTable>;

export class QueueReceiver<Output> {
  readonly #queue: HostedQueue;
  readonly #codec: Codec<Output, never>;
  readonly #home: MessageHome;
  readonly #member: Promise<QueueMember>;
  #closing: Promise<void> | undefined;

  /** @internal Throws OPTION_UNKNOWN, OPTION_INVALID, UNKNOWN_QUEUE, BROKER_CLOSED. */
  constructor(
    queue: HostedQueue,
    codec: Codec<Output, never>,
    home: MessageHome,
    options: QueueReceiverOptions,
  ) {
    const config = resolveOptions(receiverOptionTable, options, `${queue.name}: receiver`);
    queue.checkOpen();
    this.#queue = queue;
    this.#codec = codec;
    this.#home = home;
    this.#member = queue.join({
      inFlightCountMax: limitOf(config.inFlightMax),
      inFlightBytesMax: limitOf(config.inFlightBytesMax),
      priority: config.priority,
    });
    // Whoever receives is told of it.
    this.#member.catch(ignore);
  }

  /** As `Queue.receive`, and CONSUMER_CLOSED. */
  async receive(options?: ReceiveOptions): Promise<QueueMessage<Output>[]> {
    if (this.#closing !== undefined) {
      throw createError('CONSUMER_CLOSED', { queue: this.#queue.name });
    }
    const request = resolveReceiveOptions(options, this.#queue.name);
    return await this.#queue.receiveBy(await this.#member, this.#codec, this.#home, request);
  }

  /** Gives back what it has, and ends its waits. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const member = await this.#member.catch(ignore);
    await member?.close();
  }
}

function ignore(): undefined {
  return undefined;
}
