/**
 * Dead letters of a queue, and messages in transactions, as programs meet them.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { Queue } from '../../src/broker/queue/queue.js';
import { SimBroker } from '../support/broker-fixture.js';
import { rejection, settled } from '../support/fixtures.js';

type Jobs = Queue<Buffer, string | Uint8Array>;

const DEAD = { maxDeliveries: 'unlimited', deadLetter: 'none' } as const;

async function pass({ clock }: SimBroker, ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 250) {
    clock.advance(250);
    await settled();
    await settled();
  }
}

async function open(process = new SimBroker(), options = {}) {
  const broker = await process.open();
  return { process, broker, jobs: await broker.queue('jobs', options) };
}

async function texts(queue: Jobs, max = 100): Promise<string[]> {
  return (await queue.receive({ max })).map(({ value }) => String(value));
}

async function reasons(broker: Broker): Promise<(readonly unknown[])[]> {
  const dead = await broker.queue('jobs-dead', DEAD);
  const { messages } = await dead.peek({ max: 100 });
  return messages.map(({ value, deadLetter }) => [
    String(value),
    deadLetter?.reason,
    deadLetter?.code,
    deadLetter?.deliveries,
    deadLetter?.failures,
  ]);
}

suite('queue dead letters', () => {
  test('a handler that keeps failing: its last error is the reason', async () => {
    const { process, broker, jobs } = await open(undefined, { maxDeliveries: 3 });
    await jobs.send('poison');
    await jobs.send('fine');
    let attempts = 0;
    const worker = jobs.consume(
      ({ value }) => {
        if (String(value) === 'fine') return;
        attempts += 1;
        throw Object.assign(new Error(`attempt ${attempts}`), { code: 'EBAD' });
      },
      { retry: { backoff: 'fixed', delayMs: 100, jitter: 'none' } },
    );
    await pass(process, 3_000);
    assert.deepEqual(await reasons(broker), [['poison', 'attempt 3', 'EBAD', 3, 3]]);
    await worker.stop();
    assert.deepEqual(await texts(jobs), []);
    await broker.close();
  });

  test('a message that kills the process comes to its dead letters', async () => {
    let process = new SimBroker();
    for (let life = 0; life < 3; life += 1) {
      const { jobs } = await open(process, { maxDeliveries: 3 });
      if (life === 0) await jobs.send('deadly');
      assert.deepEqual(await texts(jobs), ['deadly']);
      process = process.kill();
    }
    const { broker, jobs } = await open(process, { maxDeliveries: 3 });
    assert.deepEqual(await texts(jobs), []);
    await pass(process, 1_000);
    const [letter] = await reasons(broker);
    assert.deepEqual(letter?.slice(2), ['DELIVERIES_EXHAUSTED', 3, 0]);
    await broker.close();
  });

  test('a rejected message is a letter once its reject resolves, and not before', async () => {
    const { process, broker, jobs } = await open();
    await jobs.send('a');
    const [message] = await jobs.receive();
    await message?.reject({ reason: 'not a job' });
    await message?.reject({ reason: 'again' }).catch(() => undefined);
    assert.deepEqual(await reasons(broker), [['a', 'not a job', 'MESSAGE_REJECTED', 1, 0]]);
    const next = await open(process.kill());
    assert.deepEqual(await texts(next.jobs), []);
    assert.deepEqual((await reasons(next.broker)).length, 1);
    await next.broker.close();
  });

  test('without dead letters, on purpose, what is given up is gone', async () => {
    const { process, broker, jobs } = await open(undefined, {
      deadLetter: 'none',
      maxDeliveries: 1,
    });
    await jobs.send('a');
    await jobs.send('b');
    const [a] = await jobs.receive();
    await a?.reject();
    assert.deepEqual(await texts(jobs), ['b']);
    await pass(process, 31_000);
    assert.deepEqual(await texts(jobs), []);
    assert.deepEqual(
      broker
        .listTopics()
        .map(({ name }) => name)
        .filter((name) => name !== 'jobs'),
      [],
    );
    await broker.close();
  });

  test('a queue that a program makes for letters is as if the first letter made it', async () => {
    const { broker } = await open(undefined, { priorities: 3 });
    const dead = await broker.queue('jobs-dead', { visibilityTimeoutMs: 1_000 });
    const { maxDeliveries, deadLetter, priorities, visibilityTimeoutMs } = dead.options;
    assert.deepEqual(
      [maxDeliveries, deadLetter, priorities, visibilityTimeoutMs],
      ['unlimited', 'none', 3, 1_000],
    );
    const own = await broker.createQueue('own', { deadLetter: 'letters' });
    const letters = await broker.createQueue('letters', { maxDeliveries: 2 });
    assert.equal(own.options.maxDeliveries, 5);
    assert.deepEqual(
      [letters.options.maxDeliveries, letters.options.deadLetter],
      [2, 'letters-dead'],
    );
    await broker.close();
  });

  test('letters are never given up themselves', async () => {
    const { process, broker, jobs } = await open(undefined, { maxDeliveries: 1 });
    await jobs.send('a', { ttlMs: 60_000 });
    await texts(jobs);
    await pass(process, 32_000);
    const dead = await broker.queue('jobs-dead', DEAD);
    for (let round = 0; round < 12; round += 1) {
      assert.deepEqual(await texts(dead), ['a']);
      await pass(process, 31_000);
    }
    assert.deepEqual(await texts(dead), ['a'], 'and do not expire');
    await broker.close();
  });
});

suite('queue in transactions', () => {
  test('acknowledge, send and dead-letter in one step, or none of it', async () => {
    const { process, broker, jobs } = await open();
    const done = await broker.queue('done');
    const topic = await broker.topic('events');
    for (const value of ['a', 'b']) await jobs.send(value);
    const [a, b] = await jobs.receive({ max: 2 });
    assert(a && b);
    const { id } = await broker.transaction(async (transaction) => {
      transaction.acknowledge(a);
      await transaction.send(topic, { value: 'event' });
      assert.deepEqual(await texts(done), [], 'not seen before the commit');
      return await transaction.send(done, 'a is done', { key: 'k' });
    });
    assert.match(id, /^0-\d+$/);
    assert.deepEqual(await texts(done), ['a is done']);
    const undone = broker.transaction(async (transaction) => {
      transaction.acknowledge([b]);
      await transaction.sendBatch(done, [{ value: 'never' }, { value: 'nor this' }]);
      throw new Error('no');
    });
    await assert.rejects(undone, { message: 'no' });
    assert.deepEqual(await texts(done), []);
    await b.acknowledge();
    await rejection(a.release(), 'RECEIPT_STALE');
    const next = await open(process.kill());
    assert.deepEqual(await texts(next.jobs), []);
    await next.broker.close();
  });

  test('reject: the letter is there with everything else, or the message stays', async () => {
    const { broker, jobs } = await open();
    const done = await broker.queue('done');
    await jobs.send('a');
    const [a] = await jobs.receive();
    assert(a);
    const undone = broker.transaction(async (transaction) => {
      await transaction.reject(a, { reason: 'never' });
      throw new Error('no');
    });
    await assert.rejects(undone, { message: 'no' });
    assert.deepEqual(await reasons(broker), []);
    await broker.transaction(async (transaction) => {
      transaction.reject(a, { reason: 'bad' }).catch(() => undefined);
      await transaction.send(done, 'told');
    });
    assert.deepEqual(await reasons(broker), [['a', 'bad', 'MESSAGE_REJECTED', 1, 0]]);
    assert.deepEqual(await texts(done), ['told']);
    const again = broker.transaction((transaction) => {
      transaction.reject(a).catch(() => undefined);
    });
    await rejection(again, 'TRANSACTION_ABORTED');
    await broker.close();
  });

  test('a delayed message that a transaction sends waits from its commit on', async () => {
    const { process, broker, jobs } = await open();
    await broker.transaction(async (transaction) => {
      await transaction.send(jobs, 'later', { delayMs: 5_000 });
    });
    const undone = broker.transaction(async (transaction) => {
      await transaction.send(jobs, 'never', { delayMs: 5_000 });
      throw new Error('no');
    });
    await assert.rejects(undone, { message: 'no' });
    await pass(process, 4_000);
    assert.deepEqual(await texts(jobs), []);
    await pass(process, 3_000);
    assert.deepEqual(await texts(jobs), ['later']);
    await broker.close();
  });

  test('a send to a queue that fails undoes the transaction, also when it is caught', async () => {
    const { broker, jobs } = await open();
    await jobs.send('a');
    const [a] = await jobs.receive();
    assert(a);
    const work = broker.transaction(async (transaction) => {
      transaction.acknowledge(a);
      await rejection(transaction.send(jobs, 'x', { priority: 9 }), 'OPTION_INVALID');
    });
    await rejection(work, 'TRANSACTION_ABORTED');
    const unawaited = broker.transaction((transaction) => {
      transaction.send(jobs, 'x', { priority: 9 }).catch(() => undefined);
    });
    await rejection(unawaited, 'TRANSACTION_ABORTED');
    await a.acknowledge();
    await broker.close();
  });

  test('a frozen message is not given out again, and comes back after an abort', async () => {
    const { process, broker, jobs } = await open();
    await jobs.send('a');
    const [a] = await jobs.receive();
    assert(a);
    const undone = broker.transaction(async (transaction) => {
      transaction.acknowledge(a);
      await pass(process, 40_000);
      assert.deepEqual(await texts(jobs), [], 'its lease is frozen');
      await rejection(a.acknowledge(), 'LEASE_FROZEN');
      throw new Error('no');
    });
    await assert.rejects(undone, { message: 'no' });
    await pass(process, 500);
    assert.deepEqual(await texts(jobs), ['a']);
    await broker.close();
  });
});
