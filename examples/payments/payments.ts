/**
 * Payments, from the API to the ledger: jobs on a queue, workers that try again, events on a topic
 * that three groups read, dead letters, and a monitor that gives those back which can succeed now.
 */

import { setTimeout } from 'node:timers/promises';
import { Broker } from '../../src/main.js';
import { acceptPayments, paymentsOf } from './api.js';
import { Bank } from './bank.js';
import { type Payment, type PaymentQueue, paymentCodec, successCodec } from './payment.js';
import { Readers } from './readers.js';
import { startWorker } from './worker.js';

export interface PaymentsOptions {
  readonly folder: string;
  readonly print: (line: string) => void;
  /** The delay before a job is tried again, in milliseconds. */
  readonly retryDelayMs: number;
}

const PAYMENTS = 24;
const DELIVERIES_MAX = 4;
const LOOK_MS = 5;

/** Throws when something is not as it has to be. */
export async function runPayments({ folder, print, retryDelayMs }: PaymentsOptions): Promise<void> {
  const broker = await Broker.open(folder);
  try {
    const queue = await broker.queue('payments', {
      codec: paymentCodec,
      maxDeliveries: DELIVERIES_MAX,
      retry: { backoff: 'exponential', delayMs: retryDelayMs, delayMsMax: 20 * retryDelayMs },
    });
    const dead = await broker.queue('payments-dead', {
      codec: paymentCodec,
      maxDeliveries: 'unlimited',
      deadLetter: 'none',
    });
    const successes = await broker.topic('payment.success', { partitions: 3, codec: successCodec });
    const bank = new Bank();
    const failures = new Map<string, number>();
    const failed = (code: string): void => {
      failures.set(code, (failures.get(code) ?? 0) + 1);
    };

    const payments = paymentsOf(PAYMENTS);
    const repetitions = await acceptPayments(queue, payments);
    print(`api: ${payments.length} payments on the queue, ${repetitions} repetitions left out`);

    const readers = new Readers(successes);
    const crew = startWorker({ broker, queue, successes, bank, failed });
    try {
      const withCard = (card: Payment['card']) => payments.filter((each) => each.card === card);
      const [closed, stolen] = [withCard('closed'), withCard('stolen')];
      const deaths = closed.length + stolen.length;

      await deadLetters(dead, deaths);
      await readers.until(payments.length - deaths);
      print(`workers: ${payments.length - deaths} payments made`);
      for (const [code, count] of sorted(failures)) print(`workers: ${count} tries: ${code}`);
      const { groups } = await dead.groupByError();
      const byCode = groups.map(({ code, count }) => [code ?? 'without a code', count] as const);
      for (const [code, count] of sorted(byCode)) print(`monitor: ${count} dead: ${code}`);

      bank.open();
      const { moved } = await dead.redrive({ filter: { code: 'BANK_CLOSED' } });
      print(`monitor: the bank is open, ${moved} payments go back`);
      const made = payments.length - stolen.length;
      await readers.until(made);
      print(`workers: ${made} payments made`);
      await crew.stop();

      for (const [group, count] of sorted(readers.counts)) print(`${group}: ${count} events`);
      const total = payments
        .filter(({ card }) => card !== 'stolen')
        .reduce((sum, { amount }) => sum + amount, 0);
      print(`ledger: ${(readers.ledgerTotal / 100).toFixed(2)} in all`);
      print(`fraud: looks at ${readers.suspicious.length} large payments`);
      for (const [customer, count] of sorted(readers.thanks)) {
        print(`notification: thanks ${customer} ${count} times`);
      }
      check(readers.ledgerTotal === total, 'the ledger has every payment once');
      check(bank.charged.size === made, 'the bank has charged each order');
      const left = await dead.peek({ max: 100 });
      check(
        left.messages.length === stolen.length,
        'what cannot succeed stays where it can be seen',
      );
      for (const { value, deadLetter } of left.messages) {
        print(`dead: ${value?.order}, ${deadLetter?.reason}`);
      }
      const { length } = await queue.stats();
      check(length === 0, 'no job is left');
    } finally {
      await crew.stop({ drainMs: 0 });
      await readers.close();
    }
  } finally {
    await broker.close();
  }
  print(`verified ${PAYMENTS} payments`);
}

/** The monitor wakes when there are dead letters, and looks until it has seen so many. */
async function deadLetters(dead: PaymentQueue, count: number): Promise<void> {
  await dead.when({ depthAbove: 0 });
  while ((await dead.peek({ max: count })).messages.length < count) await setTimeout(LOOK_MS);
}

function sorted(counts: Iterable<readonly [string, number]>): (readonly [string, number])[] {
  return [...counts].sort(([one], [other]) => (one < other ? -1 : 1));
}

function check(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`not so: ${what}`);
}
