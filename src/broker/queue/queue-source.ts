/**
 * A queue as its workers see it: messages, and ways to end lists of them.
 */

import type { Codec } from '../topic/codec.js';
import type { WorkerSource } from '../worker/queue-worker-source.js';
import type { HostedQueue } from './hosted-queue.js';
import type { QueueDelivery, RefusedQueueDelivery } from './queue-group.js';
import type { MessageHome, QueueMessage } from './queue-message.js';
import type { OpenMessages } from './queue-messages.js';

/** Reasons of dead letters that say nothing else. */
const REJECTED = { reason: 'rejected', code: 'MESSAGE_REJECTED' };

export function queueSource<Output>(
  queue: HostedQueue,
  codec: Codec<Output, never>,
  home: MessageHome,
): WorkerSource<QueueMessage<Output>> {
  type Message = QueueMessage<Output>;

  async function end(
    messages: readonly Message[],
    by: (
      open: OpenMessages,
      deliveries: readonly QueueDelivery[],
    ) => Promise<readonly RefusedQueueDelivery[]> | readonly RefusedQueueDelivery[],
  ): Promise<readonly Message[]> {
    const refused = await by(await queue.messages(), messages.map(deliveryOf));
    return refused.length === 0 ? [] : messagesOf(messages, refused);
  }

  return {
    queue: queue.name,
    get retry() {
      return queue.config.retry;
    },
    get leaseMs() {
      return queue.config.visibilityTimeoutMs;
    },
    join: async (request) => {
      const member = await queue.join(request);
      return {
        receive: (wanted) => queue.receiveBy(member, codec, home, wanted),
        close: () => member.close(),
      };
    },
    isHeld: ({ delivery }) => queue.isHeld(delivery),
    acknowledge: (messages) => {
      return end(messages, ({ group }, deliveries) => group.acknowledgeAll(deliveries));
    },
    release: (messages, { delayMs, isFailure, error }) => {
      return end(messages, ({ group, letters }, deliveries) => {
        if (isFailure && error !== undefined) {
          for (const delivery of deliveries) letters.noteFailure(delivery, error);
        }
        return group.releaseAll(deliveries, { delayMs, isFailure });
      });
    },
    reject: (message, why) => {
      const isWords = 'reason' in why;
      const cause = isWords ? { ...REJECTED, reason: why.reason ?? REJECTED.reason } : why;
      return end([message], ({ endings }, deliveries) => endings.rejectAll(deliveries, cause));
    },
    extend: (messages, leaseMs) => {
      return end(messages, ({ group }, deliveries) => group.extendAll(deliveries, leaseMs));
    },
    withdraw: async (messages, delayMs) => {
      const { group } = await queue.messages();
      await group.withdraw(messages.map(deliveryOf), { delayMs });
    },
  };
}

function deliveryOf({ delivery }: QueueMessage<unknown>): QueueDelivery {
  return delivery;
}

/** The messages of these deliveries. */
function messagesOf<Message extends QueueMessage<unknown>>(
  messages: readonly Message[],
  refused: readonly RefusedQueueDelivery[],
): readonly Message[] {
  const over = new Set(refused.map(({ delivery }) => delivery));
  return messages.filter(({ delivery }) => over.has(delivery));
}
