/**
 * Order events, and what customers want to hear of them.
 */

import { msgpack } from '../../src/main.js';

export type Channel = 'email' | 'sms' | 'push';

export interface OrderEvent {
  readonly id: string;
  readonly kind: 'created' | 'shipped';
  readonly customer: string;
  readonly amount: number;
}

export const orderCodec = msgpack<OrderEvent>();

const CUSTOMERS = ['ada', 'bob', 'cleo', 'dan'] as const;

/** Who wants what. Dan wants nothing. */
export const preferences: Readonly<Record<string, readonly Channel[]>> = Object.freeze({
  ada: ['email', 'sms', 'push'],
  bob: ['email'],
  cleo: ['sms', 'push'],
  dan: [],
});

/** Text messages are sent above this amount. */
export const SMS_ABOVE = 500;

/** Events that are the same in every run. */
export function orderEvents(count: number): OrderEvent[] {
  return Array.from({ length: count }, (_, number) => ({
    id: `event-${number + 1}`,
    kind: number % 3 === 2 ? 'shipped' : 'created',
    customer: CUSTOMERS[number % CUSTOMERS.length] ?? '',
    amount: ((number * 37) % 100) * 10,
  }));
}

/** Of what customers are to hear by a channel: what the routing has to come to. */
export function wantedBy(channel: Channel, events: readonly OrderEvent[]): OrderEvent[] {
  return events.filter(({ customer, amount, kind }) => {
    if (preferences[customer]?.includes(channel) !== true) return false;
    if (channel === 'push') return kind === 'created';
    return channel !== 'sms' || amount > SMS_ABOVE;
  });
}
