// How fast a worker goes, and how much it holds: bounds, rate, circuit breaker, stalls.

import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { suite, test } from 'node:test';
import { processDiagnostics } from '../../src/broker/process/process-diagnostics.js';
import { settled } from '../support/fixtures.js';
import { Calls, ProcessWorld } from '../support/process-fixture.js';

const SOON = { delayMs: 100, backoff: 'fixed', jitter: 'none' } as const;

suite('process: flow', () => {
  test('records in flight are bounded; what ends makes room', async () => {
    const world = await ProcessWorld.open();
    const records = Array.from({ length: 100 }, (_, index) => ({ value: String(index) }));
    await world.topic.send(records);
    const calls = new Calls();
    const worker = world.start(calls.handler, { inFlightRecords: 10, concurrency: 100 });
    await world.pass(10);
    assert.equal(worker.inFlightCount, 10);
    assert.equal(calls.open.length, 10);
    for (const call of [...calls.open]) call.end();
    await settled();
    assert.equal(worker.inFlightCount, 10);
    assert.equal(calls.all.length, 20);
    await world.close();
  });

  test('bytes in flight are bounded; a record larger than the bound goes alone', async () => {
    const world = await ProcessWorld.open();
    for (const size of [1_000, 1_000, 1_000, 9_000, 1_000]) {
      await world.topic.send({ value: 'x'.repeat(size) });
    }
    const calls = new Calls();
    const worker = world.start(calls.handler, { inFlightBytes: 4_000 });
    await world.pass(10);
    assert.equal(worker.inFlightCount, 3);
    for (const call of [...calls.open]) call.end();
    await settled();
    assert.equal(worker.inFlightCount, 1);
    assert.equal(calls.open[0]?.value.length, 9_000);
    calls.open[0]?.end();
    await settled();
    assert.equal(calls.open[0]?.value.length, 1_000);
    await world.close();
  });

  test('a worker that does not go on stops the reading', async () => {
    const world = await ProcessWorld.open();
    const before = world.sim.clock.pendingCount;
    const cores = world.cores();
    for (let index = 0; index < 50; index += 1) {
      await world.topic.send({ value: `${index}`.padEnd(2_000, '.') });
    }
    const calls = new Calls();
    const group = { prefetchBytes: 8_192, prefetchCount: 3 };
    const worker = world.start(calls.handler, { inFlightRecords: 4 }, group);
    await world.pass(60_000);
    assert.equal(worker.inFlightCount, 4);
    const [core] = cores;
    assert.ok(core);
    assert.equal(core.heldCount, 3);
    assert.ok(core.heldBytes <= 8_192);
    assert.ok(world.sim.clock.pendingCount - before < 20);
    await world.close();
  });

  test('a partition that stands still makes room for the others', async () => {
    const world = await ProcessWorld.open(2);
    const seen: string[] = [];
    // All of one key: the first holds back the others.
    for (let index = 0; index < 40; index += 1) {
      await world.topic.send({ key: 'a', value: `a${index}`, partition: 0 });
    }
    const calls = new Calls();
    const group = { prefetchCount: 3 };
    world.start(
      (record, context) => {
        const value = String(record.value);
        seen.push(value);
        return value.startsWith('a') ? calls.handler(record, context) : undefined;
      },
      { inFlightRecords: 8 },
      group,
    );
    await world.pass(100);
    for (let index = 0; index < 20; index += 1) {
      await world.topic.send({ key: 'b', value: `b${index}`, partition: 1 });
    }
    await world.pass(5_000);
    assert.equal(seen.filter((value) => value.startsWith('b')).length, 20);
    assert.deepEqual(calls.openValues, ['a0']);
    for (let ended = 0; ended < 40; ended += 1) {
      assert.deepEqual(calls.openValues, [`a${ended}`], 'each comes once, in order');
      calls.open[0]?.end();
      await world.pass(3);
    }
    await world.pass(1_000);
    assert.equal(await world.committed(0), 40);
    assert.equal(await world.committed(1), 20);
    await world.close();
  });

  test('one key that rests holds back no other partition and no other key', async () => {
    const world = await ProcessWorld.open();
    const seen: string[] = [];
    await world.send('a1', 'a2', 'b1', 'c1', 'b2');
    world.start(
      ({ value }, { attempt }) => {
        const text = String(value);
        if (text === 'a1' && attempt < 4) throw new Error('planned');
        seen.push(text);
      },
      { retry: { backoff: 'fixed', delayMs: 10_000, jitter: 'none' } },
    );
    await world.pass(100);
    assert.deepEqual(seen, ['b1', 'c1', 'b2']);
    await world.pass(31_000);
    assert.deepEqual(seen, ['b1', 'c1', 'b2', 'a1', 'a2']);
    await world.close();
  });

  test('the rate limit counts every attempt, and bounds a burst', async () => {
    const world = await ProcessWorld.open();
    await world.send(...Array.from({ length: 30 }, (_, index) => `-${index}`));
    let attempts = 0;
    const count = () => {
      attempts += 1;
    };
    world.start(count, { rateLimit: { records: 10, burst: 5 } });
    await world.pass(10);
    assert.equal(attempts, 5);
    await world.pass(1_000);
    assert.ok(attempts >= 14 && attempts <= 16, String(attempts));
    await world.pass(1_000);
    assert.ok(attempts >= 24 && attempts <= 26, String(attempts));
    await world.close();
  });

  test('a rate below one a second is kept, too', async () => {
    const world = await ProcessWorld.open();
    await world.send('-1', '-2', '-3');
    let attempts = 0;
    const rateLimit = { records: 1, perMs: 60_000 };
    const count = () => {
      attempts += 1;
    };
    world.start(count, { rateLimit });
    await world.pass(1_000);
    assert.equal(attempts, 1);
    await world.pass(61_000);
    assert.equal(attempts, 2);
    await world.close();
  });

  test('an open circuit starts no handler; one that succeeds closes it', async () => {
    const world = await ProcessWorld.open();
    await world.send(...Array.from({ length: 10 }, (_, index) => `-${index}`));
    let isDown = true;
    const attempts: string[] = [];
    const states: unknown[] = [];
    const note = (event: unknown): void => {
      if (typeof event === 'object' && event !== null && 'state' in event) states.push(event.state);
    };
    subscribe(processDiagnostics.breaker.name, note);
    world.start(
      async ({ value }) => {
        attempts.push(String(value));
        await settled();
        if (isDown) throw new Error('down');
      },
      {
        concurrency: 1,
        retry: { ...SOON, attempts: 50 },
        circuitBreaker: { calls: 4, failureRatio: 0.75, openMs: 5_000 },
      },
    );
    await world.pass(4_000);
    assert.equal(attempts.length, 4);
    await world.pass(3_000);
    assert.equal(attempts.length, 5, 'one probe');
    isDown = false;
    await world.pass(10_000);
    unsubscribe(processDiagnostics.breaker.name, note);
    assert.deepEqual(states, ['open', 'half-open', 'open', 'half-open', 'closed']);
    assert.equal(await world.committed(), 10);
    await world.close();
  });

  test('handlers that end at once use neither stack nor the whole of the time', async () => {
    const world = await ProcessWorld.open();
    const records = Array.from({ length: 20_000 }, () => ({ key: 'a', value: 'x' }));
    await world.topic.send(records);
    let count = 0;
    const worker = world.start(() => {
      count += 1;
    });
    await world.pass(1_000);
    assert.equal(count, 20_000);
    assert.equal(await world.committed(), 20_000);
    assert.equal(worker.inFlightCount, 0);
    await world.close();
  });

  test('handlers that take all the time leave some for others, batch by batch', async () => {
    const world = await ProcessWorld.open();
    await world.send(...Array.from({ length: 50 }, (_, index) => `-${index}`));
    let count = 0;
    world.start(() => {
      count += 1;
      // It works for 5 ms, and lets nobody else run meanwhile.
      world.sim.clock.advance(5);
    });
    await settled();
    await settled();
    assert.ok(count > 0 && count <= 10, String(count));
    await world.pass(1_000);
    assert.equal(count, 50);
    await world.close();
  });
});
