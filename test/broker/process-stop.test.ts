// The end of a worker, and of its hold on a partition: draining, aborting, leaving.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { suite, test } from 'node:test';
import { createError } from '../../src/base/errors.js';
import { mayCommitLater } from '../../src/broker/process/process-committer.js';
import { processDiagnostics } from '../../src/broker/process/process-diagnostics.js';
import { isPending, rejection, settled } from '../support/fixtures.js';
import { Calls, ProcessWorld } from '../support/process-fixture.js';

suite('process: the end', () => {
  test('stop starts nothing more, waits for what runs, and commits it', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'a2', 'b1');
    const calls = new Calls();
    const worker = world.start(calls.handler);
    await world.pass(10);
    const stopping = worker.stop();
    assert.equal(worker.state, 'stopping');
    await world.pass(10);
    calls.at('a1').end();
    await world.pass(10);
    assert.deepEqual(calls.values, ['a1', 'b1']);
    assert.equal(await isPending(stopping), true);
    calls.at('b1').end();
    await world.over(stopping);
    await worker.finished;
    assert.equal(worker.state, 'over');
    assert.equal(await world.committed(), 1);
    assert.equal((await world.broker.groups.describe('mail')).members, 0);
    await worker.stop();
    await world.close();
  });

  test('behind drainMs handlers are told to end, and have a moment to do so', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1');
    let aborted: unknown;
    const calls = new Calls();
    const worker = world.start((record, context) => {
      if (String(record.value) === 'b1') return calls.handler(record, context);
      return new Promise<void>((resolve) => {
        context.signal.addEventListener('abort', () => {
          aborted = context.signal.reason;
          resolve();
        });
      });
    });
    await world.pass(10);
    const stopping = worker.stop({ drainMs: 5_000 });
    await world.pass(4_900);
    assert.equal(aborted, undefined);
    await world.pass(200);
    await rejection(Promise.reject(aborted), 'ATTEMPT_ENDED');
    assert.equal(calls.at('b1').context.signal.aborted, true);
    await world.over(stopping);
    // It ended well after it was told to: what it did counts.
    assert.equal(await world.committed(), 1);
    await world.close();
  });

  test('a handler that never ends does not hold the worker, and is told of', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1');
    const left: unknown[] = [];
    const note = (event: unknown): void => void left.push(event);
    subscribe(processDiagnostics.handlersLeft.name, note);
    const calls = new Calls();
    const worker = world.start(calls.handler);
    await world.pass(10);
    calls.at('b1').end();
    const stopping = worker.stop({ drainMs: 1_000 });
    await world.pass(2_100);
    await stopping;
    unsubscribe(processDiagnostics.handlersLeft.name, note);
    assert.deepEqual(left, [{ group: 'mail', topic: 'orders', partition: 0, handlers: 1 }]);
    assert.equal(await world.committed(), undefined);
    assert.equal(worker.runningCount, 1);
    calls.at('a1').end();
    await settled();
    assert.equal(worker.runningCount, 0);
    assert.equal(await world.committed(), undefined);
    await world.close();
  });

  test('a second stop may shorten the time', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    const worker = world.start(calls.handler);
    await world.pass(10);
    const first = worker.stop();
    await world.pass(10);
    const second = worker.stop({ drainMs: 0 });
    await world.pass(1_100);
    assert.equal(worker.state, 'over');
    await Promise.all([first, second]);
    await rejection(worker.stop({ drainMs: -1 }), 'OPTION_INVALID');
    await rejection(worker.stop({ drainMs: Number.NaN }), 'OPTION_INVALID');
    await world.close();
  });

  test('the signal ends the worker; handlers hear its reason', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    const controller = new AbortController();
    const worker = world.start(calls.handler, { signal: controller.signal });
    await world.pass(10);
    const { signal } = calls.at('a1').context;
    const reason = new Error('enough');
    controller.abort(reason);
    await settled();
    assert.equal(signal.reason, reason);
    await world.over(worker.finished);
    const late = world.start(calls.handler, { signal: controller.signal });
    await world.over(late.finished);
    assert.equal(calls.all.length, 1);
    await world.close();
  });

  test('failures while it stops are no failures: the record comes again as it was', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    const worker = world.start(calls.handler, { retry: { attempts: 1 } });
    await world.pass(10);
    const stopping = worker.stop();
    await settled();
    calls.at('a1').fail();
    await world.over(stopping);
    assert.equal(world.broker.listTopics().length, 1);
    world.start(calls.handler, { retry: { attempts: 1 } });
    await world.pass(10);
    assert.equal(calls.at('a1').context.attempt, 1);
    await world.close();
  });

  test('asyncDispose stops it', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const worker = world.start(() => undefined);
    await world.pass(10);
    await world.over(worker[Symbol.asyncDispose]());
    assert.equal(worker.state, 'over');
    assert.equal(await world.committed(), 1);
    await world.close();
  });

  test('closing the broker ends its workers, and commits what they did', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1');
    const calls = new Calls();
    const worker = world.start(calls.handler, { commitIntervalMs: 60_000 });
    await world.pass(10);
    calls.at('a1').end();
    await world.pass(10);
    const closing = world.broker.close();
    await settled();
    calls.at('b1').end();
    await world.over(closing);
    await worker.finished;
    const later = await ProcessWorld.open(1, world.sim.kill());
    assert.equal(await later.committed(), 2);
    await later.close();
  });

  test('a revoked partition is drained and committed before another member has it', async () => {
    const world = await ProcessWorld.open(2);
    await world.topic.send({ key: 'a', value: 'a1', partition: 0 });
    await world.topic.send({ key: 'b', value: 'b1', partition: 1 });
    const [first, second] = [new Calls(), new Calls()];
    world.start(first.handler);
    await world.pass(10);
    assert.deepEqual(first.openValues.sort(), ['a1', 'b1']);
    world.start(second.handler);
    await world.pass(100);
    // One of the two is to move, and waits for its handler.
    assert.deepEqual(second.values, []);
    first.at('a1').end();
    first.at('b1').end();
    await world.pass(10_000);
    assert.deepEqual(second.values, [], 'what was finished does not come again');
    await world.topic.send({ key: 'a', value: 'a2', partition: 0 });
    await world.topic.send({ key: 'b', value: 'b2', partition: 1 });
    await world.pass(100);
    assert.equal(first.openValues.length, 1);
    assert.equal(second.openValues.length, 1);
    await world.close();
  });

  test('a revoked handler is told to end at half of the rebalance timeout', async () => {
    const world = await ProcessWorld.open(2);
    await world.topic.send({ key: 'a', value: 'a1', partition: 0 });
    await world.topic.send({ key: 'b', value: 'b1', partition: 1 });
    const [first, second] = [new Calls(), new Calls()];
    const group = { rebalanceTimeoutMs: 20_000 };
    world.start(first.handler, {}, group);
    await world.pass(10);
    world.start(second.handler, {}, group);
    await world.pass(9_900);
    assert.deepEqual(
      first.open.map(({ context }) => context.signal.aborted),
      [false, false],
    );
    await world.pass(5_000);
    const told = first.open.filter(({ context }) => context.signal.aborted);
    assert.equal(told.length, 1);
    assert.deepEqual(second.openValues, [told[0]?.value], 'the other member begins it anew');
    // It ends late: that is nobody's any more.
    told[0]?.end();
    await world.pass(2_000);
    const offsets = [await world.committed(0), await world.committed(1)];
    assert.deepEqual(offsets, [undefined, undefined]);
    await world.close();
  });

  test('a partition that is lost is let go at once, and not committed', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'a2');
    const calls = new Calls();
    const cores = world.cores();
    world.start(calls.handler);
    await world.pass(10);
    const held = calls.at('a1');
    const member = cores[0]?.memberOf();
    assert.ok(member);
    // Somebody puts it out, as the end of its session would.
    const coordinator = await world.broker.consumers.coordinator();
    await coordinator.leave({ groupId: 'mail', member });
    await world.pass(5_000);
    assert.equal(held.context.signal.aborted, true);
    held.end();
    await world.pass(1_000);
    assert.equal(await world.committed(), undefined);
    assert.deepEqual(calls.openValues, ['a1'], 'it has joined again, and begins anew');
    await world.close();
  });

  test('what ends the membership ends the worker, and finished says why', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    const old = world.start(calls.handler, {}, { instanceId: 'one' });
    await world.pass(10);
    const next = world.start(calls.handler, {}, { instanceId: 'one' });
    await world.pass(60_000);
    await rejection(old.finished, 'FENCED_INSTANCE');
    await rejection(old.stop(), 'FENCED_INSTANCE');
    assert.equal(old.state, 'over');
    assert.equal(next.state, 'running');
    await world.close();
  });

  test('dead letters that cannot be stored end the worker: nothing is dropped', async () => {
    const world = await ProcessWorld.open();
    await world.broker.topic('graves', { cleanup: 'compact' });
    await world.send('-1');
    const options = { deadLetter: 'graves', retry: { attempts: 1 } };
    const worker = world.start(() => Promise.reject(new Error('planned')), options);
    await world.pass(1_000);
    await world.over(worker.finished.catch(() => undefined));
    await rejection(worker.finished, 'KEY_REQUIRED');
    assert.equal(await world.committed(), undefined);
    await world.close();
  });

  test('a commit that fails for now is tried again', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    world.start(calls.handler);
    await world.pass(10);
    const delayed: unknown[] = [];
    const note = (event: unknown): void => void delayed.push(event);
    subscribe(processDiagnostics.commitDelayed.name, note);
    const { coordinator } = world.broker.consumers;
    const groups = await coordinator.call(world.broker.consumers);
    const commit = groups.commit.bind(groups);
    let failures = 2;
    groups.commit = (request) => {
      if (failures === 0) return commit(request);
      failures -= 1;
      return Promise.reject(createError('DISK_FULL', { path: '/broker' }));
    };
    calls.at('a1').end();
    await world.pass(30_000);
    unsubscribe(processDiagnostics.commitDelayed.name, note);
    assert.equal(delayed.length, 2);
    assert.equal(await world.committed(), 1);
    await world.close();
  });

  test('a topic that is deleted ends its worker', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1', 'b1');
    const calls = new Calls();
    const worker = world.start(calls.handler);
    await world.pass(10);
    const deleting = world.broker.deleteTopic('orders');
    await world.over(deleting);
    await world.over(worker.finished);
    assert.equal(worker.state, 'over');
    await world.close();
  });

  test('dead records are buried before their partition goes to another member', async () => {
    const world = await ProcessWorld.open(2);
    await world.topic.send({ key: 'a', value: 'a1', partition: 0 });
    await world.topic.send({ key: 'b', value: 'b1', partition: 1 });
    const fail = () => Promise.reject(new Error('poison'));
    const options = { retry: { attempts: 1 }, commitIntervalMs: 3_600_000 };
    const worker = world.start(fail, options);
    await world.pass(10);
    await world.topic.send({ key: 'a', value: 'a2', partition: 0 });
    await world.pass(10);
    const late = await world.values('orders-dead');
    assert.deepEqual(late.sort(), ['a1', 'b1'], 'the next commit is far away');
    world.start(fail, options);
    await world.pass(10_000);
    await world.over(worker.stop());
    assert.deepEqual((await world.values('orders-dead')).sort(), ['a1', 'a2', 'b1']);
    assert.equal(await world.committed(0), 2);
    await world.close();
  });

  test('what may be tried again is told from what never works', () => {
    const later = [
      'DISK_FULL',
      'REBALANCE_IN_PROGRESS',
      'UNKNOWN_MEMBER',
      'UNKNOWN_TOPIC',
    ] as const;
    for (const code of later) assert.equal(mayCommitLater(createError(code, {})), true, code);
    const never = ['KEY_REQUIRED', 'OUTCOME_UNKNOWN', 'BROKER_CLOSED', 'FENCED_INSTANCE'] as const;
    for (const code of never) assert.equal(mayCommitLater(createError(code, {})), false, code);
    assert.equal(mayCommitLater(new Error('a bug')), false);
  });

  test('dead letters that find no space for now are stored when there is some', async () => {
    const world = await ProcessWorld.open();
    await world.send('a1');
    const calls = new Calls();
    world.start(calls.handler, { retry: { attempts: 1 } });
    await world.pass(10);
    const { transactions } = world.broker;
    const run = transactions.run.bind(transactions);
    let failures = 3;
    transactions.run = (work, options) => {
      if (failures === 0) return run(work, options);
      failures -= 1;
      return Promise.reject(createError('DISK_FULL', { path: '/broker' }));
    };
    calls.at('a1').fail();
    await world.pass(60_000);
    assert.equal(failures, 0);
    assert.deepEqual(await world.values('orders-dead'), ['a1']);
    assert.equal(await world.committed(), 1);
    await world.close();
  });
});
