// Transactions side by side, cut from power at some call: each of them whole, or not there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prng } from '../../src/base/prng.js';
import type { Broker } from '../../src/broker/broker.js';
import { SimBroker, valuesOfPartition } from '../support/broker-fixture.js';
import { testRuns, withSeed } from '../support/seed.js';
import { randomCrash } from '../support/sim-crash.js';

const CALLERS = 6;
const EACH = 5;
const PARTITIONS = 3;
const GROUP = 'g';

/** What one transaction is to do. */
interface Plan {
  readonly caller: number;
  readonly id: string;
  readonly partitions: readonly number[];
  /** What it commits of the caller's own partition of `in`. */
  readonly offset: number | undefined;
  readonly isUndone: boolean;
}

/** What was known at some moment. */
interface Known {
  readonly resolved: ReadonlySet<string>;
  readonly rejected: ReadonlySet<string>;
}

function drawPlans(prng: Prng): Plan[][] {
  return Array.from({ length: CALLERS }, (_, caller) =>
    Array.from({ length: EACH }, (__, index) => {
      const all = Array.from({ length: PARTITIONS }, (___, partition) => partition);
      const partitions = prng.shuffle(all).slice(0, prng.integer(PARTITIONS + 1));
      const offset = prng.boolean(0.6) ? index + 1 : undefined;
      return { caller, id: `${caller}/${index}`, partitions, offset, isUndone: prng.boolean(0.2) };
    }),
  );
}

async function makeWorld(sim: SimBroker): Promise<void> {
  const broker = await sim.open();
  const input = await broker.createTopic('in', { partitions: CALLERS });
  await broker.createTopic('out', { partitions: PARTITIONS });
  const records = Array.from({ length: CALLERS * EACH }, (_, index) => index % CALLERS);
  await input.send(records.map((partition) => ({ value: 'x', partition })));
  await broker.close();
}

async function carryOut(broker: Broker, plan: Plan): Promise<void> {
  const { caller, id, partitions, offset, isUndone } = plan;
  await broker.transaction(async (transaction) => {
    const sent = partitions.map((partition) => transaction.send('out', { value: id, partition }));
    if (offset !== undefined) {
      const member = { groupId: GROUP, memberId: '', generation: -1 };
      transaction.commitOffsets({ topic: 'in', partition: caller, nextOffset: offset, member });
    }
    if (isUndone) {
      await Promise.all(sent);
      throw new Error('undone');
    }
  });
}

/** Runs all plans side by side; `known` grows as they end. */
async function runAll(sim: SimBroker, plans: readonly Plan[][]) {
  const resolved = new Set<string>();
  const rejected = new Set<string>();
  const run = async (): Promise<void> => {
    const broker = await sim.open();
    const callers = plans.map(async (own) => {
      for (const plan of own) {
        await carryOut(broker, plan).then(
          () => resolved.add(plan.id),
          () => rejected.add(plan.id),
        );
      }
    });
    await Promise.all(callers);
    await broker.close();
  };
  return { known: { resolved, rejected }, run };
}

async function check(sim: SimBroker, plans: readonly Plan[][], known: Known): Promise<void> {
  const broker = await sim.open();
  const seen: string[][] = [];
  const topic = await broker.topic('out');
  for (let partition = 0; partition < PARTITIONS; partition += 1) {
    const log = await topic.hosted.partition(partition);
    assert.equal(log.stableOffset, log.durableOffset, 'nothing is left open');
    const values = await valuesOfPartition(log);
    assert.equal(new Set(values).size, values.length, 'each once');
    seen.push(values);
  }
  const coordinator = await broker.consumers.coordinator();
  for (const [caller, own] of plans.entries()) {
    let expected: number | undefined;
    let isDecided = true;
    for (const { id, partitions, offset, isUndone } of own) {
      const count = partitions.filter((partition) => seen[partition]?.includes(id)).length;
      assert.ok(count === 0 || count === partitions.length, `${id} is whole or not there`);
      if (known.resolved.has(id)) assert.equal(count, partitions.length, `${id} was promised`);
      if (isUndone || known.rejected.has(id)) assert.equal(count, 0, `${id} was undone`);
      if (isUndone || offset === undefined) continue;
      if (count > 0 || known.resolved.has(id)) expected = offset;
      else if (partitions.length === 0) isDecided = false;
    }
    const at = { topic: 'in', partition: caller };
    const [fetched] = await coordinator.fetch(GROUP, [at]);
    // Of what sent nothing the offset alone tells.
    if (isDecided) assert.equal(fetched?.offset, expected, `the offset of caller ${caller}`);
    else assert.ok((fetched?.offset ?? 0) >= (expected ?? 0), `the offset of caller ${caller}`);
  }
  await broker.transaction((transaction) => transaction.send('out', { value: 'more' }));
  await broker.close();
}

test('transactions side by side: after a power cut each is whole, or not there', async () => {
  await withSeed(async (prng, seed) => {
    for (let run = 0; run < testRuns(15); run += 1) {
      const plans = drawPlans(prng);
      const sim = new SimBroker();
      await makeWorld(sim);
      const first = sim.disk.calls.length;
      const whole = await runAll(sim, plans);
      const cuts: { sim: SimBroker; known: Known; call: number }[] = [];
      const every = 1 + prng.integer(40);
      sim.disk.onCall = (call) => {
        if ((call - first) % every !== 0 || cuts.length >= 12) return;
        const known = {
          resolved: new Set(whole.known.resolved),
          rejected: new Set(whole.known.rejected),
        };
        cuts.push({ sim: sim.crash(randomCrash(sim.disk, seed + call)), known, call });
      };
      await whole.run();
      sim.disk.onCall = undefined;
      assert.equal(whole.known.resolved.size + whole.known.rejected.size, CALLERS * EACH);
      for (const { sim: cut, known, call } of cuts) {
        try {
          await check(cut, plans, known);
        } catch (error) {
          throw new Error(`run ${run}, power cut at call ${call}`, { cause: error });
        }
      }
      await check(sim, plans, whole.known);
    }
  });
});
