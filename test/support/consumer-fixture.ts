/**
 * Consumers on an imaginary disk: started on a broker, drained, and closed at the end of a test.
 */

import assert from 'node:assert/strict';
import type { Broker } from '../../src/broker/broker.js';
import { type ConsumerCallbacks, ConsumerCore } from '../../src/broker/consumer/consumer-core.js';
import type { ConsumerCoreOptions } from '../../src/broker/consumer/consumer-options.js';
import type { Topic } from '../../src/broker/topic/topic.js';
import type { Batch } from '../../src/storage/batch.js';
import { SimBroker } from './broker-fixture.js';

/** A broker that is closed at the end of the test. */
export async function openedBroker(t: {
  after: (run: () => Promise<void>) => void;
}): Promise<Broker> {
  const broker = await new SimBroker().open();
  t.after(() => broker.close());
  return broker;
}

/** Lets everything go as far as it goes without time passing. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export async function until(isTrue: () => boolean): Promise<void> {
  for (let turn = 0; turn < 2_000; turn += 1) {
    if (isTrue()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`never came true: ${isTrue}`);
}

/** The committed offsets of a group, by partition; none when there is no such group. */
export async function committedOf(broker: Broker, group: string): Promise<number[]> {
  const known = (await broker.groups.list()).some(({ groupId }) => groupId === group);
  if (!known) return [];
  const { partitions } = await broker.groups.describe(group);
  return partitions.flatMap(({ committedOffset }) =>
    committedOffset === undefined ? [] : [committedOffset],
  );
}

export function consumerCore(
  broker: Broker,
  topics: string | RegExp,
  options: ConsumerCoreOptions,
  callbacks: ConsumerCallbacks = {},
): ConsumerCore {
  return ConsumerCore.start([topics], options, callbacks, broker.consumers);
}

/** The values of a batch, as text. */
export function textOf(batch: Batch): string[] {
  return [...batch].map(({ value }) => value?.toString() ?? 'null');
}

/** Sends the numbers from `first` on as values, dealt out to the partitions in turn. */
export async function fill(
  topic: Topic<Buffer, Uint8Array | string>,
  count: number,
  first = 0,
): Promise<void> {
  const { partitions } = topic;
  const numbers = Array.from({ length: count }, (_, index) => first + index);
  await topic.send(
    numbers.map((number) => ({ value: String(number), partition: number % partitions })),
  );
}

/** Takes, and releases, until so many records have come: their values by partition. */
export async function takeAll(core: ConsumerCore, records: number): Promise<Map<number, string[]>> {
  const seen = new Map<number, string[]>();
  for (let count = 0; count < records; ) {
    const fetched = await core.take();
    assert.ok(fetched, 'the consumer is open');
    const values = textOf(fetched.batch);
    count += values.length;
    seen.set(fetched.partition, [...(seen.get(fetched.partition) ?? []), ...values]);
    core.release(fetched);
  }
  return seen;
}
