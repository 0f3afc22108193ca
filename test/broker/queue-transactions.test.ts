/**
 * Queues in transactions: what is sent is there when it commits, what is acknowledged is done then.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { BytesQueue } from '../../src/broker/broker-queue-face.js';
import { SimBroker } from '../support/broker-fixture.js';
import { settled } from '../support/fixtures.js';

async function withBroker(
  run: (broker: Broker, process: SimBroker) => Promise<void>,
): Promise<void> {
  const process = new SimBroker();
  const broker = await process.open();
  await run(broker, process);
  await broker.close();
}

async function texts(queue: BytesQueue): Promise<string[]> {
  return (await queue.receive({ max: 100 })).map(({ value }) => String(value));
}

suite('queue transactions', () => {
  test('a message is acknowledged here and sent there in one step, or neither', async () => {
    await withBroker(async (broker) => {
      const [from, to] = [await broker.queue('from'), await broker.queue('to', { priorities: 2 })];
      await from.send('a');
      const [message] = await from.receive();
      assert(message !== undefined);
      const failing = broker.transaction(async (tx) => {
        tx.acknowledge(message);
        await tx.send(to, 'undone', { priority: 1 });
        throw new Error('changed my mind');
      });
      await assert.rejects(failing, /changed my mind/);
      assert.deepEqual(await texts(to), []);
      const sent = await broker.transaction(async (tx) => {
        tx.acknowledge(message);
        return await tx.send(to, 'done', { priority: 1, ttlMs: 1_000 });
      });
      const [received] = await to.receive();
      assert.deepEqual([received?.value?.toString(), received?.priority], ['done', 1]);
      assert.equal(received?.id, sent.id);
      assert.equal((await from.stats()).length, 0);
    });
  });

  test('a message that is sent here adds to the depth when the transaction commits', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('a');
      await broker.transaction(async (tx) => {
        await tx.send(jobs, 'b');
        await settled();
        assert.equal((await jobs.stats()).depth, 1);
      });
      assert.equal((await jobs.when({ depthAbove: 1 })).depth, 2);
    });
  });

  test('a delayed message waits when the transaction commits, or never comes', async () => {
    await withBroker(async (broker, { clock }) => {
      const jobs = await broker.queue('jobs');
      const failing = broker.transaction(async (tx) => {
        await tx.send(jobs, 'undone', { delayMs: 1_000 });
        throw new Error('no');
      });
      await assert.rejects(failing, /no/);
      await broker.transaction((tx) => tx.send(jobs, 'done', { delayMs: 1_000 }));
      await settled();
      clock.advance(1_000);
      for (let turn = 0; turn < 3; turn += 1) await settled();
      assert.deepEqual(await texts(jobs), ['done']);
    });
  });

  test('a message with a deduplication id is refused', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      const sending = broker.transaction((tx) => tx.send(jobs, 'a', { deduplicationId: 'x' }));
      await assert.rejects(sending, { code: 'OPTION_INVALID' });
    });
  });

  test('a limit holds for transactions as well', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { lengthMax: 1, overflow: 'reject' });
      await jobs.send('a');
      const sending = broker.transaction((tx) => tx.send(jobs, 'b'));
      await assert.rejects(sending, { code: 'QUEUE_FULL' });
    });
  });
});
