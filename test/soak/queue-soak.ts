/**
 * One long run of a queue: its backlog swings between empty and full, again and again.
 *
 * The first tenth of a run swings ten times lower: by then code and memory of the process are what
 * they will be, and what a full backlog adds is seen behind it.
 *
 * Each message holds its number, so the consumers prove that every one of them was given out once:
 * nobody fails here and no lease ends, so once is what is promised.
 */

import { Broker } from '../../src/main.js';
import {
  DescriptorWatch,
  type FlatVerdict,
  judgeFlat,
  type Sample,
  takeSample,
} from './soak-samples.js';

export interface QueueSoakOptions {
  readonly directory: string;
  readonly messages: number;
  /** How many wait when the backlog is full. */
  readonly backlog: number;
  readonly sampleMs: number;
  readonly onSample?: (sample: Sample) => void;
}

export interface QueueSoakReport extends FlatVerdict {
  readonly acknowledged: number;
  readonly swings: number;
  /** The most that lay on the disk when the backlog was empty. */
  readonly emptyDiskBytesMax: number;
  readonly seconds: number;
  readonly samples: readonly Sample[];
}

const VALUE_BYTES = 100;
const BATCH = 1_000;
const SENDERS = 8;
const RECEIVERS = 4;
const QUEUE = 'swinging';

export async function runQueueSoak(options: QueueSoakOptions): Promise<QueueSoakReport> {
  const { directory, messages, backlog, sampleMs } = options;
  const broker = await Broker.open(directory);
  const samples: Sample[] = [];
  const descriptors = new DescriptorWatch();
  const startedMs = performance.now();
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  const run = new Swings(broker, messages);
  const sample = (): Sample => {
    const taken = takeSample(seconds(), run.progress, directory, descriptors.take());
    samples.push(taken);
    options.onSample?.(taken);
    return taken;
  };
  const timer = setInterval(sample, sampleMs);
  let swings = 0;
  let emptyDiskBytesMax = 0;
  try {
    while (run.sent < messages) {
      await run.fill(Math.min(run.sent < backlog ? backlog / 10 : backlog, messages - run.sent));
      await run.drain();
      swings += 1;
      emptyDiskBytesMax = Math.max(emptyDiskBytesMax, sample().diskBytes);
    }
  } finally {
    clearInterval(timer);
    descriptors.stop();
    await broker.close();
  }
  const { acknowledged } = run;
  const facts = { acknowledged, swings, emptyDiskBytesMax, seconds: seconds(), samples };
  return { ...judgeFlat(samples), ...facts };
}

class Swings {
  readonly #broker: Broker;
  readonly #messages: number;
  /** A bit for each message that was given out. */
  readonly #seen: Uint8Array;
  sent = 0;
  acknowledged = 0;

  constructor(broker: Broker, messages: number) {
    this.#broker = broker;
    this.#messages = messages;
    this.#seen = new Uint8Array(Math.ceil(messages / 8));
  }

  get progress(): number {
    return (this.sent + this.acknowledged) / (2 * this.#messages);
  }

  async fill(count: number): Promise<void> {
    const queue = await this.#broker.queue(QUEUE);
    const end = this.sent + count;
    const send = async (): Promise<void> => {
      // What was sent is copied: the same memory serves the next batch.
      const memory = Buffer.alloc(BATCH * VALUE_BYTES, 'x');
      const batch = Array.from({ length: BATCH }, (_, index) => ({
        value: memory.subarray(index * VALUE_BYTES, (index + 1) * VALUE_BYTES),
      }));
      while (this.sent < end) {
        const from = this.sent;
        const size = Math.min(BATCH, end - from);
        this.sent += size;
        for (let index = 0; index < size; index += 1) {
          memory.writeDoubleLE(from + index, index * VALUE_BYTES);
        }
        await queue.sendBatch(size === BATCH ? batch : batch.slice(0, size));
      }
    };
    await Promise.all(Array.from({ length: SENDERS }, send));
  }

  /** Until everything that was sent is acknowledged. */
  async drain(): Promise<void> {
    const queue = await this.#broker.queue(QUEUE);
    const take = async (): Promise<void> => {
      while (this.acknowledged < this.sent) {
        const messages = await queue.receive({ max: BATCH, waitMs: 100 });
        for (const { value } of messages) this.#note(value);
        await queue.acknowledge(messages);
        this.acknowledged += messages.length;
      }
    };
    await Promise.all(Array.from({ length: RECEIVERS }, take));
  }

  #note(value: Buffer | null): void {
    const number = value?.readDoubleLE() ?? -1;
    if (!(number >= 0 && number < this.sent)) throw new Error(`there was no message ${number}`);
    const bit = 1 << (number % 8);
    const at = Math.floor(number / 8);
    const known = this.#seen[at] ?? 0;
    if ((known & bit) !== 0) throw new Error(`message ${number} was given out twice`);
    this.#seen[at] = known | bit;
  }
}
