/**
 * From one exchange to three queues: by the kind of the event, by what the customer wants, and for
 * text messages by the amount. Nothing of that is in the code that publishes, but the facts.
 */

import type { Broker, Exchange, Queue } from '../../src/main.js';
import { type Channel, type OrderEvent, orderCodec, preferences, SMS_ABOVE } from './orders.js';

export type Channels = Readonly<Record<Channel, Queue<OrderEvent>>>;

export interface Routing {
  readonly orders: Exchange<OrderEvent>;
  readonly channels: Channels;
}

export async function openRouting(broker: Broker, retryDelayMs: number): Promise<Routing> {
  const orders = await broker.exchange('orders', 'topic', { codec: orderCodec });
  const open = (channel: Channel): Promise<Queue<OrderEvent>> => {
    return broker.queue(channel, {
      codec: orderCodec,
      retry: { backoff: 'linear', delayMs: retryDelayMs, delayMsMax: 10 * retryDelayMs },
    });
  };
  const channels = { email: await open('email'), sms: await open('sms'), push: await open('push') };
  await orders.bind(channels.email, { key: 'order.*', filter: { email: ['yes'] } });
  await orders.bind(channels.push, { key: 'order.created', filter: { push: ['yes'] } });
  const sms = { sms: ['yes'], amount: [{ numeric: ['>', SMS_ABOVE] }] };
  await orders.bind(channels.sms, { key: 'order.*', filter: sms });
  return { orders, channels };
}

/**
 * Resolves to how many queues have it, durably. To publish an event again is harmless: each queue
 * knows it by its id.
 */
export async function publishOrder(
  orders: Exchange<OrderEvent>,
  event: OrderEvent,
): Promise<number> {
  const { id: deduplicationId, kind, customer, amount } = event;
  const wishes = (preferences[customer] ?? []).map((channel) => [channel, 'yes']);
  const headers = { ...Object.fromEntries(wishes), amount };
  const { routed } = await orders.publish(event, {
    key: `order.${kind}`,
    headers,
    deduplicationId,
  });
  return routed;
}
