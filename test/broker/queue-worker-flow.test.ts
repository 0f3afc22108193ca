/** A worker of a queue: how fast it goes, when it pauses, and how it stops. */

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import { queueWorkerDiagnostics } from '../../src/broker/worker/queue-worker-diagnostics.js';
import { AHEAD_MAX, WorkerPrefetch } from '../../src/broker/worker/queue-worker-prefetch.js';
import { isPending, rejection } from '../support/fixtures.js';
import { WorkerWorld } from '../support/queue-worker-fixture.js';

const MANY = Array.from({ length: 20 }, (_, n) => `${n}`);
const BREAKER = { calls: 4, failureRatio: 0.5, openMs: 1_000, probes: 1 };

test('queue worker: with `wait` nothing is taken before there is a token for it', async () => {
  const world = new WorkerWorld();
  world.queue.send(...MANY);
  const worker = world.start({ rateLimit: { count: 3, perMs: 300 } }, () => undefined);
  await world.quiet();
  assert.equal(worker.stats().succeeded, 3);
  assert.equal(world.queue.state.counts().inFlight, 0);
  await world.pass(95, 19);
  assert.equal(worker.stats().succeeded, 3);
  await world.pass(10, 2);
  assert.equal(worker.stats().succeeded, 4);
  await world.pass(1_600, 160);
  assert.equal(worker.stats().succeeded, 20);
  await worker.stop();
  assert.equal(world.clock.pendingCount, 0);
});

test('queue worker: the burst may be smaller than the count', async () => {
  const world = new WorkerWorld();
  world.queue.send(...MANY);
  const rateLimit = { count: 100, perMs: 1_000, burst: 2 };
  const worker = world.start({ rateLimit }, () => undefined);
  await world.quiet();
  assert.equal(worker.stats().succeeded, 2);
  await world.pass(100, 100);
  assert.equal(worker.stats().succeeded, 12);
  await worker.stop();
});

test('queue worker: with `delay` messages over the rate come back in turn, uncounted', async () => {
  const world = new WorkerWorld({ deliveriesMax: 2 });
  world.queue.send(...MANY);
  const rateLimit = { count: 10, perMs: 1_000, burst: 5, onLimit: 'delay' } as const;
  const worker = world.start({ rateLimit });
  await world.quiet();
  assert.equal(world.open.length, 5);
  for (const call of [...world.open]) call.end();
  await world.quiet();
  assert.deepEqual(
    world.queue.askedBy('withdraw').map(({ how }) => how),
    Array.from({ length: 15 }, (_, n) => 100 * (n + 1)),
  );
  assert.equal(world.queue.state.counts().inFlight, 0);
  for (let due = 6; due <= 20; due += 1) {
    await world.pass(100, 10);
    assert.equal(world.calls.length, due);
    world.open[0]?.end();
  }
  await world.quiet();
  assert.deepEqual(world.queue.unfinished, []);
  assert.ok(world.calls.every(({ message }) => message.deliveries === 1));
  assert.equal(worker.stats().delayed, 15);
  await worker.stop();
});

test('queue worker: with `drop` only what is below the priority is dropped', async () => {
  const world = new WorkerWorld();
  const dropped: unknown[] = [];
  const note = (event: unknown): void => void dropped.push(event);
  subscribe(queueWorkerDiagnostics.dropped.name, note);
  world.queue.send('one', 'two', { value: 'high', priority: 5 }, 'low', {
    value: 'top',
    priority: 6,
  });
  const rateLimit = { count: 2, perMs: 1_000, onLimit: 'drop', dropBelowPriority: 5 } as const;
  const worker = world.start({ rateLimit });
  await world.quiet();
  assert.deepEqual(world.values, ['one', 'two']);
  assert.deepEqual(world.queue.unfinished, ['one', 'two', 'high', 'low', 'top']);
  await world.pass(505, 101);
  assert.deepEqual(world.values, ['one', 'two', 'high']);
  assert.deepEqual(world.queue.unfinished, ['one', 'two', 'high', 'top']);
  await world.pass(505, 101);
  assert.deepEqual(world.values, ['one', 'two', 'high', 'top']);
  unsubscribe(queueWorkerDiagnostics.dropped.name, note);
  assert.deepEqual(dropped, [{ queue: 'jobs', id: '0-3', priority: 0 }]);
  assert.equal(worker.stats().dropped, 1);
  for (const call of [...world.open]) call.end();
  await worker.stop();
});

