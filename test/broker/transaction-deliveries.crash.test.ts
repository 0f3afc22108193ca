// Messages that transactions finish, over power cuts and kills: at every call of the file system
// what was sent and what was finished are there together, or neither is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytes } from '../../src/broker/topic/codec.js';
import { SimBroker } from '../support/broker-fixture.js';
import { type StateSource, TransactingFolder } from '../support/delivery-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';

/** Each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 120;
const MESSAGES = ['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6'];

interface Step {
  /** Finished by it, one after the other. */
  readonly count: number;
  /** What is sent for each of them. */
  readonly sends: 'nothing' | 'one' | 'both';
  readonly ends?: 'aborted';
}

const steps: readonly Step[] = [
  { count: 1, sends: 'both' },
  { count: 1, sends: 'one', ends: 'aborted' },
  { count: 2, sends: 'nothing' },
  { count: 1, sends: 'one' },
  { count: 1, sends: 'nothing', ends: 'aborted' },
  { count: 2, sends: 'both' },
];

interface Seen {
  readonly left: readonly string[];
  readonly out: readonly string[];
}

function after(before: Seen, { count, sends, ends }: Step): Seen {
  if (ends === 'aborted') return before;
  const done = before.left.slice(0, count);
  const out = sends === 'nothing' ? before.out : [...before.out, ...done];
  return { left: before.left.slice(count), out };
}

async function run(folder: TransactingFolder, source: StateSource, step: Step): Promise<void> {
  const taken = source.take(step.count);
  const target = { topic: folder.topics.get('out'), codec: bytes };
  try {
    await folder.transactions.run(async (transaction) => {
      for (const message of taken) {
        transaction.acknowledge(message);
        const value = String(message.record.value);
        if (step.sends === 'nothing') continue;
        await transaction.sendTo(target, { value, partition: 0 });
        if (step.sends === 'both') await transaction.sendTo(target, { value: '-', partition: 1 });
      }
      if (step.ends === 'aborted') throw new Error('undone');
    });
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'undone') throw error;
    for (const { offset, receipt } of taken) source.state.withdraw(offset, receipt);
  }
}

async function lookAt(folder: TransactingFolder): Promise<Seen> {
  const source = await folder.source('jobs');
  const left = source.take(100).map(({ record }) => String(record.value));
  return { left, out: await folder.values('out') };
}

async function made(): Promise<SimBroker> {
  const sim = new SimBroker();
  const folder = await TransactingFolder.open(sim);
  await folder.topics.create('jobs', {});
  await folder.topics.create('out', { partitions: 2 });
  await folder.send('jobs', ...MESSAGES);
  await folder.close();
  return sim;
}

interface Cut {
  readonly sim: SimBroker;
  readonly allowed: readonly Seen[];
  readonly about: string;
}

async function recover({ sim, allowed, about }: Cut): Promise<void> {
  try {
    const folder = await TransactingFolder.open(sim);
    const found = await lookAt(folder);
    const isAllowed = allowed.some((one) => JSON.stringify(one) === JSON.stringify(found));
    assert(isAllowed, `found ${JSON.stringify(found)}, allowed ${JSON.stringify(allowed)}`);
    await folder.close();
    const again = await TransactingFolder.open(sim);
    assert.deepEqual(await lookAt(again), found);
    await again.close();
  } catch (error) {
    throw new Error(about, { cause: error });
  }
}

async function cutSteps(sim: SimBroker, choicesPerCall: number, seed: number): Promise<Cut[]> {
  let before: Seen = { left: MESSAGES, out: [] };
  let next = before;
  let at = -1;
  const cuts: Cut[] = [];
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, choicesPerCall, seed + number)) {
      const about = `step ${at}: power cut at call ${number}, ${name} ${path}`;
      cuts.push({ sim: sim.crash(choice), allowed: [before, next], about });
    }
  };
  const folder = await TransactingFolder.open(sim);
  const source = await folder.source('jobs');
  for (const step of steps) {
    at += 1;
    next = after(before, step);
    await run(folder, source, step);
    before = next;
  }
  sim.disk.onCall = undefined;
  await folder.close();
  return cuts;
}

test('transaction of deliveries: a power cut at any call leaves all of it or nothing', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutSteps(await made(), 6, seed);
    assert(cuts.length > 200, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) await recover(cut);
  });
});

test('transaction of deliveries: what is redone at open can be cut short again', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutSteps(await made(), 2, seed);
    let nested = 0;
    for (const cut of prng.shuffle(cuts).slice(0, 12)) {
      const again: Cut[] = [];
      cut.sim.disk.onCall = (number, name, path) => {
        for (const choice of enumerateCrashes(cut.sim.disk, 2, seed + number)) {
          const about = `${cut.about}; then at call ${number}, ${name} ${path}`;
          again.push({ sim: cut.sim.crash(choice), allowed: cut.allowed, about });
        }
      };
      const folder = await TransactingFolder.open(cut.sim);
      await folder.close();
      cut.sim.disk.onCall = undefined;
      for (const one of prng.shuffle(again).slice(0, 8)) {
        await recover(one);
        nested += 1;
      }
    }
    assert(nested > 20, `${nested} nested cuts`);
  });
});

test('transaction of deliveries: a killed process leaves all of it or nothing', async () => {
  await withSeed(async (prng) => {
    const first = (await made()).kill();
    await cutSteps(first, 0, 0);
    const calls = Array.from({ length: first.disk.calls.length }, (_, index) => index + 1);
    for (const call of prng.shuffle(calls).slice(0, CUTS_TRIED / 2)) {
      const sim = (await made()).kill();
      sim.disk.stopAt(call);
      let allowed: readonly Seen[] = [{ left: MESSAGES, out: [] }];
      try {
        const folder = await TransactingFolder.open(sim);
        const source = await folder.source('jobs');
        let before: Seen = { left: MESSAGES, out: [] };
        for (const step of steps) {
          const next = after(before, step);
          allowed = [before, next];
          await run(folder, source, step);
          before = next;
        }
        allowed = [before];
        await folder.close();
      } catch (error) {
        if (!sim.disk.isStopped) throw error;
      }
      await recover({ sim: sim.kill(), allowed, about: `killed at call ${call}` });
    }
  });
});
