/**
 * Notifications: order events fan out to e-mail, text messages and push, as each customer wants it.
 */

import { Broker } from '../../src/main.js';
import { type Channel, orderEvents, wantedBy } from './orders.js';
import { openRouting, publishOrder } from './routing.js';
import { EMAILS_PER_MINUTE, Senders } from './senders.js';

export interface NotificationsOptions {
  readonly folder: string;
  readonly print: (line: string) => void;
  /** How long a minute of the e-mail gateway lasts, and a retry waits, in milliseconds. */
  readonly minuteMs: number;
  readonly retryDelayMs: number;
}

const EVENTS = 240;
/** Each tenth event is published twice. */
const REPEATED = 10;
const CHANNELS: readonly Channel[] = ['email', 'sms', 'push'];

/** Throws when something is not as it has to be. */
export async function runNotifications(options: NotificationsOptions): Promise<void> {
  const { folder, print, minuteMs, retryDelayMs } = options;
  const broker = await Broker.open(folder);
  try {
    const { orders, channels } = await openRouting(broker, retryDelayMs);
    const events = orderEvents(EVENTS);
    const repeated = events.filter((_, number) => number % REPEATED === 0);
    const copies = await Promise.all(events.map((event) => publishOrder(orders, event)));
    const unheard = copies.filter((count) => count === 0).length;
    print(`orders: ${events.length} events, ${sum(copies)} copies, ${unheard} that nobody wants`);
    // Whoever is not sure whether an event was published publishes it again.
    await Promise.all(repeated.map((event) => publishOrder(orders, event)));
    print(`orders: ${repeated.length} events are published again`);

    const wanted = { email: 0, sms: 0, push: 0 };
    for (const channel of CHANNELS) wanted[channel] = wantedBy(channel, events).length;
    const senders = new Senders(channels, { minuteMs });
    try {
      await senders.until(wanted);
      await senders.stop();
      for (const channel of CHANNELS) {
        const expected = wantedBy(channel, events).map(({ id }) => id);
        const sent = senders.sent[channel].map(({ id }) => id);
        const isSame = expected.toSorted().join() === sent.toSorted().join();
        check(isSame, `${channel} has sent what is wanted, once`);
        check((await channels[channel].stats()).length === 0, `${channel} has nothing left`);
        print(`${channel}: ${sent.length} sent, each once`);
      }
      print(`sms: ${senders.failures} tries failed, and were made again`);
      const times = senders.sent.email.map(({ atMs }) => atMs);
      checkRate(times, minuteMs);
      print(
        `email: never more than ${EMAILS_PER_MINUTE} a minute after the first ${EMAILS_PER_MINUTE}`,
      );
    } finally {
      await senders.stop();
    }
  } finally {
    await broker.close();
  }
  print(`verified ${EVENTS} events`);
}

/** A bucket that begins full: behind the first hundred, one for each hundredth of a minute. */
function checkRate(times: readonly number[], minuteMs: number): void {
  const startMs = times[0] ?? 0;
  for (const [number, atMs] of times.entries()) {
    const earliestMs = ((number + 1 - EMAILS_PER_MINUTE) * minuteMs) / EMAILS_PER_MINUTE;
    // What was begun in the millisecond before the first one was noted.
    check(atMs - startMs >= earliestMs - 2, `e-mail ${number + 1} is not sent too early`);
  }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function check(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`not so: ${what}`);
}