test('queue worker: with `drop` and no priority everything over the rate is dropped', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', { value: 'b', priority: 31 });
  const worker = world.start({ rateLimit: { count: 1, perMs: 60_000, onLimit: 'drop' } });
  await world.quiet();
  assert.deepEqual(world.values, ['a']);
  assert.deepEqual(world.queue.unfinished, ['a']);
  world.at('a').end();
  await worker.stop();
});

test('queue worker: an open circuit gives back what waits, and probes with one', async () => {
  const world = new WorkerWorld();
  const states: string[] = [];
  const note = (event: unknown): void => void states.push(Object(event).state);
  subscribe(queueWorkerDiagnostics.breaker.name, note);
  const retry = { backoff: 'fixed', jitter: 'none', delayMs: 0 } as const;
  world.queue.send(...MANY);
  const worker = world.start({ circuitBreaker: BREAKER, concurrency: 4, retry });
  await world.quiet();
  for (const call of [...world.open]) call.fail();
  await world.quiet();
  assert.equal(worker.stats().breakerState, 'open');
  assert.equal(world.open.length, 0);
  assert.equal(world.queue.state.counts().inFlight, 0);
  await world.pass(990);
  assert.equal(world.calls.length, 4);
  await world.pass(20);
  assert.equal(world.open.length, 1);
  assert.equal(world.queue.state.counts().inFlight, 1);
  world.open[0]?.fail();
  await world.quiet();
  assert.equal(worker.stats().breakerState, 'open');
  await world.pass(1_010);
  world.open[0]?.end();
  await world.quiet();
  assert.equal(worker.stats().breakerState, 'closed');
  assert.equal(world.open.length, 4);
  unsubscribe(queueWorkerDiagnostics.breaker.name, note);
  assert.deepEqual(states, ['open', 'half-open', 'open', 'half-open', 'closed']);
  await world.over(worker.stop({ drainMs: 0 }));
});

test('queue worker: a stop waits for no long poll, and gives back what has not begun', async () => {
  const world = new WorkerWorld();
  const worker = world.start();
  await world.quiet();
  await worker.stop();
  assert.equal(world.clock.monotonicMs(), 0);
  assert.equal(world.clock.pendingCount, 0);

  // Fast handlers have more taken ahead; then one is slow.
  let isSlow = false;
  const busy = new WorkerWorld();
  busy.queue.send(...Array.from({ length: 5_000 }, (_, n) => `${n}`));
  const next = busy.start({ concurrency: 2 }, (message, context) => {
    return isSlow ? busy.handler(message, context) : undefined;
  });
  while (next.stats().begun < 2_000) await busy.pass(1, 1);
  isSlow = true;
  await busy.pass(2, 1);
  const { waiting, running } = next.stats();
  assert.ok(waiting > 10, `${waiting} wait`);
  assert.equal(running, 2);
  const stopped = next.stop();
  await busy.quiet();
  assert.equal(busy.queue.state.counts().inFlight, 2);
  for (const call of [...busy.open]) call.end();
  await stopped;
  const { delivered, acknowledged } = busy.queue.state.counts();
  assert.equal(delivered, acknowledged, 'what was withdrawn was not delivered');
});

