// Sends of all kinds, mixed: each goes where it belongs, in the order of the calls, and says where.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { rejection } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';

const PARTITIONS = 3;

async function storedIn(broker: Broker, name: string): Promise<readonly string[][]> {
  const { hosted } = await broker.topic(name);
  const stored: string[][] = [];
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    stored.push(await valuesOfPartition(await hosted.partition(partition)));
  }
  return stored;
}

for (const compression of ['none', 'gzip'] as const) {
  test(`producer: singles, lists and signals keep their order, ${compression}`, async () => {
    await withSeed(async (prng, seed) => {
      const sim = new SimBroker();
      const broker = await sim.open();
      const topic = await broker.topic('a', { partitions: PARTITIONS, compression });
      const producer = broker.producer({ acks: prng.pick(['durable', 'written', 'none']) });
      const { signal } = new AbortController();
      const expected: string[][] = Array.from({ length: PARTITIONS }, () => []);
      const told: { partition: number; offset: number; value: string }[] = [];
      const sends: Promise<unknown>[] = [];
      for (let number = 0; number < 300; number += 1) {
        const partition = prng.integer(PARTITIONS);
        const size = prng.boolean(0.1) ? prng.integer(40_000) : prng.integer(200);
        const kind = prng.pick(['one', 'one', 'list', 'with-signal']);
        const count = kind === 'list' ? 1 + prng.integer(20) : 1;
        const values = Array.from({ length: count }, (_, index) =>
          `${number}/${index} `.padEnd(size, '.'),
        );
        expected[partition]?.push(...values);
        const tell = (base: number): void => {
          for (const [index, value] of values.entries()) {
            told.push({ partition, offset: base + index, value });
          }
        };
        const records = values.map((value) => ({ value, partition }));
        const [first = { value: '', partition }] = records;
        if (kind === 'list') {
          sends.push(
            producer.send(topic, records).then(({ ranges }) => tell(ranges[0]?.baseOffset ?? -1)),
          );
        } else {
          const options = kind === 'one' ? undefined : { signal };
          sends.push(producer.send(topic, first, options).then(({ offset }) => tell(offset)));
        }
        if (prng.boolean(0.2)) await Promise.race([sends.at(-1), new Promise(setImmediate)]);
      }
      await Promise.all(sends);
      await producer.flush();
      const stored = await storedIn(broker, 'a');
      assert.deepEqual(stored, expected, `seed ${seed}`);
      for (const { partition, offset, value } of told) {
        assert.equal(stored[partition]?.[offset], value, `${partition}/${offset}, seed ${seed}`);
      }
      assert.deepEqual([producer.bufferedBytes, producer.bufferedRecords], [0, 0]);
      await broker.close();
    });
  });
}

test('producer: values are encoded once, and those that come later keep their turn', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  let encoded = 0;
  const slow = {
    name: 'slow',
    decode: (stored: Buffer): number => Number(stored.toString()),
    encode: (value: number): string | Promise<string> => {
      encoded += 1;
      return value % 2 === 0 ? String(value) : Promise.resolve(String(value));
    },
  };
  const topic = await broker.topic('a', { codec: slow });
  await Promise.all([1, 2, 3, 4, 5].map((value) => topic.send({ value })));
  const log = await topic.hosted.partition(0);
  assert.deepEqual(await valuesOfPartition(log), ['1', '2', '3', '4', '5']);
  assert.equal(encoded, 5);
  await broker.close();
});

test('producer: what is no record is refused, wherever it waits, and holds nobody up', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const slow = {
    name: 'slow',
    decode: (stored: Buffer): string => stored.toString(),
    encode: (value: string): Promise<string> => Promise.resolve(value),
  };
  const later = await broker.topic('later', { codec: slow });
  const topic = await broker.topic('a');
  const producer = broker.producer();
  const wrong: readonly unknown[] = [null, undefined, 'text', 7];
  for (const one of wrong) {
    const records = [{ value: 'x' }, one] as unknown as readonly { value: string }[];
    await rejection(producer.send(topic, records), 'RECORD_INVALID');
    const before = producer.send(later, { value: 'first' });
    const refused = producer.send(topic, records);
    const behind = producer.send(topic, { value: 'last' });
    await rejection(refused, 'RECORD_INVALID');
    await Promise.all([before, behind, producer.flush()]);
  }
  const { hosted } = topic;
  const stored = await valuesOfPartition(await hosted.partition(0));
  assert.deepEqual(
    stored,
    wrong.map(() => 'last'),
  );
  assert.deepEqual([producer.bufferedBytes, producer.bufferedRecords], [0, 0]);
  await broker.close();
});
