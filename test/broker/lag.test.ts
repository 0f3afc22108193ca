// Lag of a group, by partition: as a figure, and as an event.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { SimBroker } from '../support/broker-fixture.js';
import { fill, settle } from '../support/consumer-fixture.js';

test('lag: it is told by describe, with each commit, and from time to time', async () => {
  const sim = new SimBroker();
  const broker = await sim.open();
  const topic = await broker.topic('orders', { partitions: 2 });
  await fill(topic, 10);
  const told: unknown[] = [];
  const listen = (event: unknown): void => void told.push({ ...Object(event) });
  subscribe('millrace:group:lag', listen);
  try {
    const consumer = topic.consumer({ group: 'g', commit: 'manual' });
    for await (const batch of consumer) {
      if (batch.partition !== 1) continue;
      await batch.commit();
      await settle();
      const facts = { group: 'g', topic: 'orders', partition: 1, committedOffset: 5 };
      assert.deepEqual(told, [{ ...facts, endOffset: 5, lag: 0 }]);
      await fill(topic, 4, 10);
      sim.clock.advance(60_000);
      await settle();
      assert.deepEqual(told.at(-1), { ...facts, endOffset: 7, lag: 2 });
      const { partitions, lag } = await broker.groups.describe('g');
      assert.deepEqual(
        partitions.map(({ partition, committedOffset, endOffset, lag: own }) => {
          return [partition, committedOffset, endOffset, own];
        }),
        [
          [0, undefined, 7, undefined],
          [1, 5, 7, 2],
        ],
      );
      assert.equal(lag, 2);
      break;
    }
  } finally {
    unsubscribe('millrace:group:lag', listen);
    await broker.close();
  }
});
