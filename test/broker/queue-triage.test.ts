/**
 * Looking after a queue of dead letters: what is in it, why, and back with it, each message once.
 */

import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { Queue } from '../../src/broker/queue/queue.js';
import { SimBroker } from '../support/broker-fixture.js';
import { isPending, rejection, settled } from '../support/fixtures.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

type Jobs = Queue<Buffer, string | Uint8Array>;

class World {
  readonly sim: SimBroker;
  readonly broker: Broker;
  readonly jobs: Jobs;

  private constructor(sim: SimBroker, broker: Broker, jobs: Jobs) {
    this.sim = sim;
    this.broker = broker;
    this.jobs = jobs;
  }

  static async open(sim = new SimBroker(), options = {}): Promise<World> {
    const broker = await sim.open();
    return new World(sim, broker, await broker.queue('jobs', options));
  }

  /** Every message that there is goes to the dead letters; `reasonOf` its value. */
  async rejectAll(reasonOf: (value: string) => string): Promise<void> {
    for (;;) {
      const messages = await this.jobs.receive({ max: 50 });
      if (messages.length === 0) return;
      for (const message of messages) {
        await message.reject({ reason: reasonOf(String(message.value)) });
      }
    }
  }

  async dead(): Promise<Jobs> {
    return await this.broker.queue('jobs-dead', {
      maxDeliveries: 'unlimited',
      deadLetter: 'none',
    });
  }

  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 100) {
      this.sim.clock.advance(100);
      await settled();
    }
  }
}

async function texts(queue: Jobs): Promise<string[]> {
  const found: string[] = [];
  for (;;) {
    const messages = await queue.receive({ max: 100 });
    if (messages.length === 0) return found;
    found.push(...messages.map(({ value }) => String(value)));
  }
}

const PARITY = (value: string): string => (Number(value.slice(1)) % 2 === 0 ? 'even' : 'odd');
const numbered = (count: number): string[] => Array.from({ length: count }, (_, at) => `m${at}`);

/** So many messages that were rejected as even or odd. */
async function withDead(count: number, options = {}): Promise<World> {
  const world = await World.open(new SimBroker(), options);
  for (const value of numbered(count)) {
    await world.jobs.send(value, { key: value, headers: [{ key: 'at', value }] });
  }
  await world.rejectAll(PARITY);
  return world;
}

