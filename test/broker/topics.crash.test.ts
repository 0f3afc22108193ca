// Topics over power cuts: at every call of the file system, a change happened or it did not.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** What is seen of the topic `a`: its options, and the values in each partition. */
interface Seen {
  readonly retentionMs: number | 'unlimited';
  readonly partitions: readonly (readonly string[])[];
}

/** Of some two thousand; each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 100;

interface Step {
  readonly run: (broker: Broker) => Promise<unknown>;
  /** What is there once the step is through. */
  readonly after: Seen | undefined;
}

const week = 7 * 24 * 60 * 60 * 1000;

async function send(broker: Broker, value: string, partition: number): Promise<void> {
  const topic = await broker.topic('a');
  await topic.send({ value, partition });
}

const steps: readonly Step[] = [
  {
    run: (broker) => broker.createTopic('a', { partitions: 2 }),
    after: { retentionMs: week, partitions: [[], []] },
  },
  {
    run: (broker) => send(broker, 'x', 0),
    after: { retentionMs: week, partitions: [['x'], []] },
  },
  {
    run: (broker) => broker.alterTopic('a', { retentionMs: 1_000 }),
    after: { retentionMs: 1_000, partitions: [['x'], []] },
  },
  {
    run: (broker) => broker.growTopic('a', 3),
    after: { retentionMs: 1_000, partitions: [['x'], [], []] },
  },
  {
    run: (broker) => send(broker, 'y', 2),
    after: { retentionMs: 1_000, partitions: [['x'], [], ['y']] },
  },
  { run: (broker) => broker.deleteTopic('a'), after: undefined },
  {
    run: (broker) => broker.createTopic('a'),
    after: { retentionMs: week, partitions: [[]] },
  },
  {
    run: (broker) => send(broker, 'z', 0),
    after: { retentionMs: week, partitions: [['z']] },
  },
  { run: (broker) => broker.deleteTopic('a'), after: undefined },
];

interface Cut {
  readonly sim: SimBroker;
  /** What may be there: before the step that was under way, or after it. */
  readonly allowed: readonly (Seen | undefined)[];
  readonly about: string;
}

/** Runs `work` and cuts the power at each call of it, in a few ways. */
async function cutEverywhere(
  sim: SimBroker,
  choicesPerCall: number,
  seed: number,
  allowed: () => readonly (Seen | undefined)[],
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

async function lookAt(broker: Broker): Promise<Seen | undefined> {
  const summary = broker.listTopics().find(({ name }) => name === 'a');
  if (summary === undefined) return undefined;
  const topic = await broker.topic('a');
  const partitions: string[][] = [];
  for (let partition = 0; partition < topic.partitions; partition += 1) {
    partitions.push(await valuesOfPartition(await topic.hosted.partition(partition)));
  }
  return { retentionMs: summary.options.retentionMs, partitions };
}

/** Opens, and finds one of the states that may be there; then everything goes on. */
async function recover({ sim, allowed, about }: Cut): Promise<void> {
  try {
    const broker = await sim.open();
    const found = await lookAt(broker);
    const isAllowed = allowed.some((one) => JSON.stringify(one) === JSON.stringify(found));
    assert(isAllowed, `found ${JSON.stringify(found)}, allowed ${JSON.stringify(allowed)}`);
    const folders = await sim.folders();
    if (found === undefined) assert.deepEqual(folders, []);
    if (found === undefined) await broker.createTopic('a');
    const { options } = await broker.describeTopic('a');
    const log = await (await broker.topic('a')).hosted.partition(0);
    await send(broker, 'more', 0);
    const expected = [...(found?.partitions[0] ?? []), 'more'];
    assert.deepEqual(await valuesOfPartition(log), expected);
    assert.equal(options.retentionMs, found?.retentionMs ?? week);
    await broker.deleteTopic('a');
    assert.deepEqual(await sim.folders(), []);
    await broker.close();
  } catch (error) {
    throw new Error(about, { cause: error });
  }
}

async function runSteps(sim: SimBroker, choicesPerCall: number, seed: number): Promise<Cut[]> {
  let before: Seen | undefined;
  let after: Seen | undefined;
  return await cutEverywhere(
    sim,
    choicesPerCall,
    seed,
    () => [before, after],
    async () => {
      const broker = await sim.open();
      for (const step of steps) {
        after = step.after;
        await step.run(broker);
        before = step.after;
      }
      await broker.close();
    },
  );
}

test('topics: a power cut at any call leaves a change done or not done', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await runSteps(new SimBroker(), 4, seed);
    assert(cuts.length > 500, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) await recover(cut);
  });
});

test('topics: a deletion that is finished at open can be cut short again', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await runSteps(new SimBroker(), 2, seed);
    const deletions = cuts.filter(({ allowed }) => allowed[0] !== undefined && !allowed[1]);
    let nested = 0;
    for (const cut of prng.shuffle(deletions).slice(0, 10)) {
      const opening = (): Promise<void> => cut.sim.open().then((broker) => broker.close());
      const again = await cutEverywhere(cut.sim, 2, seed, () => cut.allowed, opening);
      for (const one of prng.shuffle(again).slice(0, 6)) {
        await recover({ ...one, about: `${cut.about}; then ${one.about}` });
        nested += 1;
      }
    }
    assert(nested > 20, `${nested} nested cuts`);
  });
});

test('topics: a process that is killed at any call leaves a change done or not done', async () => {
  await withSeed(async (prng) => {
    const length = await callsOf(new SimBroker());
    const calls = Array.from({ length }, (_, index) => index + 1);
    for (const call of prng.shuffle(calls).slice(0, CUTS_TRIED / 2)) {
      await recover(await killedAt(call));
    }
  });
});

async function killedAt(call: number): Promise<Cut> {
  const sim = new SimBroker();
  sim.disk.stopAt(call);
  let allowed: readonly (Seen | undefined)[] = [undefined, undefined];
  try {
    const broker = await sim.open();
    for (const step of steps) {
      allowed = [allowed[1], step.after];
      await step.run(broker);
    }
    await broker.close();
  } catch {
    // What was under way fails with the process.
  }
  return { sim: sim.kill(), allowed, about: `killed at call ${call}` };
}

async function callsOf(sim: SimBroker): Promise<number> {
  await runSteps(sim, 0, 1);
  return sim.disk.calls.length;
}
