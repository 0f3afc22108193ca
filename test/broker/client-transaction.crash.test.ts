// Transactions of clients over power cuts and kills: all of one or nothing, and a client that asks
// the next broker how its transaction ended is told the truth.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Broker } from '../../src/broker/broker.js';
import type { TransactionIdentity } from '../../src/broker/transaction/transaction-decision.js';
import { batchOf } from '../support/batch-fixtures.js';
import { SimBroker } from '../support/broker-fixture.js';
import { withSeed } from '../support/seed.js';
import { enumerateCrashes } from '../support/sim-crash.js';
import {
  inputUpTo,
  lookAt,
  makeWorld,
  openPlaces,
  PLACES,
  type SeenWorld,
} from '../support/transaction-fixture.js';

/** Each run draws others. `MILLRACE_CRASHES=all` tries every one. */
const CUTS_TRIED = process.env['MILLRACE_CRASHES'] === 'all' ? Number.POSITIVE_INFINITY : 120;
const TIMEOUT_MS = 60_000;
const ID = 'copier';

interface Step {
  readonly value: string;
  readonly offset?: number;
  readonly end: 'commit' | 'abort' | 'fence';
}

const steps: readonly Step[] = [
  { value: 'a', offset: 1, end: 'commit' },
  { value: 'never', offset: 6, end: 'abort' },
  { value: 'b', offset: 3, end: 'commit' },
  // Back again, with the same epoch as the mark of the one before.
  { value: 'c', offset: 2, end: 'commit' },
  { value: 'd', end: 'commit' },
  { value: 'never', offset: 6, end: 'fence' },
  { value: 'e', offset: 4, end: 'commit' },
];

/** What the client knows: it is not lost with the broker. */
class Client {
  identity: TransactionIdentity = { producerId: -1, producerEpoch: -1 };
  readonly #sequences = new Map<string, number>();
  /** The broker has said that the transaction is open. */
  isOpen = false;

  async init(broker: Broker): Promise<void> {
    this.identity = await broker.engine.transactions.clients.init(ID, TIMEOUT_MS, undefined);
    this.#sequences.clear();
    this.isOpen = false;
  }

  async work(broker: Broker, { value, offset }: Step): Promise<void> {
    const { clients } = broker.engine.transactions;
    const named = PLACES.map(([name, partition]) => {
      return { topic: broker.engine.topics.get(name), partition };
    });
    await clients.get(ID).addPartitions(this.identity, named);
    this.isOpen = true;
    const sends = named.map(async ({ topic, partition }) => {
      const place = `${topic.name}/${partition}`;
      const baseSequence = this.#sequences.get(place) ?? 0;
      this.#sequences.set(place, baseSequence + 1);
      const producer = { ...this.identity, baseSequence, isTransactional: true };
      const bytes = batchOf([{ value }], { producer });
      const log = await topic.partition(partition);
      const batch = { topic, partition, log, bytes, acks: 'durable' as const };
      await clients.append(this.identity, batch);
    });
    await Promise.all(sends);
    if (offset === undefined) return;
    await broker.engine.groups.coordinator();
    const offsets = [{ ...inputUpTo(offset), isOfClient: true }];
    await clients.get(ID).commitOffsets(this.identity, offsets);
  }

  async end(broker: Broker, kind: 'commit' | 'abort'): Promise<void> {
    await broker.engine.transactions.clients.get(ID).end(this.identity, kind);
    this.isOpen = false;
  }

  async run(broker: Broker, step: Step): Promise<void> {
    await this.work(broker, step);
    if (step.end === 'fence') await this.init(broker);
    else await this.end(broker, step.end);
  }
}

function after(before: SeenWorld, { value, offset, end }: Step): SeenWorld {
  if (end !== 'commit') return before;
  const values = Object.fromEntries(
    Object.entries(before.values).map(([place, list]) => [place, [...list, value]]),
  );
  return { values, offset: offset ?? before.offset };
}