test('queue worker: a stop ends a long poll that does not hear of its signal', async () => {
  const world = new WorkerWorld();
  const { queue } = world;
  const join = queue.join.bind(queue);
  queue.join = async (request) => {
    let end = (): void => undefined;
    const member = await join(request);
    return {
      receive: () => new Promise((resolve) => (end = () => resolve([]))),
      close: async () => {
        await member.close();
        end();
      },
    };
  };
  const worker = world.start();
  await world.quiet();
  const stopped = worker.stop();
  await world.pass(1_100, 11);
  assert.equal(await isPending(stopped), false);
});

test('queue worker: what a receive brings behind the stop goes back as well', async () => {
  const world = new WorkerWorld();
  const worker = world.start();
  await world.quiet();
  world.queue.send('a');
  // It is taken, and its count is being written.
  await Promise.resolve();
  const stopped = worker.stop();
  await stopped;
  assert.deepEqual(world.calls, []);
  assert.equal(world.queue.state.counts().inFlight, 0);
  assert.equal(world.queue.state.counts().delivered, 0);
});

test('queue worker: handlers end in peace, then are told to, then are left', async () => {
  const world = new WorkerWorld();
  const left: unknown[] = [];
  const note = (event: unknown): void => void left.push(event);
  subscribe(queueWorkerDiagnostics.handlersLeft.name, note);
  world.queue.send('a', 'b', 'c');
  const worker = world.start({ retry: { jitter: 'none' } });
  await world.quiet();
  const stopped = worker.stop({ drainMs: 5_000 });
  await world.pass(4_000, 4);
  world.at('a').end();
  await world.pass(900, 3);
  const { signal } = world.at('b').context;
  assert.equal(signal.aborted, false);
  await world.pass(200, 2);
  assert.equal(signal.reason.code, 'ATTEMPT_ENDED');
  world.at('b').fail(signal.reason);
  assert.equal(await isPending(stopped), true);
  await world.pass(1_000, 10);
  await stopped;
  unsubscribe(queueWorkerDiagnostics.handlersLeft.name, note);
  assert.deepEqual(left, [{ queue: 'jobs', handlers: 1 }]);
  assert.equal(worker.stats().running, 1);
  // What was left comes again at once, and has not failed.
  assert.equal(world.queue.state.counts().ready, 2);
  world.at('c').end();
  await world.quiet();
  assert.deepEqual(world.queue.unfinished, ['b', 'c']);
  const next = world.start();
  await world.quiet();
  assert.ok(world.open.every(({ message }) => message.failures === 0));
  assert.ok(world.open.every(({ message }) => message.deliveries === 2));
  for (const call of [...world.open]) call.end();
  await next.stop();
  assert.deepEqual(world.queue.unfinished, []);
});

test('queue worker: what goes back on a full disk goes back once', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', { value: 'b', priority: 1 });
  const rateLimit = { count: 1, perMs: 60_000, onLimit: 'delay' } as const;
  world.queue.failures.push('DISK_FULL');
  const worker = world.start({ rateLimit });
  await world.quiet();
  world.queue.failures.push('DISK_FULL');
  await world.at('a').message.release(5_000);
  world.at('a').end();
  await world.pass(2_000);
  assert.deepEqual(
    world.queue.asked.map(({ verb, values }) => [verb, ...values]),
    [
      ['withdraw', 'b'],
      ['release', 'a'],
    ],
  );
  await worker.stop();
});

test('queue worker: its signal, and `await using`, stop it', async () => {
  const world = new WorkerWorld();
  const controller = new AbortController();
  world.queue.send('a');
  const worker = world.start({ signal: controller.signal });
  await world.quiet();
  const reason = new Error('enough');
  controller.abort(reason);
  await world.quiet();
  assert.equal(world.at('a').context.signal.reason, reason);
  world.at('a').end();
  await worker.finished;
  const aborted = world.start({ signal: controller.signal });
  await aborted.finished;
  assert.equal(aborted.state, 'over');
  const disposed = world.start();
  await disposed[Symbol.asyncDispose]();
  assert.equal(disposed.state, 'over');
  await rejection(disposed.stop({ drainMs: -1 }), 'OPTION_INVALID');
});

