/**
 * The part of a broker's face that is about queues.
 */

import type { BrokerQueues } from './broker-queues.js';
import type { Queue } from './queue/queue.js';
import {
  type QueueDescription,
  type QueueSummary,
  summarizeQueue,
} from './queue/queue-description.js';
import type { QueueOptions } from './queue/queue-options.js';
import { bytes, type Codec, checkCodec } from './topic/codec.js';

/** A queue's options, and the codec that this handle of it uses. */
export interface TypedQueueOptions<Output, Input> extends QueueOptions {
  readonly codec: Codec<Output, Input>;
}

export type BytesQueue = Queue<Buffer, Uint8Array | string>;

export abstract class QueueFace {
  /** @internal The queues of a broker that is open. Throws BROKER_CLOSED. */
  abstract get queues(): BrokerQueues;

  /**
   * The queue of this name when it is there, made now when it is not. Without a codec its values
   * are bytes. Rejects with INVALID_TOPIC_NAME, QUEUE_CONFLICT (an option differs from the queue's,
   * or the name is that of a topic), QUEUES_FULL, OPTION_UNKNOWN, OPTION_INVALID.
   */
  queue(name: string, options?: QueueOptions): Promise<BytesQueue>;
  queue<Output, Input>(
    name: string,
    options: TypedQueueOptions<Output, Input>,
  ): Promise<Queue<Output, Input>>;
  async queue(
    name: string,
    { codec, ...options }: Partial<TypedQueueOptions<unknown, unknown>> = {},
  ): Promise<unknown> {
    checkCodec(codec);
    if (codec === undefined) return await this.queues.declare(name, bytes, options);
    return await this.queues.declare(name, codec, options);
  }

  /** Makes a queue. Rejects with QUEUE_EXISTS, and otherwise like `queue`. */
  createQueue(name: string, options?: QueueOptions): Promise<BytesQueue>;
  createQueue<Output, Input>(
    name: string,
    options: TypedQueueOptions<Output, Input>,
  ): Promise<Queue<Output, Input>>;
  async createQueue(
    name: string,
    { codec, ...options }: Partial<TypedQueueOptions<unknown, unknown>> = {},
  ): Promise<unknown> {
    checkCodec(codec);
    if (codec === undefined) return await this.queues.create(name, bytes, options);
    return await this.queues.create(name, codec, options);
  }

  /** By name. */
  listQueues(): readonly QueueSummary[] {
    return this.queues.registry.list().map(summarizeQueue);
  }

  /** Opens the queue, for its statistics. Rejects with UNKNOWN_QUEUE. */
  async describeQueue(name: string): Promise<QueueDescription> {
    return await this.queues.describe(name);
  }

  /**
   * Changes options while the queue is in use; durable when it resolves. Rejects with
   * UNKNOWN_QUEUE, OPTION_UNKNOWN, and OPTION_INVALID for options that a queue keeps from its
   * creation on.
   */
  async alterQueue(name: string, changes: QueueOptions): Promise<void> {
    await this.queues.alter(name, changes);
  }

  /**
   * Deletes a queue with all its messages, while it is in use: workers and long polls end. It is
   * gone when this resolves; a deletion that a crash cuts short goes on with the next open.
   * Rejects with UNKNOWN_QUEUE.
   */
  async deleteQueue(name: string): Promise<void> {
    await this.queues.delete(name);
  }
}
