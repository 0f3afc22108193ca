/** `queue.consume` on a broker: with its journal, its dead letters, restarts and transactions. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { QueueMessage } from '../../src/broker/queue/queue-message.js';
import type { QueueHandlerContext } from '../../src/broker/worker/queue-handler.js';
import type { QueueWorker } from '../../src/broker/worker/queue-worker.js';
import { SimBroker } from '../support/broker-fixture.js';
import { isPending, rejection, settled, thrown } from '../support/fixtures.js';

const FIXED = { backoff: 'fixed', jitter: 'none', delayMs: 1_000 } as const;

interface Call {
  readonly value: string;
  readonly message: QueueMessage<Buffer>;
  readonly context: QueueHandlerContext;
  end(): void;
  fail(error?: unknown): void;
}

class QueueWorld {
  readonly sim: SimBroker;
  readonly calls: Call[] = [];

  constructor(sim = new SimBroker()) {
    this.sim = sim;
  }

  /** A handler whose calls stay open until the test ends them. */
  readonly handler = (message: QueueMessage<Buffer>, context: QueueHandlerContext) =>
    new Promise<void>((resolve, reject) => {
      const value = String(message.value);
      const fail = (error = new Error('planned')): void => reject(error);
      this.calls.push({ value, message, context, end: () => resolve(), fail });
    });

  get values(): string[] {
    return this.calls.map(({ value }) => value);
  }

  last(value: string): Call {
    const found = this.calls.findLast((call) => call.value === value);
    if (found === undefined) throw new RangeError(`no call for ${value}`);
    return found;
  }

  async quiet(): Promise<void> {
    for (let turn = 0; turn < 12; turn += 1) await settled();
  }

  async pass(ms: number, steps = 20): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      this.sim.clock.advance(ms / steps);
      await this.quiet();
    }
  }

  async over<T>(promise: Promise<T>): Promise<T> {
    for (let step = 0; step < 100 && (await isPending(promise)); step += 1) await this.pass(500, 2);
    return promise;
  }
}

async function lengthOf(broker: Broker, name: string): Promise<number> {
  const queue = await broker.queue(name);
  const { length } = await queue.stats();
  return length;
}

test('consume: what is acknowledged stays so over a restart, all else comes again', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const queue = await broker.queue('jobs');
  await queue.sendBatch(['a', 'b', 'c'].map((value) => ({ value })));
  queue.consume(world.handler);
  await world.quiet();
  assert.deepEqual(world.values, ['a', 'b', 'c']);
  world.last('b').end();
  await world.quiet();

  const next = new QueueWorld(world.sim.kill());
  const reopened = await next.sim.open();
  const worker = (await reopened.queue('jobs')).consume(next.handler);
  await next.quiet();
  assert.deepEqual(next.values, ['a', 'c']);
  assert.ok(next.calls.every(({ message }) => message.deliveries === 2));
  for (const call of next.calls) call.end();
  await next.over(worker.stop());
  await next.over(reopened.close());
});

test('consume: a message that fails for good is a dead letter with its error', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const queue = await broker.queue('jobs', { maxDeliveries: 2, retry: FIXED });
  await queue.send('a');
  const worker = queue.consume(world.handler);
  await world.quiet();
  world.last('a').fail(new RangeError('first'));
  await world.quiet();
  await world.pass(1_100);
  assert.equal(world.last('a').context.attempt, 2);
  world.last('a').fail(new RangeError('second'));
  await world.pass(2_000);
  assert.equal(await lengthOf(broker, 'jobs'), 0);
  const dead = await broker.queue('jobs-dead');
  const [letter] = await world.over(dead.receive({ waitMs: 0 }));
  assert.equal(String(letter?.value), 'a');
  const headers = Object.fromEntries(
    (letter?.headers ?? []).map(({ key, value }) => [key, String(value)]),
  );
  assert.equal(headers['dead-letter-reason'], 'second');
  assert.equal(headers['dead-letter-code'], 'RangeError');
  await world.over(worker.stop());
  await world.over(broker.close());
});

test('consume: what is rejected, or is not worth a retry, is a dead letter at once', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const queue = await broker.queue('jobs');
  await queue.sendBatch(['a', 'b'].map((value) => ({ value })));
  const worker = queue.consume(world.handler, { retryIf: () => false });
  await world.quiet();
  await world.over(world.last('a').message.reject({ reason: 'nonsense' }));
  world.last('a').end();
  world.last('b').fail();
  await world.pass(1_000);
  assert.equal(await lengthOf(broker, 'jobs'), 0);
  const dead = await broker.queue('jobs-dead');
  const letters = await world.over(dead.receive({ max: 10, waitMs: 0 }));
  assert.deepEqual(letters.map(({ value }) => String(value)).toSorted(), ['a', 'b']);
  await world.over(worker.stop());
  await world.over(broker.close());
});

