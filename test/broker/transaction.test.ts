// Transactions over topics: all of it or nothing, and who may what meanwhile.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCode } from '../../src/base/errors.js';
import type { Broker } from '../../src/broker/broker.js';
import type { Transaction } from '../../src/broker/transaction/transaction.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';

async function twoTopics(sim = new SimBroker()) {
  const broker = await sim.open();
  await broker.createTopic('a', { partitions: 2 });
  await broker.createTopic('b');
  return { sim, broker };
}

function signal(): { readonly given: Promise<void>; readonly give: () => void } {
  let give: () => void = () => undefined;
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}

/** What readers of committed records see in each partition. */
async function seen(broker: Broker, isolation: 'committed' | 'uncommitted' = 'committed') {
  const found: Record<string, string[]> = {};
  for (const { name, partitionCount } of broker.listTopics()) {
    const topic = await broker.topic(name);
    for (let partition = 0; partition < partitionCount; partition += 1) {
      const log = await topic.hosted.partition(partition);
      found[`${name}-${partition}`] = await valuesOfPartition(log, { isolation });
    }
  }
  return found;
}

async function sendEverywhere(transaction: Transaction, value: string): Promise<void> {
  await transaction.send('a', { value, partition: 0 });
  await transaction.send('a', { value, partition: 1 });
  await transaction.send('b', { value });
}

test('transaction: what it sends is seen together once it has returned', async () => {
  const { sim, broker } = await twoTopics();
  const result = await broker.transaction(async (transaction) => {
    await sendEverywhere(transaction, 'x');
    assert.deepEqual(await seen(broker), { 'a-0': [], 'a-1': [], 'b-0': [] });
    return 7;
  });
  assert.equal(result, 7);
  const all = { 'a-0': ['x'], 'a-1': ['x'], 'b-0': ['x'] };
  assert.deepEqual(await seen(broker), all);
  const again = await sim.kill().open();
  assert.deepEqual(await seen(again), all);
  await again.close();
});

test('transaction: what it sent is never seen when the work throws', async () => {
  const { broker } = await twoTopics();
  const reason = new Error('no');
  const work = broker.transaction(async (transaction) => {
    await sendEverywhere(transaction, 'x');
    throw reason;
  });
  await assert.rejects(work, (error) => error === reason);
  await broker.transaction((transaction) => sendEverywhere(transaction, 'y'));
  assert.deepEqual(await seen(broker), { 'a-0': ['y'], 'a-1': ['y'], 'b-0': ['y'] });
  const raw = await seen(broker, 'uncommitted');
  assert.deepEqual(raw['b-0'], ['x', 'y']);
  await broker.close();
});

test('transaction: what a process left open is aborted when the partition is opened', async () => {
  const { sim, broker } = await twoTopics();
  const begun = signal();
  broker
    .transaction(async (transaction) => {
      await sendEverywhere(transaction, 'x');
      begun.give();
      await new Promise(() => undefined);
    })
    .catch(() => undefined);
  await begun.given;
  const again = await sim.kill().open();
  assert.deepEqual(await seen(again), { 'a-0': [], 'a-1': [], 'b-0': [] });
  await again.transaction((transaction) => sendEverywhere(transaction, 'y'));
  assert.deepEqual(await seen(again), { 'a-0': ['y'], 'a-1': ['y'], 'b-0': ['y'] });
  await again.close();
});

test('transaction: one that takes too long is aborted', async () => {
  const { sim, broker } = await twoTopics();
  const begun = signal();
  const running = broker.transaction(
    async (transaction) => {
      await sendEverywhere(transaction, 'x');
      begun.give();
      await new Promise(() => undefined);
    },
    { timeoutMs: 1_000 },
  );
  await begun.given;
  sim.clock.advance(1_000);
  await assert.rejects(running, (error) => hasCode(error, 'TRANSACTION_TIMED_OUT'));
  assert.deepEqual(await seen(broker), { 'a-0': [], 'a-1': [], 'b-0': [] });
  await broker.close();
});
