// Processed ids: a handler runs once for each, and what a crash leaves of that promise.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deduplicator } from '../../src/broker/producer/deduplicator.js';
import type { DeduplicatorOptions } from '../../src/broker/producer/deduplicator-options.js';
import { SimBroker } from '../support/broker-fixture.js';
import { until } from '../support/consumer-fixture.js';
import { isPending, rejection } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

async function start(options: DeduplicatorOptions = {}, sim = new SimBroker()) {
  const broker = await sim.open();
  return { sim, broker, once: await broker.deduplicator('mail', options) };
}

/** A handler that counts its runs. */
function counting(): { runs: number; handler: () => number } {
  const counter = {
    runs: 0,
    handler: () => {
      counter.runs += 1;
      return counter.runs;
    },
  };
  return counter;
}

for (const promise of ['at-least-once', 'at-most-once'] as const) {
  test(`deduplicator: ${promise}, a handler that succeeds runs once`, async () => {
    const counter = counting();
    const { sim, broker, once } = await start({ promise });
    assert.deepEqual(await once.run('x', counter.handler), { isDuplicate: false, result: 1 });
    assert.deepEqual(await once.run('x', counter.handler), { isDuplicate: true });
    assert.deepEqual([once.has('x'), once.has('y'), once.count], [true, false, 1]);
    await broker.close();
    const closed = await start({ promise }, sim.kill());
    assert.deepEqual(await closed.once.run('x', counter.handler), { isDuplicate: true });
    await closed.once.run('y', counter.handler);
    const killed = await start({ promise }, closed.sim.kill());
    assert.deepEqual(await killed.once.run('y', counter.handler), { isDuplicate: true });
    assert.equal(counter.runs, 2);
    await killed.broker.close();
  });

  test(`deduplicator: ${promise}, a handler that fails runs again`, async () => {
    const { sim, broker, once } = await start({ promise });
    const failing = (): never => {
      throw new Error('no');
    };
    await assert.rejects(once.run('x', failing), /no/);
    await assert.rejects(
      once.run('x', async () => failing()),
      /no/,
    );
    assert.equal(once.has('x'), false);
    const counter = counting();
    const killed = await start({ promise }, sim.kill());
    await killed.once.run('x', counter.handler);
    assert.equal(counter.runs, 1);
    await killed.broker.close();
    await broker.close().catch(() => undefined);
  });
}

test('deduplicator: calls of one id wait for the one that succeeds', async () => {
  const { broker, once } = await start();
  let live = 0;
  let runs = 0;
  const handler = async (): Promise<string> => {
    live += 1;
    runs += 1;
    assert.equal(live, 1);
    await Promise.resolve();
    live -= 1;
    if (runs < 3) throw new Error(`fails ${runs}`);
    return 'done';
  };
  const calls = Array.from({ length: 6 }, () => once.run('x', handler));
  const outcomes = await Promise.allSettled(calls);
  const told = outcomes.map((one) => (one.status === 'fulfilled' ? one.value : 'failed'));
  assert.deepEqual(told, [
    'failed',
    'failed',
    { isDuplicate: false, result: 'done' },
    { isDuplicate: true },
    { isDuplicate: true },
    { isDuplicate: true },
  ]);
  assert.equal(runs, 3);
  await broker.close();
});

test('deduplicator: whoever waits can leave, and the run goes on', async () => {
  const { broker, once } = await start();
  let finish: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const leaving = new AbortController();
  const first = once.run('x', () => gate);
  const second = once.run('x', () => assert.fail('runs twice'), { signal: leaving.signal });
  assert(await isPending(second));
  leaving.abort(new Error('enough'));
  await assert.rejects(second, /enough/);
  finish();
  assert.equal((await first).isDuplicate, false);
  await broker.close();
});

test('deduplicator: ids are forgotten by age, by number, and on request', async () => {
  const { sim, broker, once } = await start({ windowMs: 1_000, idsMax: 2 });
  const counter = counting();
  for (const id of ['x', 'y', 'z']) await once.run(id, counter.handler);
  assert.deepEqual([once.has('x'), once.has('y'), once.has('z')], [false, true, true]);
  await once.forget('y');
  assert.equal(once.has('y'), false);
  sim.clock.advance(999);
  assert.equal(once.has('z'), true);
  const killed = await start({ windowMs: 1_000, idsMax: 2 }, sim.kill());
  assert.deepEqual([killed.once.has('y'), killed.once.has('z')], [false, true]);
  killed.sim.clock.advance(1);
  assert.equal(killed.once.has('z'), false);
  await killed.broker.close();
  await broker.close().catch(() => undefined);
});

test('deduplicator: another window is taken over at the next open', async () => {
  const { sim, broker, once } = await start();
  await once.run('x', () => undefined);
  await rejection(broker.deduplicator('mail', { windowMs: 5_000 }), 'OPTION_CONFLICT');
  assert.equal(await broker.deduplicator('mail'), once);
  await broker.close();
  sim.clock.advance(4_999);
  const next = await start({ windowMs: 5_000 }, sim.kill());
  assert.equal(next.once.has('x'), true);
  next.sim.clock.advance(1);
  assert.equal(next.once.has('x'), false);
  await next.broker.close();
});

