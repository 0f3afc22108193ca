// Exchanges over power cuts: bindings and their targets go together, and copies come together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** Of more than a thousand; each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 80;

interface Cut {
  readonly sim: SimBroker;
  readonly about: string;
  /** Steps that were through; the next one was under way. */
  readonly done: number;
}

async function publish(broker: Broker, value: string): Promise<unknown> {
  return await (await broker.exchange('f')).publish(value);
}

const steps: readonly ((broker: Broker) => Promise<unknown>)[] = [
  (broker) => broker.createTopic('a'),
  (broker) => broker.createTopic('b'),
  (broker) => broker.createExchange('f', 'fanout', { alternate: 'g' }),
  (broker) => broker.createExchange('g', 'topic'),
  async (broker) => (await broker.exchange('f')).bind({ kind: 'topic', name: 'a' }),
  async (broker) => (await broker.exchange('f')).bind({ kind: 'topic', name: 'b' }),
  (broker) => publish(broker, '1'),
  (broker) => publish(broker, '2'),
  async (broker) => (await broker.exchange('g')).bind({ kind: 'exchange', name: 'f' }, '#'),
  (broker) => broker.deleteTopic('b'),
  (broker) => publish(broker, '3'),
  (broker) => broker.createQueue('q'),
  async (broker) => (await broker.exchange('g')).bind({ kind: 'queue', name: 'q' }, 'x'),
  (broker) => broker.deleteQueue('q'),
  (broker) => broker.deleteExchange('f'),
];

/** How many publishes are through, by how many steps are. */
function published(done: number): number {
  return [6, 7, 10].filter((step) => done > step).length;
}

async function cutEverywhere(seed: number): Promise<Cut[]> {
  const sim = new SimBroker();
  const cuts: Cut[] = [];
  let done = 0;
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, 3, seed + number)) {
      const about = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
      cuts.push({ sim: sim.crash(choice), about, done });
    }
  };
  const broker = await sim.open();
  for (const step of steps) {
    await step(broker);
    done += 1;
  }
  sim.disk.onCall = undefined;
  await broker.close();
  return cuts;
}

async function valuesOf(broker: Broker, name: string): Promise<string[]> {
  if (!broker.listTopics().some((topic) => topic.name === name)) return [];
  const topic = await broker.topic(name);
  return await valuesOfPartition(await topic.hosted.partition(0));
}

async function check({ sim, done }: Cut): Promise<void> {
  const broker = await sim.open();
  const topics = broker.listTopics().map(({ name }) => name);
  const exchanges = broker.listExchanges().map(({ name }) => name);
  // What was through is there.
  if (done > 2 && done < 14) assert(exchanges.includes('f'));
  if (done > 3) assert(exchanges.includes('g'));
  const there = {
    topic: topics,
    exchange: exchanges,
    queue: broker.listQueues().map(({ name }) => name),
  };
  for (const name of exchanges) {
    for (const { target } of (await broker.exchange(name)).bindings()) {
      const isThere = there[target.kind].includes(target.name);
      assert(isThere, `${name} is bound to ${target.kind} ${target.name}`);
    }
  }
  const bound = exchanges.includes('f') ? (await broker.exchange('f')).bindings() : [];
  if (done > 5 && done < 9) assert.equal(bound.length, 2);
  // Copies are there together; a copy that was promised is there.
  const [a, b] = [await valuesOf(broker, 'a'), await valuesOf(broker, 'b')];
  assert.deepEqual(a, ['1', '2', '3'].slice(0, a.length));
  assert(a.length >= published(done) && a.length <= published(done + 1), `${a.length} in a`);
  if (topics.includes('b')) assert.deepEqual(b, a);
  // A new topic of the name is nobody's target.
  await broker.deleteTopic('b').catch(() => undefined);
  await broker.createTopic('b');
  if (exchanges.includes('f')) await publish(broker, 'more');
  assert.deepEqual(await valuesOf(broker, 'b'), []);
  await broker.deleteQueue('q').catch(() => undefined);
  const queue = await broker.createQueue('q');
  if (exchanges.includes('g')) await (await broker.exchange('g')).publish('more', { key: 'x' });
  assert.deepEqual(await queue.receive(), []);
  await broker.close();
}

test('exchanges: a power cut leaves no binding to nobody, and no copy alone', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutEverywhere(seed);
    assert(cuts.length > 500, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) {
      await check(cut).catch((cause: unknown) => {
        throw new Error(`${cut.about}, ${cut.done} steps through`, { cause });
      });
    }
  });
});
