/**
 * The consumers of the three channels, and the gateways behind them, which are not there.
 *
 * E-mails go at the rate that the gateway allows, whatever the queue holds. A text message whose
 * gateway does not answer is tried again, after a delay that grows.
 */

import type { QueueMessage, QueueWorker } from '../../src/main.js';
import type { Channel, OrderEvent } from './orders.js';
import type { Channels } from './routing.js';

/** The e-mail gateway takes so many in a minute. */
export const EMAILS_PER_MINUTE = 100;

export interface SendersOptions {
  /** How long a minute of the e-mail gateway lasts, in milliseconds. */
  readonly minuteMs: number;
}

export class Senders {
  /** Ids in the order in which they were sent, and when. */
  readonly sent: Readonly<Record<Channel, { readonly id: string; readonly atMs: number }[]>> = {
    email: [],
    sms: [],
    push: [],
  };
  failures = 0;
  readonly #tried = new Set<string>();
  readonly #workers: readonly QueueWorker[];
  #changed: () => void = () => undefined;

  constructor(channels: Channels, options: SendersOptions) {
    const rateLimit = { count: EMAILS_PER_MINUTE, perMs: options.minuteMs };
    this.#workers = [
      channels.email.consume(this.#sender('email'), { rateLimit }),
      channels.sms.consume(this.#sender('sms'), { concurrency: 4 }),
      channels.push.consume(this.#sender('push'), { concurrency: 32 }),
    ];
  }

  /** Resolves when each channel has sent so many. Rejects with what ends a worker. */
  async until(counts: Readonly<Record<Channel, number>>): Promise<void> {
    const isEnough = (channel: Channel): boolean => this.sent[channel].length >= counts[channel];
    const ended = Promise.race(this.#workers.map(({ finished }) => finished));
    const enough = async (): Promise<void> => {
      while (!isEnough('email') || !isEnough('sms') || !isEnough('push')) {
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      }
    };
    await Promise.race([enough(), ended]);
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#workers.map((worker) => worker.stop()));
  }

  #sender(channel: Channel): (message: QueueMessage<OrderEvent>) => void {
    return ({ value, failures }) => {
      if (value === null) throw new RangeError('an order event is not empty');
      if (channel === 'sms' && failures === 0) this.#tryGateway(value.id);
      this.sent[channel].push({ id: value.id, atMs: performance.now() });
      this.#changed();
    };
  }

  /** The gateway for text messages does not answer to every second message at first. */
  #tryGateway(id: string): void {
    this.#tried.add(id);
    if (this.#tried.size % 2 !== 0) return;
    this.failures += 1;
    throw new Error('the gateway does not answer');
  }
}
