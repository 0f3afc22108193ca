/**
 * Queues at their limits, messages whose time is over, and waiting for both.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { BytesQueue } from '../../src/broker/broker-queue-face.js';
import { EXPIRY_SWEEP_MS } from '../../src/broker/queue/queue-expiry.js';
import { SimBroker } from '../support/broker-fixture.js';
import { isPending, settled } from '../support/fixtures.js';

async function withBroker(
  run: (broker: Broker, process: SimBroker) => Promise<void>,
  process = new SimBroker(),
): Promise<SimBroker> {
  const broker = await process.open();
  await run(broker, process);
  await broker.close();
  return process.kill();
}

async function pass({ clock }: SimBroker, ms: number): Promise<void> {
  await settled();
  clock.advance(ms);
  for (let turn = 0; turn < 3; turn += 1) await settled();
}

async function texts(queue: BytesQueue): Promise<string[]> {
  return (await queue.receive({ max: 100 })).map(({ value }) => String(value));
}

/** What the dead letters of a queue are, each with the code of its cause. */
async function letters(broker: Broker, name: string): Promise<string[]> {
  const found = await (await broker.queue(name)).receive({ max: 100 });
  return found.map(({ value, headers }) => {
    const code = headers.find(({ key }) => key === 'dead-letter-code')?.value;
    return `${value} ${code}`;
  });
}

suite('queue at its limits', () => {
  test('reject: as many as may be, in flight and delayed ones too, over restarts', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { lengthMax: 3, overflow: 'reject' });
      const sends = ['a', 'b'].map((value) => jobs.send(value));
      sends.push(jobs.send('c', { delayMs: 60_000 }), jobs.send('d'));
      const results = await Promise.allSettled(sends);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
      );
      const [a] = await jobs.receive();
      await assert.rejects(jobs.send('d'), { code: 'QUEUE_FULL' });
      await a?.acknowledge();
      await jobs.send('d');
    });
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await assert.rejects(jobs.send('e'), { code: 'QUEUE_FULL' });
      assert.deepEqual(await texts(jobs), ['b', 'd']);
    }, next);
  });

  test('wait: a send waits until a message is done with, or its signal aborts', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { lengthMax: 1 });
      await jobs.send('a');
      const controller = new AbortController();
      const left = jobs.send('left', { signal: controller.signal });
      const waiting = jobs.send('b');
      left.catch(() => undefined);
      assert.equal(await isPending(waiting), true);
      assert.equal((await jobs.stats()).waitingSends, 2);
      controller.abort(new Error('enough'));
      await assert.rejects(left, /enough/);
      const [a] = await jobs.receive();
      await a?.acknowledge();
      assert.equal((await waiting).id, '0-1');
      assert.deepEqual(await texts(jobs), ['b']);
    });
  });

  test('wait: a limit that is raised lets the next ones in', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { lengthMax: 1 });
      await jobs.send('a');
      const waiting = jobs.send('b');
      await settled();
      await jobs.alter({ lengthMax: 'unlimited' });
      await waiting;
      assert.deepEqual(await texts(jobs), ['a', 'b']);
    });
  });

  test('marks of transactions are no messages: for limits, statistics, who waits', async () => {
    let next = new SimBroker();
    for (const overflow of ['reject', 'wait'] as const) {
      next = await withBroker(async (broker) => {
        const jobs = await broker.queue(overflow, { lengthMax: 2, overflow });
        await broker.transaction((tx) => void tx.send(jobs, 'a'));
        await broker.transaction((tx) => void tx.send(jobs, 'b'));
        await jobs.acknowledge(await jobs.receive({ max: 2 }));
        await broker.transaction((tx) => void tx.send(jobs, 'c'));
        await jobs.send('d');
        await jobs.acknowledge(await jobs.receive({ max: 2 }));
      }, next);
      next = await withBroker(async (broker, process) => {
        const jobs = await broker.queue(overflow);
        const deep = jobs.when({ depthAbove: 0 });
        await pass(process, 1_000);
        assert.equal(await isPending(deep), true);
        assert.deepEqual([(await jobs.stats()).depth, (await jobs.stats()).length], [0, 0]);
        await Promise.all(['e', 'f'].map((value) => jobs.send(value)));
        await pass(process, 1_000);
        assert.deepEqual((await deep).depth, 2);
      }, next);
    }
  });

  test('drop-oldest: the oldest become dead letters, or vanish as chosen', async () => {
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { lengthMax: 2, overflow: 'drop-oldest' });
      for (const value of ['a', 'b', 'c', 'd']) await jobs.send(value);
      assert.deepEqual(await texts(jobs), ['c', 'd']);
      assert.deepEqual(await letters(broker, 'jobs-dead'), ['a QUEUE_FULL', 'b QUEUE_FULL']);
      const light = await broker.queue('light', {
        lengthMax: 1,
        overflow: 'drop-oldest',
        dropped: 'drop',
      });
      await Promise.all(['a', 'b', 'c'].map((value) => light.send(value)));
      assert.deepEqual(await texts(light), ['c']);
      assert.equal((await light.stats()).dropped, 2);
      assert.deepEqual(
        broker.listQueues().map(({ name }) => name),
        ['jobs', 'jobs-dead', 'light'],
      );
    });
  });

  test('bytes: exact for what was sent here, by a sample for what was there', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { lengthBytesMax: 100, overflow: 'reject' });
      await jobs.send('x'.repeat(60));
      await assert.rejects(jobs.send('x'.repeat(41)), { code: 'QUEUE_FULL' });
      await jobs.send('x'.repeat(40));
      assert.equal((await jobs.stats()).lengthBytes, 100);
      const [first] = await jobs.receive();
      await first?.acknowledge();
      assert.equal((await jobs.stats()).lengthBytes, 40);
      await jobs.send('x'.repeat(40));
    });
    await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs');
      await assert.rejects(jobs.send('x'.repeat(30)), { code: 'QUEUE_FULL' });
      const messages = await jobs.receive({ max: 10 });
      await jobs.acknowledge(messages);
      await jobs.send('x'.repeat(100));
      assert.equal((await jobs.stats()).lengthBytes, 100);
    }, next);
  });
});

