// Publishes with an id over power cuts: said again until it is answered, it is in each target once.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker } from '../support/broker-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** Of some hundred; each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 40;
const IDS = ['id-1', 'id-2', 'id-3'];
const TARGETS = ['a', 'b', 'c'];

interface Cut {
  readonly sim: SimBroker;
  readonly about: string;
  /** Publishes that were answered. */
  readonly answered: number;
}

async function make(broker: Broker): Promise<void> {
  const fanout = await broker.exchange('f', 'fanout');
  await fanout.bind(await broker.queue('a'));
  await fanout.bind(await broker.queue('b', { fifo: true }));
  await fanout.bind(await broker.queue('c', { deduplication: 'content' }));
  // Known elsewhere before.
  await (await broker.queue('b', { fifo: true })).send('id-2', { deduplicationId: 'id-2' });
}

async function publish(broker: Broker, id: string): Promise<void> {
  const fanout = await broker.exchange('f');
  const { routed } = await fanout.publish(id, { deduplicationId: id, group: 'g' });
  assert.equal(routed, 3);
}

async function cutEverywhere(seed: number): Promise<Cut[]> {
  const sim = new SimBroker();
  const cuts: Cut[] = [];
  const broker = await sim.open();
  await make(broker);
  let answered = 0;
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, 4, seed + number)) {
      const about = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
      cuts.push({ sim: sim.crash(choice), about, answered });
    }
  };
  for (const id of IDS) {
    await publish(broker, id);
    answered += 1;
  }
  sim.disk.onCall = undefined;
  await broker.close();
  return cuts;
}

async function valuesOf(broker: Broker, name: string): Promise<string[]> {
  const topic = broker.queues.find(name)?.topic;
  const values: string[] = [];
  const log = await topic?.partition(0);
  for await (const batch of log?.read() ?? []) {
    for (const { value } of batch) values.push(String(value));
  }
  return values;
}

async function check({ sim, answered }: Cut): Promise<void> {
  const broker = await sim.open();
  const before = await Promise.all(TARGETS.map((name) => valuesOf(broker, name)));
  for (const id of IDS.slice(0, answered)) {
    for (const values of before) assert(values.includes(id), `${id} was answered`);
  }
  for (const id of IDS) await publish(broker, id);
  for (const name of TARGETS) {
    assert.deepEqual((await valuesOf(broker, name)).sort(), IDS, `in ${name}`);
  }
  await broker.close();
}

test('exchange: a publish with an id is in each target once, over power cuts', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutEverywhere(seed);
    assert(cuts.length > 50, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) {
      await check(cut).catch((cause: unknown) => {
        throw new Error(`${cut.about}, ${cut.answered} answered`, { cause });
      });
    }
  });
});
