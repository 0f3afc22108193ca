// Transactions over power cuts and kills: at every call of the file system, all of one or nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker } from '../support/broker-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import {
  commitAlone,
  inputUpTo,
  lookAt,
  makeWorld,
  openPlaces,
  type SeenWorld,
  sendAll,
} from '../support/transaction-fixture.js';

/** Each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 120;

interface Step {
  readonly run: (broker: Broker) => Promise<unknown>;
  /** What is added, for readers of committed records, once it is through. */
  readonly everywhere?: string;
  readonly aside?: string;
  readonly offset?: number;
}

const steps: readonly Step[] = [
  {
    everywhere: 'a',
    offset: 1,
    run: (broker) =>
      broker.transaction(async (transaction) => {
        await sendAll(transaction, 'a');
        transaction.commitOffsets(inputUpTo(1));
      }),
  },
  {
    run: (broker) =>
      broker
        .transaction(async (transaction) => {
          transaction.commitOffsets(inputUpTo(5));
          await sendAll(transaction, 'never');
          throw new Error('undone');
        })
        .catch(() => undefined),
  },
  { offset: 2, run: (broker) => commitAlone(broker, 2) },
  {
    everywhere: 'b',
    offset: 4,
    run: (broker) =>
      broker.transaction((transaction) => {
        transaction.commitOffsets(inputUpTo(3));
        sendAll(transaction, 'b').catch(() => undefined);
        transaction.commitOffsets(inputUpTo(4));
      }),
  },
  // Back again, behind a decision that may not be known to be done.
  { offset: 1, run: (broker) => commitAlone(broker, 1) },
  {
    aside: 'c',
    run: (broker) => broker.transaction((transaction) => transaction.send('side', { value: 'c' })),
  },
  {
    offset: 5,
    run: (broker) => broker.transaction((transaction) => transaction.commitOffsets(inputUpTo(5))),
  },
  {
    everywhere: 'd',
    run: (broker) => broker.transaction((transaction) => sendAll(transaction, 'd')),
  },
];

function after(before: SeenWorld, { everywhere = '', aside = '', offset }: Step): SeenWorld {
  const values = Object.fromEntries(
    Object.entries(before.values).map(([place, list]) => {
      const added = [everywhere, place === 'side-0' ? aside : ''].filter((one) => one !== '');
      return [place, [...list, ...added]];
    }),
  );
  return { values, offset: offset ?? before.offset };
}

const nothing: SeenWorld = {
  values: { 'out-0': [], 'out-1': [], 'side-0': [] },
  offset: undefined,
};

interface Cut {
  readonly sim: SimBroker;
  /** What may be there: before the step that was under way, or after it. */
  readonly allowed: readonly SeenWorld[];
  readonly about: string;
}

/** Opens, finds one of the states that may be there, and goes on. */
async function recover({ sim, allowed, about }: Cut): Promise<void> {
  try {
    const broker = await sim.open();
    const found = await lookAt(broker);
    const isAllowed = allowed.some((one) => JSON.stringify(one) === JSON.stringify(found));
    assert(isAllowed, `found ${JSON.stringify(found)}, allowed ${JSON.stringify(allowed)}`);
    assert.deepEqual(await openPlaces(broker), [], 'no transaction is left open');
    const raw = await lookAt(broker, 'uncommitted');
    for (const [place, values] of Object.entries(raw.values)) {
      const committed = values.filter((value) => found.values[place]?.includes(value));
      assert.deepEqual(committed, found.values[place], `each once, in order, in ${place}`);
    }
    const more = { everywhere: 'more', offset: 6 };
    await broker.transaction(async (transaction) => {
      await sendAll(transaction, 'more');
      transaction.commitOffsets(inputUpTo(6));
    });
    const expected = after(found, { ...more, run: async () => undefined });
    assert.deepEqual(await lookAt(broker), expected);
    await broker.close();
    const again = await sim.open();
    assert.deepEqual(await lookAt(again), expected);
    await again.close();
  } catch (error) {
    throw new Error(about, { cause: error });
  }
}

/** Runs the steps and cuts the power at each call of them, in a few ways. */
async function cutSteps(choicesPerCall: number, seed: number): Promise<Cut[]> {
  const sim = new SimBroker();
  const first = await sim.open();
  await makeWorld(first);
  await first.close();
  let before = nothing;
  let next = nothing;
  let at = -1;
  const cuts: Cut[] = [];
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, choicesPerCall, seed + number)) {
      const what = `power cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
      cuts.push({ sim: sim.crash(choice), allowed: [before, next], about: `step ${at}: ${what}` });
    }
  };
  const broker = await sim.open();
  for (const step of steps) {
    at += 1;
    next = after(before, step);
    await step.run(broker);
    before = next;
    assert.deepEqual(await lookAt(broker), before, 'what a step has resolved to is seen');
  }
  await broker.close();
  sim.disk.onCall = undefined;
  return cuts;
}

test('transaction: a power cut at any call leaves all of it or nothing', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutSteps(6, seed);
    assert(cuts.length > 400, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) await recover(cut);
  });
});

test('transaction: what is recovered at open can be cut short again', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutSteps(2, seed);
    let nested = 0;
    for (const cut of prng.shuffle(cuts).slice(0, 12)) {
      const again: Cut[] = [];
      cut.sim.disk.onCall = (number, name, path) => {
        for (const choice of enumerateCrashes(cut.sim.disk, 2, seed + number)) {
          const about = `${cut.about}; then at call ${number}, ${name} ${path}`;
          again.push({ sim: cut.sim.crash(choice), allowed: cut.allowed, about });
        }
      };
      const broker = await cut.sim.open();
      await lookAt(broker);
      await broker.close();
      cut.sim.disk.onCall = undefined;
      for (const one of prng.shuffle(again).slice(0, 8)) {
        await recover(one);
        nested += 1;
      }
    }
    assert(nested > 20, `${nested} nested cuts`);
  });
});

test('transaction: a process that is killed at any call leaves all of it or nothing', async () => {
  await withSeed(async (prng) => {
    const counted = await killedAt(Number.MAX_SAFE_INTEGER);
    const { length } = counted.sim.disk.calls;
    const calls = Array.from({ length }, (_, index) => index + 1);
    for (const call of prng.shuffle(calls).slice(0, CUTS_TRIED / 2)) {
      await recover(await killedAt(call));
    }
  });
});

/** Killed within the steps: the world is there before. */
async function killedAt(call: number): Promise<Cut> {
  const made = new SimBroker();
  const first = await made.open();
  await makeWorld(first);
  await first.close();
  const sim = made.kill();
  if (call < Number.MAX_SAFE_INTEGER) sim.disk.stopAt(call);
  let allowed: readonly SeenWorld[] = [nothing, nothing];
  try {
    const broker = await sim.open();
    let before = nothing;
    for (const step of steps) {
      const next = after(before, step);
      allowed = [before, next];
      await step.run(broker);
      before = next;
    }
    allowed = [before];
    await broker.close();
  } catch (error) {
    // What was under way fails with the process.
    if (!sim.disk.isStopped) throw error;
  }
  if (call === Number.MAX_SAFE_INTEGER) return { sim, allowed, about: 'not killed' };
  return { sim: sim.kill(), allowed, about: `killed at call ${call}` };
}