suite('queue triage', () => {
  test('peek: pages of what is not done with, and nobody notices', async () => {
    const world = await withDead(5);
    const dead = await world.dead();
    const first = await dead.peek({ max: 3 });
    assert.deepEqual(
      first.messages.map(({ value }) => String(value)),
      ['m0', 'm1', 'm2'],
    );
    const second = await dead.peek({ max: 3, after: first.next });
    assert.deepEqual(
      second.messages.map(({ value }) => String(value)),
      ['m3', 'm4'],
    );
    assert.equal(second.next, undefined);
    const [message] = first.messages;
    assert.deepEqual(message?.headers, [{ key: 'at', value: Buffer.from('m0') }]);
    assert.equal(String(message?.key), 'm0');
    const { timeMs, timestamp, ...note } = message?.deadLetter ?? {};
    assert.ok(Number(timeMs) > 0);
    assert.deepEqual(note, {
      queue: 'jobs',
      topic: 'jobs',
      partition: 0,
      offset: 0,
      group: 'jobs',
      reason: 'even',
      code: 'MESSAGE_REJECTED',
      attempts: 1,
      deliveries: 1,
      failures: 0,
      omitted: undefined,
    });
    const [received] = await dead.receive({ max: 1 });
    assert.equal(received?.deliveries, 1, 'a peek is no delivery');
    assert.equal((await dead.peek({ max: 10 })).messages.length, 5, 'in flight is not done with');
    await received?.acknowledge();
    assert.equal((await dead.peek({ max: 10 })).messages.length, 4);
    await world.broker.close();
  });

  test('search: by reason, code, header, key, time, and by what a function says', async () => {
    const world = await withDead(6);
    const dead = await world.dead();
    const found = async (filter: Parameters<Jobs['search']>[0]): Promise<string[]> =>
      (await dead.search(filter)).messages.map(({ value }) => String(value));
    assert.deepEqual(await found({ reason: 'ev' }), ['m0', 'm2', 'm4']);
    assert.deepEqual(await found({ code: 'MESSAGE_REJECTED', key: 'm3' }), ['m3']);
    assert.deepEqual(await found({ code: 'OTHER' }), []);
    assert.deepEqual(await found({ header: { key: 'at', value: 'm5' } }), ['m5']);
    assert.equal((await found({ header: { key: 'at' } })).length, 6);
    assert.deepEqual(await found({ where: ({ value }) => String(value) > 'm4' }), ['m5']);
    assert.deepEqual(await found({ afterMs: world.sim.clock.nowMs() + 1 }), []);
    assert.equal((await found({ beforeMs: world.sim.clock.nowMs() + 1 })).length, 6);
    await rejection(dead.search(Object({ what: 1 })), 'OPTION_UNKNOWN');
    await rejection(dead.search(Object({ reason: 1 })), 'OPTION_INVALID');
    await rejection(dead.peek({ after: 'x' }), 'OPTION_INVALID');
    await world.broker.close();
  });

  test('group by error: poison pills show, most frequent first', async () => {
    const world = await withDead(5);
    const dead = await world.dead();
    const { groups, messages, next } = await dead.groupByError();
    assert.deepEqual(
      groups.map(({ reason, code, count, sample }) => [reason, code, count, String(sample.value)]),
      [
        ['even', 'MESSAGE_REJECTED', 3, 'm0'],
        ['odd', 'MESSAGE_REJECTED', 2, 'm1'],
      ],
    );
    assert.equal(messages, 5);
    assert.equal(next, undefined);
    assert.ok(groups.every(({ firstMs, lastMs }) => firstMs <= lastMs && firstMs > 0));
    await world.broker.close();
  });

  test('redrive: back to where they came from, as they were sent', async () => {
    const world = await withDead(4, { priorities: 2 });
    await world.jobs.send('urgent', { priority: 1, ttlMs: 60_000 });
    const [urgent] = await world.jobs.receive();
    await urgent?.reject({ reason: 'x' });
    const dead = await world.broker.queue('jobs-dead');
    assert.deepEqual(await dead.redrive({ filter: { reason: 'even' } }), {
      moved: 2,
      passedOver: 0,
    });
    assert.deepEqual(await dead.redrive({ filter: { reason: 'x' } }), { moved: 1, passedOver: 0 });
    const messages = await world.jobs.receive({ max: 10 });
    assert.deepEqual(
      messages.map(({ value, priority, deliveries }) => [String(value), priority, deliveries]),
      [
        ['urgent', 1, 1],
        ['m0', 0, 1],
        ['m2', 0, 1],
      ],
    );
    assert.deepEqual(messages[1]?.headers, [{ key: 'at', value: Buffer.from('m0') }]);
    const ttl = messages[0]?.record.headers.find(({ key }) => key === 'millrace-ttl');
    assert.equal(String(ttl?.value), '60000');
    assert.equal((await dead.peek()).messages.length, 2);
    assert.deepEqual(await texts(dead), ['m1', 'm3']);
    assert.equal((await dead.stats()).inFlight, 2);
    await world.broker.close();
  });

  test('redrive: to a named queue or topic, so many, and not what somebody has', async () => {
    const world = await withDead(6);
    const dead = await world.dead();
    const other = await world.broker.queue('other', { deduplication: 'content' });
    const topic = await world.broker.topic('side');
    const [held] = await dead.receive();
    assert.equal(String(held?.value), 'm0');
    assert.deepEqual(await dead.redrive({ to: 'other', max: 2 }), { moved: 2, passedOver: 1 });
    assert.deepEqual(await texts(other), ['m1', 'm2']);
    assert.deepEqual(await dead.redrive({ to: 'side' }), { moved: 3, passedOver: 1 });
    assert.equal((await topic.hosted.partition(0)).durableOffset > 3, true);
    await rejection(dead.redrive({ to: 'none' }), 'UNKNOWN_QUEUE');
    await world.broker.deleteQueue('jobs');
    await held?.release();
    assert.deepEqual(await dead.redrive(), { moved: 0, passedOver: 1 }, 'its queue is gone');
    assert.deepEqual(await texts(dead), ['m0']);
    await world.broker.close();
  });

  test('redrive: at a rate, until a signal ends it', async () => {
    const world = await withDead(20);
    const dead = await world.dead();
    const ending = new AbortController();
    const redriving = dead.redrive({ rate: { count: 5, perMs: 1_000 }, signal: ending.signal });
    redriving.catch(() => undefined);
    await world.pass(100);
    assert.equal((await world.jobs.peek({ max: 100 })).messages.length, 5);
    await world.pass(2_000);
    const { length } = (await world.jobs.peek({ max: 100 })).messages;
    assert.ok(length >= 14 && length <= 16, `${length} after two seconds`);
    assert.equal(await isPending(redriving), true);
    ending.abort(new Error('enough'));
    await assert.rejects(redriving, { message: 'enough' });
    const left = (await dead.peek({ max: 100 })).messages.length;
    assert.equal(left + (await world.jobs.peek({ max: 100 })).messages.length, 20);
    await world.broker.close();
  });

  test('purge: all, those that are old, and those that fit', async () => {
    const world = await withDead(4);
    const dead = await world.dead();
    await world.pass(5_000);
    await world.jobs.send('m5');
    await world.rejectAll(PARITY);
    assert.deepEqual(await dead.purge({ olderThanMs: 2_000, filter: { reason: 'odd' } }), {
      purged: 2,
    });
    assert.deepEqual(await dead.purge({ olderThanMs: 2_000 }), { purged: 2 });
    assert.deepEqual(
      (await dead.peek()).messages.map(({ value }) => String(value)),
      ['m5'],
    );
    assert.ok((await dead.purge()).purged >= 1);
    assert.deepEqual((await dead.peek()).messages, []);
    assert.equal((await dead.stats()).depth, 0);
    await world.jobs.send('a');
    await world.jobs.send('b', { delayMs: 60_000 });
    assert.ok((await world.jobs.purge()).purged >= 2);
    await world.pass(70_000);
    assert.deepEqual(await texts(world.jobs), []);
    await world.broker.close();
  });

  test('replay: a window of time of what was acknowledged comes again', async () => {
    const world = await World.open(new SimBroker(), { retainAcknowledgedMs: 3_600_000 });
    const times: number[] = [];
    for (const value of numbered(6)) {
      times.push(world.sim.clock.nowMs());
      await world.jobs.send(value);
      await world.pass(1_000);
    }
    for (const message of await world.jobs.receive({ max: 100 })) {
      if (String(message.value) === 'm3') await message.reject({ reason: 'no' });
      else if (String(message.value) !== 'm0') await message.acknowledge();
    }
    await world.pass(2_000);
    const window = { fromMs: times[1] ?? 0, untilMs: times[5] ?? 0 };
    const first = await world.jobs.replay({ ...window, max: 2 });
    assert.equal(first.replayed, 2);
    const second = await world.jobs.replay({ ...window, after: first.next });
    assert.deepEqual(second, { replayed: 1, next: undefined });
    const found = await world.jobs.receive({ max: 100 });
    assert.deepEqual(
      found.map(({ value, deliveries }) => [String(value), deliveries]),
      [
        ['m1', 1],
        ['m2', 1],
        ['m4', 1],
      ],
    );
    await rejection(world.jobs.replay(Object({})), 'OPTION_INVALID');
    await world.broker.close();
  });

  test('redrive: each message once over power cuts at any call', async () => {
    await withSeed(async (prng, seed) => {
      const made = await withDead(3);
      const dead = await made.dead();
      await dead.peek();
      const cuts: { readonly sim: SimBroker; readonly about: string }[] = [];
      made.sim.disk.onCall = (number, name, path) => {
        for (const choice of enumerateCrashes(made.sim.disk, 3, seed + number)) {
          cuts.push({ sim: made.sim.crash(choice), about: `call ${number}, ${name} ${path}` });
        }
      };
      assert.deepEqual(await dead.redrive(), { moved: 3, passedOver: 0 });
      made.sim.disk.onCall = undefined;
      for (const { sim, about } of prng.shuffle(cuts).slice(0, 40)) {
        const again = await World.open(sim);
        const back = await texts(again.jobs);
        const left = await texts(await again.dead());
        assert.deepEqual([...back, ...left].sort(), ['m0', 'm1', 'm2'], about);
        await again.broker.close();
      }
    });
  });
});