const nothing: SeenWorld = {
  values: { 'out-0': [], 'out-1': [], 'side-0': [] },
  offset: undefined,
};

interface Cut {
  readonly sim: SimBroker;
  readonly before: SeenWorld;
  readonly step: Step;
  readonly identity: TransactionIdentity;
  /** The client has a transaction that it can ask about. */
  readonly isOpen: boolean;
  readonly about: string;
}

/** Opens, finds one of the worlds that may be there, asks how it ended, and goes on. */
async function recover({ sim, before, step, identity, isOpen, about }: Cut): Promise<void> {
  try {
    const broker = await sim.open();
    const found = await lookAt(broker);
    const next = after(before, step);
    const isNext = JSON.stringify(found) === JSON.stringify(next);
    const isBefore = JSON.stringify(found) === JSON.stringify(before);
    assert(isNext || isBefore, `found ${JSON.stringify(found)}, before ${JSON.stringify(before)}`);
    assert.deepEqual(await openPlaces(broker), [], 'no transaction is left open');
    if (isOpen && step.end === 'commit') {
      const client = broker.engine.transactions.clients.get(ID);
      const isCommitted = await client.end(identity, 'commit').then(
        () => true,
        () => false,
      );
      assert.equal(isCommitted, isNext, 'the client is told what became of it');
    }
    const client = new Client();
    await client.init(broker);
    const more: Step = { value: 'more', offset: 5, end: 'commit' };
    await client.run(broker, more);
    const expected = after(found, more);
    assert.deepEqual(await lookAt(broker), expected);
    await broker.close();
    const again = await sim.open();
    assert.deepEqual(await lookAt(again), expected);
    await again.close();
  } catch (error) {
    throw new Error(about, { cause: error });
  }
}

async function madeWorld(): Promise<SimBroker> {
  const sim = new SimBroker();
  const broker = await sim.open();
  await makeWorld(broker);
  await broker.close();
  return sim;
}

/** Runs the steps and cuts the power at each call of them, in a few ways. */
async function cutSteps(choicesPerCall: number, seed: number): Promise<Cut[]> {
  const sim = await madeWorld();
  const client = new Client();
  const cuts: Cut[] = [];
  let before = nothing;
  let [step] = steps;
  sim.disk.onCall = (number, name, path) => {
    for (const choice of enumerateCrashes(sim.disk, choicesPerCall, seed + number)) {
      assert(step !== undefined);
      const what = `cut at call ${number}, ${name} ${path}, ${JSON.stringify(choice)}`;
      const { identity, isOpen } = client;
      const about = `${JSON.stringify(step)}: ${what}`;
      cuts.push({ sim: sim.crash(choice), before, step, identity, isOpen, about });
    }
  };
  const broker = await sim.open();
  await client.init(broker);
  for (step of steps) {
    await client.run(broker, step);
    before = after(before, step);
    assert.deepEqual(await lookAt(broker), before, 'what a step has resolved to is seen');
  }
  sim.disk.onCall = undefined;
  await broker.close();
  return cuts;
}

test('client transaction: a power cut leaves all of it or nothing, and says which', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutSteps(6, seed);
    assert(cuts.length > 300, `${cuts.length} cuts`);
    for (const cut of prng.shuffle(cuts).slice(0, CUTS_TRIED)) await recover(cut);
  });
});

test('client transaction: what is recovered at open can be cut short again', async () => {
  await withSeed(async (prng, seed) => {
    const cuts = await cutSteps(2, seed);
    let nested = 0;
    for (const cut of prng.shuffle(cuts).slice(0, 12)) {
      const again: Cut[] = [];
      cut.sim.disk.onCall = (number, name, path) => {
        for (const choice of enumerateCrashes(cut.sim.disk, 2, seed + number)) {
          const about = `${cut.about}; then at call ${number}, ${name} ${path}`;
          again.push({ ...cut, sim: cut.sim.crash(choice), about });
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