test('consume: a transaction may acknowledge the message of a handler', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const [queue, topic] = [await broker.queue('jobs'), await broker.topic('done')];
  await queue.sendBatch(['a', 'b'].map((value) => ({ value })));
  let isFirst = true;
  const worker = queue.consume(
    async (message) => {
      await broker.transaction(async (transaction) => {
        await transaction.send(topic, { value: message.value });
        transaction.acknowledge(message);
        if (!isFirst) return;
        isFirst = false;
        throw new Error('undone');
      });
    },
    { concurrency: 1, retry: { ...FIXED, delayMs: 0 } },
  );
  await world.pass(3_000, 60);
  assert.equal(worker.stats().failed, 1);
  assert.equal(worker.stats().succeeded, 2);
  assert.equal(await lengthOf(broker, 'jobs'), 0);
  const { partitions } = await broker.describeTopic('done');
  assert.ok(partitions.length > 0);
  await world.over(worker.stop());
  await world.over(broker.close());
});

test('consume: workers share a FIFO queue, one message of a group at a time', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const queue = await broker.queue('jobs', { fifo: true, retry: FIXED });
  const sent = ['a1', 'a2', 'b1', 'a3', 'b2'];
  await queue.sendBatch(sent.map((value) => ({ value, group: value.slice(0, 1) })));
  const crews = [queue.consume(world.handler), queue.consume(world.handler)];
  await world.quiet();
  assert.deepEqual(world.values.toSorted(), ['a1', 'b1']);
  world.last('a1').fail();
  world.last('b1').end();
  await world.quiet();
  assert.deepEqual(world.values.slice(2), ['b2']);
  world.last('b2').end();
  for (const value of ['a1', 'a2', 'a3']) {
    await world.pass(1_100, 11);
    world.last(value).end();
  }
  await world.quiet();
  assert.deepEqual(world.values.slice(3), ['a1', 'a2', 'a3']);
  assert.equal(await lengthOf(broker, 'jobs'), 0);
  for (const crew of crews) await world.over(crew.stop());
  await world.over(broker.close());
});

test('consume: a lease that ends while the process stalls tells the handler first', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const queue = await broker.queue('jobs', { visibilityTimeoutMs: 1_000 });
  await queue.send('a');
  const worker = queue.consume(world.handler, { concurrency: 1 });
  await world.quiet();
  const { signal } = world.last('a').context;
  const order: string[] = [];
  signal.addEventListener('abort', () => order.push('told'));
  const other = queue.receiver();
  const receiving = other.receive({ waitMs: 60_000 }).then((messages) => {
    order.push('given');
    return messages;
  });
  // The timer of the renewals is late: leases are looked at before it runs.
  const group = (await queue.hosted.messages()).group;
  const { clock } = world.sim;
  const monotonicMs = clock.monotonicMs.bind(clock);
  clock.monotonicMs = () => monotonicMs() + 1_500;
  assert.equal(group.isHeld(world.last('a').message.delivery), false);
  await world.quiet();
  const [again] = await world.over(receiving);
  assert.equal(again?.deliveries, 2);
  assert.deepEqual(order, ['told', 'given']);
  world.last('a').end();
  await world.quiet();
  await world.over(again?.acknowledge() ?? Promise.resolve());
  assert.equal(await lengthOf(broker, 'jobs'), 0);
  await world.over(worker.stop());
  await world.over(broker.close());
});

test('consume: ends with its broker, with its queue, and is refused afterwards', async () => {
  const world = new QueueWorld();
  const broker = await world.sim.open();
  const queue = await broker.queue('jobs');
  const other = await broker.queue('others');
  await queue.send('a');
  const [crew, gone]: QueueWorker[] = [queue.consume(world.handler), other.consume(world.handler)];
  await world.quiet();
  await world.over(other.delete());
  await gone?.finished;
  thrown(() => other.consume(world.handler), 'UNKNOWN_QUEUE');
  const closed = broker.close();
  await world.quiet();
  assert.equal(crew?.state, 'stopping');
  world.last('a').end();
  await world.over(closed);
  assert.equal(crew?.state, 'over');
  thrown(() => queue.consume(world.handler), 'BROKER_CLOSED');
  await rejection(queue.send('b'), 'BROKER_CLOSED');
});
