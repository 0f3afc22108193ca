/**
 * Prints rates and lag while the topic is filled and read: at once when so many records were sent,
 * twice as many each time, and every second besides.
 */

import type { Broker } from '../../src/main.js';
import type { Sent } from './produce.js';
import type { ReadingGroup } from './reading-group.js';

const LOOK_MS = 10;
const PRINT_MS = 1000;
const FIRST_RECORDS = 1000;

export class Progress {
  readonly #broker: Broker;
  readonly #sent: Sent;
  readonly #groups: readonly ReadingGroup[];
  #startedMs = 0;
  #printedMs = 0;
  #nextRecords = FIRST_RECORDS;
  #timer: NodeJS.Timeout | undefined;
  #printing: Promise<void> = Promise.resolve();

  constructor(broker: Broker, sent: Sent, groups: readonly ReadingGroup[]) {
    this.#broker = broker;
    this.#sent = sent;
    this.#groups = groups;
  }

  start(): void {
    this.#startedMs = performance.now();
    this.#printedMs = this.#startedMs;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Prints once more. */
  async end(): Promise<void> {
    this.stop();
    this.#print();
    await this.#printing;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const isDue = performance.now() - this.#printedMs >= PRINT_MS;
    if (isDue || this.#sent.records >= this.#nextRecords) this.#print();
  }

  #print(): void {
    this.#printedMs = performance.now();
    while (this.#nextRecords <= this.#sent.records) this.#nextRecords *= 2;
    this.#printing = this.#printing.then(() => this.#printNow()).catch(() => undefined);
  }

  async #printNow(): Promise<void> {
    const described = await Promise.all(
      this.#groups.map(async ({ name }) => (await this.#broker.groups.describe(name)).lag),
    );
    const elapsed = Math.max(1, performance.now() - this.#startedMs) / 1000;
    const rate = (records: number): string => `${whole(records)} (${whole(records / elapsed)}/s)`;
    const groups = this.#groups.map(
      ({ name, records }, index) => `${name} ${rate(records)}, lag ${whole(described[index] ?? 0)}`,
    );
    const sent = `sent ${rate(this.#sent.records)}`;
    process.stdout.write(`${elapsed.toFixed(2)} s  ${[sent, ...groups].join('; ')}\n`);
  }
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}