test('queue worker: a stop does not wait for a full disk for ever', async () => {
  const world = new WorkerWorld();
  world.queue.send('a');
  const worker = world.start();
  await world.quiet();
  for (let n = 0; n < 1_000; n += 1) world.queue.failures.push('DISK_FULL');
  world.at('a').end();
  await world.quiet();
  const stopped = worker.stop({ drainMs: 2_000 });
  await world.pass(2_500, 10);
  assert.equal(await isPending(stopped), true);
  await world.pass(1_000, 10);
  await stopped;
});

test('queue worker: a queue that cannot be joined, or read, ends the worker', async () => {
  const world = new WorkerWorld();
  const failure = new Error('planned');
  world.queue.join = () => Promise.reject(failure);
  const worker = world.start();
  await assert.rejects(worker.finished, failure);

  const other = new WorkerWorld();
  other.queue.join = async () => ({
    receive: () => Promise.reject(failure),
    close: async () => undefined,
  });
  await assert.rejects(other.start().finished, failure);
});

test('queue worker: on a full disk it asks again, later', async () => {
  const world = new WorkerWorld();
  const causes: unknown[] = [];
  const note = (event: unknown): void => void causes.push(Object(event).cause.code);
  subscribe(queueWorkerDiagnostics.receiveDelayed.name, note);
  const { queue } = world;
  const join = queue.join.bind(queue);
  const failures = ['DISK_FULL', 'DISK_FULL'] as const;
  let asked = 0;
  queue.join = async (request) => {
    const member = await join(request);
    return {
      close: () => member.close(),
      receive: async (about) => {
        const failure = failures[asked];
        asked += 1;
        if (failure !== undefined) throw createError(failure, {});
        return await member.receive(about);
      },
    };
  };
  queue.send('a');
  const worker = world.start();
  await world.pass(1_200);
  assert.deepEqual(world.openValues, ['a']);
  unsubscribe(queueWorkerDiagnostics.receiveDelayed.name, note);
  assert.deepEqual(causes, ['DISK_FULL', 'DISK_FULL']);
  world.at('a').end();
  await worker.stop();
});

test('queue worker: handlers that hold the processor let others have their turn', async () => {
  const world = new WorkerWorld();
  world.queue.send(...MANY);
  const worker = world.start({ concurrency: 20 }, () => {
    // The time that it takes; timers run behind it.
    blocked += 6;
  });
  let blocked = 0;
  const { clock } = world;
  const monotonicMs = clock.monotonicMs.bind(clock);
  clock.monotonicMs = () => monotonicMs() + blocked;
  await world.quiet();
  assert.equal(worker.stats().succeeded, 4);
  const atTimers: number[] = [];
  for (let n = 0; n < 3; n += 1) {
    clock.schedule(0, () => atTimers.push(worker.stats().succeeded));
    await world.pass(1, 1);
  }
  assert.deepEqual(atTimers, [8, 20, 20]);
  await worker.stop();
});

test('queue worker: what is taken ahead follows the pace of the handlers', () => {
  const prefetch = new WorkerPrefetch(0);
  assert.equal(prefetch.count, 0);
  prefetch.began(50);
  prefetch.look(5);
  assert.equal(prefetch.count, 0, 'too soon to tell');
  prefetch.began(50);
  prefetch.look(10);
  assert.equal(prefetch.count, 16, 'at first a little');
  for (let ms = 20; ms <= 200; ms += 10) {
    prefetch.began(10_000);
    prefetch.look(ms);
  }
  assert.equal(prefetch.count, AHEAD_MAX);
  prefetch.began(30);
  prefetch.look(500);
  assert.equal(prefetch.count, 1, 'one in ten milliseconds');
  prefetch.look(10_000);
  assert.equal(prefetch.count, 0);
});
