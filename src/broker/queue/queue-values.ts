/**
 * From deliveries to messages: values are decoded, and those that cannot be are told apart.
 */

import { asInvalid, type Codec } from '../topic/codec.js';
import type { QueueDelivery } from './queue-group.js';
import { isPlain, type MessageHome, QueueMessage } from './queue-message.js';

export interface UnreadableMessage {
  readonly delivery: QueueDelivery;
  /** VALUE_INVALID. */
  readonly error: Error;
}

export interface ReadMessages<Output> {
  readonly messages: QueueMessage<Output>[];
  readonly unreadable: readonly UnreadableMessage[];
}

const NONE: readonly UnreadableMessage[] = Object.freeze([]);

/** In the order of the deliveries; a promise, which never rejects, when values are decoded. */
export function readMessages<Output>(
  home: MessageHome,
  codec: Codec<Output, never>,
  deliveries: readonly QueueDelivery[],
): ReadMessages<Output> | Promise<ReadMessages<Output>> {
  if (!isPlain(codec)) return decodeMessages(home, codec, deliveries);
  const content = { codec };
  const messages = deliveries.map((delivery) => new QueueMessage(home, delivery, content));
  return { messages, unreadable: NONE };
}

async function decodeMessages<Output>(
  home: MessageHome,
  codec: Codec<Output, never>,
  deliveries: readonly QueueDelivery[],
): Promise<ReadMessages<Output>> {
  const messages: QueueMessage<Output>[] = [];
  const unreadable: UnreadableMessage[] = [];
  for (const delivery of deliveries) {
    try {
      const { value: stored } = delivery.record;
      const decoded = stored === null ? null : codec.decode(stored);
      const value = decoded instanceof Promise ? await decoded : decoded;
      messages.push(new QueueMessage<Output>(home, delivery, { value }));
    } catch (error) {
      unreadable.push({ delivery, error: asInvalid(codec, error) });
    }
  }
  return { messages, unreadable };
}
