/** A worker of a queue: what begins when, and how messages end, one behaviour at a time. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPending, rejection, thrown } from '../support/fixtures.js';
import { WorkerWorld } from '../support/queue-worker-fixture.js';

const FIXED = { backoff: 'fixed', jitter: 'none', delayMs: 1_000 } as const;

test('queue worker: runs so many handlers at once, and acknowledges what returned', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b', 'c', 'd');
  const worker = world.start({ concurrency: 2 });
  await world.quiet();
  assert.deepEqual(world.openValues, ['a', 'b']);
  world.at('a').end();
  await world.quiet();
  assert.deepEqual(world.openValues, ['b', 'c']);
  assert.deepEqual(world.queue.unfinished, ['b', 'c', 'd']);
  for (const value of ['b', 'c', 'd']) {
    world.at(value).end();
    await world.quiet();
  }
  assert.deepEqual(world.queue.unfinished, []);
  await worker.stop();
  assert.equal(worker.state, 'over');
  const { begun, succeeded, failed } = worker.stats();
  assert.deepEqual({ begun, succeeded, failed }, { begun: 4, succeeded: 4, failed: 0 });
});

test('queue worker: handlers that end in one turn are acknowledged in one list', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b', 'c');
  const worker = world.start({ concurrency: 3 });
  await world.quiet();
  for (const call of [...world.open]) call.end();
  await world.quiet();
  assert.deepEqual(
    world.queue.askedBy('acknowledge').map(({ values }) => values),
    [['a', 'b', 'c']],
  );
  await worker.stop();
});

test('queue worker: a handler without promises is taken at its word', async () => {
  const world = new WorkerWorld();
  const seen: string[] = [];
  for (let n = 0; n < 500; n += 1) world.queue.send(`${n}`);
  const worker = world.start({ concurrency: 10 }, ({ value }) => {
    seen.push(value);
  });
  while (seen.length < 500) await world.pass(5, 1);
  assert.equal(new Set(seen).size, 500);
  await world.quiet();
  assert.deepEqual(world.queue.unfinished, []);
  await worker.stop();
});

test('queue worker: a failure comes again after the delay of the policy, counted', async () => {
  const world = new WorkerWorld();
  world.queue.send('a');
  const worker = world.start({ retry: { ...FIXED, backoff: 'linear' } });
  await world.quiet();
  const error = new Error('first');
  world.at('a').fail(error);
  await world.quiet();
  assert.deepEqual(world.queue.askedBy('release')[0]?.how, {
    delayMs: 1_000,
    isFailure: true,
    error,
  });
  await world.pass(990);
  assert.equal(world.open.length, 0);
  await world.pass(20);
  assert.equal(world.at('a').context.attempt, 2);
  world.at('a').fail();
  await world.quiet();
  await world.pass(1_990);
  assert.equal(world.open.length, 0);
  await world.pass(20);
  assert.equal(world.at('a').context.attempt, 3);
  world.at('a').end();
  await worker.stop();
  assert.deepEqual(world.queue.unfinished, []);
  assert.equal(worker.stats().failed, 2);
});

test("queue worker: the queue's policy holds for what the worker does not say", async () => {
  const world = new WorkerWorld({ retry: { ...FIXED, delayMs: 300 } });
  world.queue.send('a', 'b');
  const worker = world.start({ retry: { delayMs: 700 } });
  await world.quiet();
  world.at('a').fail();
  await world.quiet();
  world.queue.retry = { ...FIXED, backoff: 'linear' };
  world.at('b').fail();
  await world.quiet();
  const delays = world.queue.askedBy('release').map(({ how }) => how);
  assert.deepEqual(
    delays.map((how) => (typeof how === 'object' && 'delayMs' in how ? how.delayMs : undefined)),
    [700, 700],
  );
  await worker.stop();
});

test('queue worker: behind `attempts`, or when it is not worth it, it is rejected', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b');
  const worker = world.start({
    retry: { ...FIXED, attempts: 2 },
    retryIf: (error) => !(error instanceof RangeError),
  });
  await world.quiet();
  const fatal = new RangeError('never');
  world.at('b').fail(fatal);
  world.at('a').fail();
  await world.pass(1_100);
  const last = new Error('last');
  world.at('a').fail(last);
  await world.quiet();
  assert.deepEqual(world.queue.dead, [
    { value: 'b', why: { error: fatal } },
    { value: 'a', why: { error: last } },
  ]);
  await worker.stop();
  assert.equal(worker.stats().rejected, 2);
});

test('queue worker: without `attempts` the limits of the queue decide alone', async () => {
  const world = new WorkerWorld({ deliveriesMax: 8 });
  world.queue.send('a');
  const worker = world.start({ retry: { ...FIXED, delayMs: 0 } }, () => {
    throw new Error('always');
  });
  await world.pass(100);
  assert.deepEqual(world.queue.dead, [{ value: 'a', why: 'exhausted' }]);
  assert.equal(worker.stats().failed, 8);
  await worker.stop();
});

test('queue worker: what a handler does with its message itself is not done again', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b', 'c', 'd');
  const worker = world.start();
  await world.quiet();
  const stored = world.at('a').message.acknowledge();
  await world.at('a').message.acknowledge();
  await stored;
  await world.at('b').message.release(5_000);
  await world.at('c').message.reject('nonsense');
  await rejection(world.at('c').message.acknowledge(), 'RECEIPT_STALE');
  await world.at('d').message.release();
  world.at('a').end();
  world.at('b').end();
  world.at('c').fail();
  await world.quiet();
  assert.deepEqual(
    world.queue.asked.map(({ verb, values }) => [verb, ...values]),
    [
      ['acknowledge', 'a'],
      ['release', 'b'],
      ['reject', 'c'],
      ['release', 'd'],
    ],
  );
  assert.deepEqual(world.queue.dead, [{ value: 'c', why: { reason: 'nonsense' } }]);
  // What was released runs again, beside the call that has let it go.
  assert.deepEqual(world.openValues, ['d', 'd']);
  await world.pass(5_000);
  assert.deepEqual(world.openValues, ['d', 'd', 'b']);
  await world.over(worker.stop({ drainMs: 0 }));
});

test('queue worker: at most once, a message is acknowledged before its handler', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b', 'c');
  const release = world.queue.hold();
  const worker = world.start({ acknowledge: 'on-receive', concurrency: 2 });
  await world.quiet();
  assert.deepEqual(world.queue.askedBy('acknowledge')[0]?.values, ['a', 'b']);
  assert.equal(world.calls.length, 0);
  release();
  await world.quiet();
  assert.deepEqual(world.openValues, ['a', 'b']);
  world.at('a').fail();
  await world.quiet();
  assert.deepEqual(world.openValues, ['b', 'c']);
  assert.deepEqual(world.queue.unfinished, []);
  assert.equal(world.queue.askedBy('release').length, 0);
  await rejection(world.at('b').message.release(), 'RECEIPT_STALE');
  await world.at('b').message.acknowledge();
  world.at('b').end();
  world.at('c').end();
  await worker.stop();
  const { succeeded, failed } = worker.stats();
  assert.deepEqual({ succeeded, failed }, { succeeded: 2, failed: 1 });
});

test('queue worker: what was acknowledged on receive runs, also at a stop', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b');
  const release = world.queue.hold();
  const worker = world.start({ acknowledge: 'on-receive', concurrency: 1 });
  await world.quiet();
  const stopped = worker.stop();
  await world.quiet();
  release();
  await world.quiet();
  assert.deepEqual(world.openValues, ['a']);
  world.at('a').end();
  await stopped;
  assert.deepEqual(world.queue.unfinished, ['b']);
});

test('queue worker: leases are renewed while handlers run, all in one call', async () => {
  const world = new WorkerWorld({ leaseMs: 1_000 });
  world.queue.send('a', 'b');
  const worker = world.start();
  await world.quiet();
  await world.pass(10_000, 200);
  assert.deepEqual(world.openValues, ['a', 'b']);
  assert.equal(world.calls.length, 2);
  const renewals = world.queue.askedBy('extend');
  assert.ok(renewals.every(({ values }) => values.length === 2));
  assert.ok(renewals.length >= 10 && renewals.length <= 25, `${renewals.length} renewals`);
  world.at('a').end();
  world.at('b').end();
  await worker.stop();
  assert.equal(worker.stats().lost, 0);
  assert.equal(world.clock.pendingCount, 0);
});

test('queue worker: a lost lease tells the handler, and its result is ignored', async () => {
  const world = new WorkerWorld({ leaseMs: 1_000 });
  world.queue.send('a');
  const worker = world.start({ concurrency: 1 });
  await world.quiet();
  const call = world.at('a');
  assert.equal(call.context.signal.aborted, false);
  // The event loop was blocked: nobody renewed anything.
  world.queue.state.expire(world.clock.monotonicMs() + 2_000, 10);
  await world.quiet();
  assert.equal(call.context.signal.aborted, true);
  assert.equal(call.context.signal.reason.code, 'RECEIPT_STALE');
  await rejection(call.message.acknowledge(), 'RECEIPT_STALE');
  await rejection(call.context.extend(100), 'RECEIPT_STALE');
  call.end();
  await world.quiet();
  assert.deepEqual(world.queue.askedBy('acknowledge'), []);
  assert.equal(worker.stats().lost, 1);
  assert.deepEqual(world.queue.unfinished, ['a']);
  world.queue.wake();
  await world.quiet();
  assert.equal(world.at('a').message.deliveries, 2);
  world.at('a').end();
  await worker.stop();
});

test('queue worker: a message whose lease ends before it arrives is not begun', async () => {
  const world = new WorkerWorld({ leaseMs: 1_000 });
  const worker = world.start();
  await world.quiet();
  world.queue.send('a');
  await Promise.resolve();
  assert.equal(world.queue.state.counts().inFlight, 1);
  world.queue.state.expire(world.clock.monotonicMs() + 2_000, 10);
  await world.quiet();
  assert.deepEqual(
    world.calls.map(({ message }) => message.deliveries),
    [2],
  );
  world.at('a').end();
  await worker.stop();
});

test('queue worker: a handler may extend its lease, within bounds', async () => {
  const world = new WorkerWorld({ leaseMs: 1_000 });
  world.queue.send('a');
  const worker = world.start();
  await world.quiet();
  const { context, message } = world.at('a');
  const { extend } = context;
  await extend(60_000);
  assert.equal(message.leaseEndsMs, 60_000);
  await message.extend(70_000);
  assert.equal(message.leaseEndsMs, 70_000);
  await rejection(extend(0), 'OPTION_INVALID');
  await rejection(extend(Number.NaN), 'OPTION_INVALID');
  await world.pass(30_000, 100);
  assert.equal(world.queue.askedBy('extend').length, 2);
  world.at('a').end();
  await worker.stop();
});

test('queue worker: a handler that takes too long is told to end, and has failed', async () => {
  const world = new WorkerWorld();
  world.queue.send('a');
  const worker = world.start({ attemptTimeoutMs: 2_000, retry: { ...FIXED, delayMs: 100 } });
  await world.quiet();
  const call = world.at('a');
  const { signal } = call.context;
  await world.pass(2_050);
  assert.equal(signal.reason.code, 'ATTEMPT_TIMED_OUT');
  await world.pass(200);
  assert.equal(world.open.length, 2);
  assert.equal(world.open[1]?.context.attempt, 2);
  call.end();
  world.at('a').end();
  await worker.stop();
  const { failed, succeeded } = worker.stats();
  assert.deepEqual({ failed, succeeded }, { failed: 1, succeeded: 1 });
});

test('queue worker: options are checked', () => {
  const world = new WorkerWorld();
  const refused = (options: object, code: 'OPTION_INVALID' | 'OPTION_UNKNOWN') => {
    return thrown(() => world.start(options), code).facts['option'];
  };
  assert.equal(refused({ concurrency: 0 }, 'OPTION_INVALID'), 'concurrency');
  assert.equal(refused({ concurency: 1 }, 'OPTION_UNKNOWN'), 'concurency');
  assert.equal(refused({ acknowledge: 'never' }, 'OPTION_INVALID'), 'acknowledge');
  assert.equal(refused({ retry: { delay: 1 } }, 'OPTION_UNKNOWN'), 'delay');
  assert.equal(refused({ retry: null }, 'OPTION_INVALID'), 'options');
  assert.equal(refused({ retry: { delayMs: 10_000_000 } }, 'OPTION_INVALID'), 'delayMs');
  assert.equal(refused({ retryIf: true }, 'OPTION_INVALID'), 'retryIf');
  assert.equal(refused({ signal: {} }, 'OPTION_INVALID'), 'signal');
  assert.equal(refused({ rateLimit: { onLimit: 'fail' } }, 'OPTION_INVALID'), 'onLimit');
  assert.equal(
    refused({ rateLimit: { count: 1, dropBelowPriority: 2 } }, 'OPTION_INVALID'),
    'rateLimit.dropBelowPriority',
  );
  assert.equal(refused({ circuitBreaker: { probes: 0 } }, 'OPTION_INVALID'), 'probes');
  thrown(() => Reflect.apply(world.start, world, [{}, null]), 'OPTION_INVALID');
  thrown(() => Reflect.apply(world.start, world, [null]), 'OPTION_INVALID');
});

test('queue worker: what cannot be stored ends it with that error', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b');
  const worker = world.start();
  await world.quiet();
  world.queue.failures.push('LOG_POISONED');
  world.at('a').end();
  await world.quiet();
  assert.equal(world.at('b').context.signal.reason.code, 'ATTEMPT_ENDED');
  world.at('b').end();
  await rejection(worker.finished, 'LOG_POISONED');
  await rejection(worker.stop(), 'LOG_POISONED');
  assert.equal(worker.state, 'over');
});

test('queue worker: on a full disk an acknowledgement is stored again until it is', async () => {
  const world = new WorkerWorld();
  world.queue.send('a', 'b');
  const worker = world.start();
  await world.quiet();
  world.queue.failures.push('DISK_FULL', 'DISK_FULL');
  world.at('a').end();
  const waits = world.at('b').message.acknowledge();
  world.at('b').end();
  await world.quiet();
  assert.ok(await isPending(waits));
  assert.equal(worker.stats().storing, 2);
  await world.pass(500);
  await waits;
  assert.deepEqual(
    world.queue.askedBy('acknowledge').map(({ values }) => values),
    [
      ['b', 'a'],
      ['b', 'a'],
      ['b', 'a'],
    ],
  );
  await worker.stop();
});
