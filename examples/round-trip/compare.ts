/**
 * Compares what the topic holds with the input, byte for byte: each line must be the next record of
 * the partition that its address leads to. And looks a sample of them up by their time.
 */

import type { Consumer } from '../../src/main.js';
import type { LinesTopic } from './produce.js';
import type { ReadingGroup } from './reading-group.js';
import { addressOf, type Input, inputLines } from './topic-input.js';

const TIME_SAMPLES = 60;

interface Found {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
}

interface Stored {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
}

/** One partition from its beginning, a record at a time. */
class PartitionReader {
  readonly partition: number;
  batches = 0;
  readonly #consumer: Consumer<Buffer>;
  #batch: Iterator<Stored> | undefined;

  constructor(topic: LinesTopic, partition: number) {
    this.partition = partition;
    this.#consumer = topic.consumer({ partitions: [partition] });
  }

  /** The record that comes next; there must be one. */
  async next(): Promise<Stored> {
    for (;;) {
      const step = this.#batch?.next();
      if (step !== undefined && step.done !== true) return step.value;
      const fetched = await this.#consumer.next();
      if (fetched.done === true) throw new Error('the topic was closed');
      this.batches += 1;
      this.#batch = fetched.value[Symbol.iterator]();
    }
  }

  async close(): Promise<void> {
    await this.#consumer.close();
  }
}

export interface Compared {
  readonly batches: number;
  readonly samples: number;
}

/**
 * Throws an error that names the first line which is not as it should be. `group` has read all of
 * the topic: it says where the lines of an address are.
 */
export async function compareAll(
  topic: LinesTopic,
  group: ReadingGroup,
  input: Input,
  baseMs: number,
): Promise<Compared> {
  const readers = Array.from(
    { length: topic.partitions },
    (_, partition) => new PartitionReader(topic, partition),
  );
  try {
    const samples = await compareLines(readers, group, input, baseMs);
    const batches = readers.reduce((sum, reader) => sum + reader.batches, 0);
    for (const sample of samples) await compareByTime(topic, sample);
    return { batches, samples: samples.length };
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
  }
}

async function compareLines(
  readers: readonly PartitionReader[],
  group: ReadingGroup,
  input: Input,
  baseMs: number,
): Promise<readonly Found[]> {
  const every = Math.max(1, Math.floor(group.records / TIME_SAMPLES));
  const samples: Found[] = [];
  let number = 0;
  for await (const lines of inputLines(input)) {
    for (const line of lines) {
      const address = addressOf(line);
      const reader = readers[group.partitionOf(address.toString('latin1')) ?? -1];
      if (reader === undefined) throw new Error(`no record has the address of line ${number + 1}`);
      const { key, value, offset, timestamp } = await reader.next();
      const isSame = value?.equals(line) === true && key?.equals(address) === true;
      if (!isSame || timestamp !== baseMs + number) {
        const place = `offset ${offset} of partition ${reader.partition}`;
        throw new Error(`${place} differs from line ${number + 1}`);
      }
      if (number % every === 0) samples.push({ partition: reader.partition, offset, timestamp });
      number += 1;
    }
  }
  if (number !== group.records) throw new Error(`there are ${number} lines, not ${group.records}`);
  return samples;
}

/** The first record at or after a time is the one that has it. */
async function compareByTime(topic: LinesTopic, sample: Found): Promise<void> {
  const { partition, offset, timestamp } = sample;
  const consumer = topic.consumer({ partitions: [partition], from: { timestamp } });
  try {
    const fetched = await consumer.next();
    const first = fetched.done === true ? undefined : fetched.value[Symbol.iterator]().next().value;
    if (first?.offset === offset) return;
    throw new Error(`the time of offset ${offset} leads to offset ${first?.offset}`);
  } finally {
    await consumer.close();
  }
}
