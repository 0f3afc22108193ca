// Dead letters over power cuts: a record is in their topic once, or comes again; never both.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SimBroker } from '../support/broker-fixture.js';
import { ProcessWorld } from '../support/process-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** Each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const triesAll = process.env['MILLRACE_CRASHES'] === 'all';
const CUTS_TRIED = triesAll ? Number.POSITIVE_INFINITY : 12;
/** Of the calls, those at which the power is cut. */
const CALLS_SHARE = triesAll ? 1 : 0.1;

const values = ['a1', 'b1', 'c1', 'a2'];
const poison = ['a1', 'c1'];

function start(world: ProcessWorld): void {
  world.start(
    ({ value }) => {
      if (poison.includes(String(value))) throw new Error('poison');
    },
    { retry: { attempts: 2, delayMs: 10 }, commitIntervalMs: 0, concurrency: 1 },
  );
}

async function buried(world: ProcessWorld): Promise<string[]> {
  const isThere = world.broker.listTopics().some(({ name }) => name === 'orders-dead');
  return isThere ? await world.values('orders-dead') : [];
}

async function recover(sim: SimBroker): Promise<void> {
  const world = await ProcessWorld.open(1, sim);
  const groups = await world.broker.groups.list();
  const committed = groups.length === 0 ? 0 : ((await world.committed()) ?? 0);
  const expected = values.slice(0, committed).filter((value) => poison.includes(value));
  assert.deepEqual(await buried(world), expected, `committed up to ${committed}`);
  start(world);
  await world.pass(3_000);
  assert.deepEqual(await buried(world), poison);
  assert.equal(await world.committed(), values.length);
  await world.close();
}

test('process: a power cut at any call leaves a dead letter and its commit, or neither', () =>
  withSeed(async (prng, seed) => {
    const world = await ProcessWorld.open();
    await world.send(...values);
    const { disk } = world.sim;
    const cuts: { readonly sim: SimBroker; readonly about: string }[] = [];
    disk.onCall = (number, name, path) => {
      if (!prng.boolean(CALLS_SHARE)) return;
      for (const choice of enumerateCrashes(disk, 2, seed + number)) {
        const about = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
        cuts.push({ sim: world.sim.crash(choice), about });
      }
    };
    start(world);
    await world.pass(1_000);
    disk.onCall = undefined;
    assert.deepEqual(await buried(world), poison);
    await world.close();
    assert.ok(cuts.length > 20, `${cuts.length} cuts`);
    for (const { sim, about } of prng.shuffle(cuts).slice(0, CUTS_TRIED)) {
      await recover(sim).catch((error: unknown) => {
        throw new Error(about, { cause: error });
      });
    }
  }));
