/**
 * Who reads `payment.success`: three groups, each with all of it and at its own pace.
 *
 *     ledger         adds the amounts up
 *     fraud          looks at large ones
 *     notification   thanks each customer
 */

import type { PaymentSuccess, SuccessTopic } from './payment.js';

/** Amounts from here on are looked at, in cents. */
const LARGE = 15_000;

export class Readers {
  ledgerTotal = 0;
  readonly suspicious: string[] = [];
  readonly thanks = new Map<string, number>();
  readonly #counts = new Map<string, number>();
  readonly #reading: Promise<void>[];
  readonly #stop = new AbortController();
  #changed: () => void = () => undefined;

  constructor(topic: SuccessTopic) {
    this.#reading = [
      this.#read(topic, 'ledger', ({ amount }) => {
        this.ledgerTotal += amount;
      }),
      this.#read(topic, 'fraud', ({ order, amount }) => {
        if (amount >= LARGE) this.suspicious.push(order);
      }),
      this.#read(topic, 'notification', ({ customer }) => {
        this.thanks.set(customer, (this.thanks.get(customer) ?? 0) + 1);
      }),
    ];
  }

  /** How many events each group has read. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Resolves when every group has read so many. Rejects with what ends one of them. */
  async until(count: number): Promise<void> {
    const enough = async (): Promise<void> => {
      while (this.#reading.length > [...this.#counts.values()].filter((n) => n >= count).length) {
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      }
    };
    await Promise.race([enough(), ...this.#reading]);
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#reading);
  }

  async #read(
    topic: SuccessTopic,
    group: string,
    take: (event: PaymentSuccess) => void,
  ): Promise<void> {
    const consumer = topic.consumer({ group, signal: this.#stop.signal });
    for await (const batch of consumer) {
      for (const { value } of batch) {
        if (value !== null) take(value);
        this.#counts.set(group, (this.#counts.get(group) ?? 0) + 1);
      }
      await batch.commit();
      this.#changed();
    }
  }
}
