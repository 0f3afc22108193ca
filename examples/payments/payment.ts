/**
 * What goes through the queue and the topic of the example.
 */

import { msgpack, type Queue, type Topic } from '../../src/main.js';
import type { Card } from './bank.js';

/** A job: charge this order. */
export interface Payment {
  readonly order: string;
  readonly customer: string;
  readonly card: Card;
  /** In cents. */
  readonly amount: number;
}

/** An event: this order was charged. */
export interface PaymentSuccess {
  readonly order: string;
  readonly customer: string;
  readonly amount: number;
}

export type PaymentQueue = Queue<Payment>;
export type SuccessTopic = Topic<PaymentSuccess, PaymentSuccess>;

export const paymentCodec = msgpack<Payment>();
export const successCodec = msgpack<PaymentSuccess>();
