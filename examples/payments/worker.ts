/**
 * The workers: charge a card, then publish the success and acknowledge the job in one transaction,
 * so that there is one event for each job that is done, whenever a process dies.
 */

import type { Broker, QueueMessage, QueueWorker } from '../../src/main.js';
import { type Bank, BankError } from './bank.js';
import type { Payment, PaymentQueue, SuccessTopic } from './payment.js';

export interface WorkerParts {
  readonly broker: Broker;
  readonly queue: PaymentQueue;
  readonly successes: SuccessTopic;
  readonly bank: Bank;
  /** Hears why a try has failed. */
  readonly failed: (code: BankError['code']) => void;
}

export function startWorker(parts: WorkerParts): QueueWorker {
  const { broker, queue, successes, bank, failed } = parts;
  const handle = async (message: QueueMessage<Payment>): Promise<void> => {
    const { value } = message;
    if (value === null) throw new RangeError('a payment is not empty');
    const { order, customer, card, amount } = value;
    try {
      await bank.charge(order, card);
    } catch (error) {
      if (error instanceof BankError) failed(error.code);
      throw error;
    }
    await broker.transaction(async (transaction) => {
      await transaction.send(successes, { key: customer, value: { order, customer, amount } });
      transaction.acknowledge(message);
    });
  };
  return queue.consume(handle, {
    concurrency: 4,
    retryIf: (error) => !(error instanceof BankError && error.code === 'CARD_DECLINED'),
  });
}
