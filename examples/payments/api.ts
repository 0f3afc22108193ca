/**
 * The API: takes orders and puts a job for each on the queue. A client that is not sure whether it
 * was heard asks again; the queue keeps one job for each order.
 */

import type { Card } from './bank.js';
import type { Payment, PaymentQueue } from './payment.js';

const CARDS: readonly Card[] = ['fine', 'fine', 'slow', 'fine', 'closed', 'fine', 'stolen', 'fine'];
const CUSTOMERS = ['ada', 'bob', 'cleo'];

/** Orders that are the same in every run. */
export function paymentsOf(count: number): Payment[] {
  return Array.from({ length: count }, (_, number) => ({
    order: `order-${number + 1}`,
    customer: CUSTOMERS[number % CUSTOMERS.length] ?? '',
    card: CARDS[number % CARDS.length] ?? 'fine',
    amount: 1_000 * (number + 1) + 99,
  }));
}

/** Resolves to how many requests were repetitions; all jobs are durable then. */
export async function acceptPayments(
  queue: PaymentQueue,
  payments: readonly Payment[],
): Promise<number> {
  let repetitions = 0;
  const accept = async (payment: Payment): Promise<void> => {
    const sent = await queue.send(payment, { deduplicationId: payment.order });
    if (sent.isDuplicate) repetitions += 1;
  };
  await Promise.all(payments.map(accept));
  // Every third client has lost the answer.
  await Promise.all(payments.filter((_, number) => number % 3 === 0).map(accept));
  return repetitions;
}
