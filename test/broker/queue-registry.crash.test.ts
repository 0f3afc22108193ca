/**
 * Queues over power cuts: at every call of the file system, a change happened or it did not, and a
 * queue and its topics are there together or not at all.
 */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QueueOptions } from '../../src/broker/queue/queue-options.js';
import { SimBroker } from '../support/broker-fixture.js';
import { Registries } from '../support/queue-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** Each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 120;

/** What is seen of the queue, and of the topics that there are. */
interface Seen {
  readonly queue:
    | { readonly ttlMs: QueueOptions['ttlMs']; readonly segmentBytes: number }
    | undefined;
  readonly topics: readonly string[];
}

const MIB = 2 ** 20;
const nothing: Seen = { queue: undefined, topics: [] };
const fresh: Seen = { queue: { ttlMs: 'unlimited', segmentBytes: 16 * MIB }, topics: ['jobs'] };
const delayed: Seen = { ...fresh, topics: ['__delayed-jobs', 'jobs'] };
const altered: Seen = { ...delayed, queue: { ttlMs: 7, segmentBytes: 4 * MIB } };

interface Step {
  readonly run: (all: Registries) => Promise<unknown>;
  readonly after: Seen;
}

const steps: readonly Step[] = [
  { run: ({ queues }) => queues.create('jobs', { priorities: 2 }), after: fresh },
  {
    run: ({ topics }) => topics.declareInternal('__delayed-jobs', {}, 'jobs'),
    after: delayed,
  },
  {
    run: async ({ topics }) => {
      await topics.get('jobs').partition(0);
      await topics.find('__delayed-jobs')?.partition(0);
    },
    after: delayed,
  },
  {
    run: ({ queues }) => queues.alter('jobs', { ttlMs: 7, segmentBytes: 4 * MIB, priorities: 3 }),
    after: altered,
  },
  { run: ({ queues }) => queues.delete('jobs'), after: nothing },
  { run: ({ queues }) => queues.declare('jobs', { priorities: 2 }), after: fresh },
];

interface Cut {
  readonly sim: SimBroker;
  readonly allowed: readonly Seen[];
  readonly about: string;
}

async function cutEverywhere(
  sim: SimBroker,
  choicesPerCall: number,
  seed: number,
  allowed: () => readonly Seen[],
  work: () => Promise<void>,
): Promise<Cut[]> {
  const cuts: Cut[] = [];
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, choicesPerCall, seed + number)) {
      const about = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
      cuts.push({ sim: sim.crash(choice), allowed: allowed(), about });
    }
  };
  await work();
  sim.disk.onCall = undefined;
  return cuts;
}

async function runSteps(sim: SimBroker, choicesPerCall: number, seed: number): Promise<Cut[]> {
  let before = nothing;
  let after = nothing;
  return await cutEverywhere(
    sim,
    choicesPerCall,
    seed,
    () => [before, after],
    async () => {
      const all = await Registries.open(sim);
      for (const step of steps) {
        after = step.after;
        await step.run(all);
        before = step.after;
      }
      await all.close();
    },
  );
}

function lookAt({ queues, topics }: Registries): Seen {
  const config = queues.find('jobs')?.config;
  const queue = config && { ttlMs: config.ttlMs, segmentBytes: config.segmentBytes };
  return { queue, topics: topics.all().map(({ name }) => name) };
}

async function recover({ sim, allowed, about }: Cut): Promise<void> {
  try {
    const all = await Registries.open(sim);
    const found = lookAt(all);
    const isAllowed = allowed.some((one) => JSON.stringify(one) === JSON.stringify(found));
    assert(isAllowed, `found ${JSON.stringify(found)}, allowed ${JSON.stringify(allowed)}`);
    const topic = all.topics.find('jobs');
    const config = all.queues.find('jobs')?.config;
    assert.equal(topic?.definition.config.segmentBytes, config?.segmentBytes);
    assert.equal(topic?.partitions, config?.priorities);
    if (found.queue !== undefined) await all.queues.delete('jobs');
    assert.deepEqual(lookAt(all), nothing);
    assert.deepEqual(await sim.folders(), []);
    await all.queues.create('jobs', {});
    assert.deepEqual(lookAt(all), fresh);
    await all.close();
  } catch (error) {
    throw new Error(about, { cause: error });
  }
}

test('queue-registry: a power cut at any call leaves a change done or not done', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await runSteps(new SimBroker(), 3, seed);
    assert(cuts.length > 300, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) await recover(cut);
  });
});

test('queue-registry: what opening finishes or undoes can be cut short again', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await runSteps(new SimBroker(), 1, seed);
    const between = cuts.filter(({ allowed: [before, after] }) => before !== after);
    let nested = 0;
    for (const cut of prng.shuffle(between).slice(0, 12)) {
      const opening = (): Promise<void> => Registries.open(cut.sim).then((all) => all.close());
      const again = await cutEverywhere(cut.sim, 2, seed, () => cut.allowed, opening);
      for (const one of prng.shuffle(again).slice(0, 6)) {
        await recover({ ...one, about: `${cut.about}; then ${one.about}` });
        nested += 1;
      }
    }
    assert(nested > 20, `${nested} nested cuts`);
  });
});