suite('queue expiry', () => {
  test('a message whose time is over is not received: a dead letter, or gone', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', { ttlMs: 1_000 });
      await jobs.send('queue');
      await jobs.send('own', { ttlMs: 500 });
      await jobs.send('longer', { ttlMs: 5_000 });
      await pass(process, 500);
      assert.deepEqual(await texts(jobs), ['queue', 'longer']);
      await settled();
      assert.deepEqual(await letters(broker, 'jobs-dead'), ['own MESSAGE_EXPIRED']);
      const light = await broker.queue('light', { expired: 'drop' });
      await light.send('a', { ttlMs: 10 });
      await light.send('b');
      await pass(process, 10);
      assert.deepEqual(await texts(light), ['b']);
      await settled();
      const { length, expired } = await light.stats();
      assert.deepEqual([length, expired], [1, 1]);
    });
  });

  test('messages expire where nobody receives, as soon as the queue is looked at', async () => {
    const next = await withBroker(async (broker) => {
      const jobs = await broker.queue('jobs', { ttlMs: 1_000 });
      await jobs.sendBatch([{ value: 'a' }, { value: 'b' }]);
    });
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.stats();
      await pass(process, 1_000 + EXPIRY_SWEEP_MS);
      await settled();
      assert.equal((await jobs.stats()).length, 0);
      const dead = ['a MESSAGE_EXPIRED', 'b MESSAGE_EXPIRED'];
      assert.deepEqual(await letters(broker, 'jobs-dead'), dead);
    }, next);
  });

  test('a wall clock that jumps ahead does not end messages at once', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs', { ttlMs: 60_000 });
      await jobs.send('a');
      await jobs.stats();
      process.clock.jumpWall(3_600_000);
      assert.deepEqual(await texts(jobs), ['a']);
    });
  });

  test('the time of a delayed message begins when its delay is over', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      await jobs.send('a', { delayMs: 1_000, ttlMs: 500 });
      await pass(process, 1_000);
      await pass(process, 400);
      assert.deepEqual(await texts(jobs), ['a']);
    });
  });
});

suite('queue when', () => {
  test('waits for the depth, and for the age', async () => {
    await withBroker(async (broker, process) => {
      const jobs = await broker.queue('jobs');
      const deep = jobs.when({ depthAbove: 1 });
      const old = jobs.when({ ageAboveMs: 5_000 });
      await jobs.send('a');
      await pass(process, 1_000);
      assert.equal(await isPending(deep), true);
      await jobs.send('b');
      await pass(process, 1_000);
      assert.deepEqual(await deep, { depth: 2, ageMs: (await deep).ageMs });
      assert.equal(await isPending(old), true);
      for (let second = 0; second < 4; second += 1) await pass(process, 1_000);
      assert((await old).ageMs > 5_000);
      const left = jobs.when({ depthAbove: 100 });
      left.catch(() => undefined);
      await settled();
      await jobs.delete();
      await assert.rejects(left, { code: 'UNKNOWN_QUEUE' });
    });
  });
});