test('deduplicator: what cannot be a name, an option or an id is refused', async () => {
  const { broker, once } = await start();
  for (const name of ['', 'a/b', 'x'.repeat(201)]) {
    await rejection(broker.deduplicator(name), 'OPTION_INVALID');
  }
  await rejection(broker.deduplicator('b', { windowMs: 0 }), 'OPTION_INVALID');
  for (const id of ['', 'x'.repeat(257)]) {
    await rejection(
      once.run(id, () => assert.fail('runs')),
      'OPTION_INVALID',
    );
  }
  await broker.close();
  await rejection(
    once.run('x', () => assert.fail('runs')),
    'BROKER_CLOSED',
  );
  await rejection(broker.deduplicator('b'), 'BROKER_CLOSED');
});

test('deduplicator: a handler for loops finds the id in the message', async () => {
  const { broker, once } = await start();
  const seen: string[] = [];
  const handle = once.handler(
    (message: { readonly id: string }) => message.id,
    (message, attempt: number) => {
      seen.push(message.id);
      return attempt;
    },
  );
  assert.equal(await handle({ id: 'x' }, 7), 7);
  assert.equal(await handle({ id: 'x' }, 8), undefined);
  assert.equal(await handle({ id: 'y' }, 9), 9);
  assert.deepEqual(seen, ['x', 'y']);
  await broker.close();
});

test('deduplicator: a note that cannot be stored is tried again, the handler is not', async () => {
  const { sim, broker, once } = await start();
  await once.run('first', () => undefined);
  sim.disk.fail({ name: 'write', path: '/__processed', errno: 'ENOSPC' });
  const counter = counting();
  await rejection(once.run('x', counter.handler), 'DISK_FULL');
  assert.deepEqual(await once.run('x', counter.handler), { isDuplicate: true });
  assert.equal(counter.runs, 1);
  const killed = await start({}, sim.kill());
  assert.equal(killed.once.has('x'), true);
  await killed.broker.close();
  await broker.close().catch(() => undefined);
});

/** Runs three ids twice; a run that a crash interrupts is in `begun`, not in `done`. */
async function runAll(once: Deduplicator, done: string[], begun: string[]): Promise<void> {
  for (const id of ['1', '2', '1', '3', '2']) {
    const outcome = await once.run(id, () => void begun.push(id));
    if (!outcome.isDuplicate) done.push(id);
  }
}

for (const promise of ['at-least-once', 'at-most-once'] as const) {
  test(`deduplicator: ${promise} holds over a power cut at any call`, async () => {
    await withSeed(async (prng, seed) => {
      const { sim, broker, once } = await start({ promise });
      const done: string[] = [];
      const begun: string[] = [];
      const cuts: { sim: SimBroker; done: string[]; begun: string[]; about: string }[] = [];
      sim.disk.onCall = (number, name) => {
        for (const choice of enumerateCrashes(sim.disk, 4, seed + number)) {
          const about = `power cut at call ${number}, ${name}, ${JSON.stringify(choice)}`;
          cuts.push({ sim: sim.crash(choice), done: [...done], begun: [...begun], about });
        }
      };
      await runAll(once, done, begun);
      await broker.close();
      assert(cuts.length > 30, `${cuts.length} cuts`);
      for (const cut of prng.shuffle(cuts).slice(0, 60)) {
        const again = await start({ promise }, cut.sim);
        await runAll(again.once, [], cut.begun);
        await again.broker.close();
        for (const id of ['1', '2', '3']) {
          const runs = cut.begun.filter((one) => one === id).length;
          const allowed = cut.done.includes(id)
            ? [1]
            : promise === 'at-most-once'
              ? [0, 1]
              : [1, 2];
          assert(allowed.includes(runs), `${cut.about}: ${id} ran ${runs} times`);
        }
      }
    });
  });
}

test('deduplicator: a topic that is processed again has its effects once', async () => {
  const sim = new SimBroker();
  const seen: string[] = [];
  const process = async (expected: number): Promise<void> => {
    const broker = await sim.open();
    const topic = await broker.topic('orders');
    const once = await broker.deduplicator('mail');
    const handler = once.handler(
      ({ key }: { readonly key: Buffer | null }) => `order ${key}`,
      ({ key }) => void seen.push(`${key}`),
    );
    const before = await broker.groups.list();
    if (before.length > 0) await broker.groups.reset('mail', { to: 'earliest' });
    await topic.send({ key: `${expected}`, value: 'v' });
    const worker = topic.process({ group: 'mail' }, handler);
    await until(() => seen.length === expected);
    await worker.stop();
    await broker.close();
  };
  await process(1);
  await process(2);
  await process(3);
  assert.deepEqual(seen, ['1', '2', '3']);
});
