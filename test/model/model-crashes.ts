/**
 * A crash at every call of the file system that two transactions make, and at every call of the
 * recovery from it. One sends to several partitions, the other one is a member's, who sends for
 * what it has read and commits that; an idempotent client has batches on their way meanwhile. Then
 * everybody goes on, and all rules of the model are checked.
 */

import fc from 'fast-check';
import { Coverage } from './model-coverage.js';
import { rule } from './model-ledger.js';
import type { Death } from './model-life.js';
import { ModelWorld } from './model-world.js';

export interface CrashPlan {
  /** How many calls are carried out before it. */
  readonly calls: number;
  readonly death: Death;
  /** What a power cut leaves. */
  readonly seed: number;
  /** Another one, within the recovery. */
  readonly nested?: { readonly calls: number; readonly death: Death; readonly seed: number };
}

export interface CrashCounts {
  /** Calls of the transactions, and crashes that were tried, alone and within recoveries. */
  calls: number;
  crashes: number;
  nested: number;
  committed: number;
  aborted: number;
}

const SCHEDULE_SEED = 7;

/** How many calls the transactions make when nothing happens, and the recovery from a kill. */
export async function countCalls(): Promise<{ transactions: number; recovery: number }> {
  const whole = await runCrash(undefined);
  const cut = await runCrash({ calls: Math.floor(whole.calls / 2), death: 'kill', seed: 1 });
  return { transactions: whole.calls, recovery: cut.recoveryCalls };
}

/**
 * Tries every call, with a kill and some power cuts; of nested crashes so many for each. A part of
 * all is chosen by `isTried`.
 */
export async function exploreCrashes(options: {
  readonly cutsPerCall: number;
  readonly nestedPerCall: number;
  readonly seed: number;
  readonly isTried?: (plan: CrashPlan) => boolean;
}): Promise<CrashCounts> {
  const { cutsPerCall, nestedPerCall, seed, isTried = () => true } = options;
  const { transactions, recovery } = await countCalls();
  const counts: CrashCounts = {
    calls: transactions,
    crashes: 0,
    nested: 0,
    committed: 0,
    aborted: 0,
  };
  for (const plan of plans(transactions, recovery, { cutsPerCall, nestedPerCall, seed })) {
    if (!isTried(plan)) continue;
    const { coverage } = await runCrash(plan);
    if (plan.nested === undefined) counts.crashes += 1;
    else counts.nested += 1;
    counts.committed += coverage.of('transactions', 'committed');
    counts.aborted += coverage.of('transactions', 'aborted');
  }
  return counts;
}

function* plans(
  transactions: number,
  recovery: number,
  options: { cutsPerCall: number; nestedPerCall: number; seed: number },
): Generator<CrashPlan> {
  const { cutsPerCall, nestedPerCall, seed } = options;
  for (let calls = 0; calls < transactions; calls += 1) {
    const first = seed + calls * 1_000;
    yield { calls, death: 'kill', seed: first };
    for (let cut = 1; cut <= cutsPerCall; cut += 1) {
      yield { calls, death: 'power cut', seed: first + cut };
    }
    for (let turn = 0; turn < nestedPerCall; turn += 1) {
      // Spread over the recovery: another part of it for each call.
      const at = (calls * 7 + Math.floor((turn * recovery) / nestedPerCall)) % recovery;
      const deaths = [turn % 2 === 0, turn % 4 < 2].map((isCut) => (isCut ? 'power cut' : 'kill'));
      const [death = 'kill', again = 'kill'] = deaths as Death[];
      const nested = { calls: at, death: again, seed: first + turn };
      yield { calls, death, seed: first + turn, nested };
    }
  }
}

/** One life with the transactions in it, and what comes after. */
async function runCrash(plan: CrashPlan | undefined) {
  const [scheduler] = fc.sample(fc.scheduler(), { seed: SCHEDULE_SEED, numRuns: 1 });
  rule(scheduler !== undefined, 'there is a scheduler');
  const coverage = new Coverage();
  const world = new ModelWorld(scheduler, coverage);
  try {
    await prepare(world);
    const { disk } = world.life;
    const before = disk.callCount;
    if (plan !== undefined) world.life.endAfter(plan.calls, plan.death, plan.seed);
    await transact(world, plan?.nested);
    const calls = disk.callCount - before;
    const recoveryCalls = world.life.disk === disk ? 0 : world.life.openingCalls;
    await world.calmDown();
    return { calls, recoveryCalls, coverage };
  } catch (error) {
    throw new Error(`a crash of a transaction: ${JSON.stringify(plan)}`, { cause: error });
  } finally {
    world.end();
  }
}

async function prepare(world: ModelWorld): Promise<void> {
  await world.begin();
  for (const topic of world.topics.all) {
    for (const producer of world.producers) producer.send(topic, ['k1', 'k2', 'k3']);
  }
  for (const client of world.clients) client.send(2);
  await idle(world);
  const form = { assignor: 'range', instanceId: undefined, durability: 'durable' } as const;
  const plan = { topics: ['b'], ...form };
  world.join(0, 'member', plan);
  for (let round = 0; round < 10; round += 1) {
    await idle(world);
    await world.advance(1_000);
  }
  rule(
    world.members[0]?.claims.leases.length === 1,
    'the member has its partition before the transactions',
  );
}

async function transact(world: ModelWorld, nested: CrashPlan['nested']): Promise<void> {
  const { life } = world;
  const [a, b] = world.topics.all;
  if (a === undefined || b === undefined) return;
  const isOver = async (): Promise<boolean> => {
    if (life.isOver && world.life === life) await world.recover(nested);
    return world.life !== life;
  };
  const parts: (() => void | Promise<void>)[] = [
    () => world.transactions.drive(undefined),
    () => {
      const [driven] = world.transactions.running;
      for (const key of ['k1', 'k2', 'k3', 'k4']) driven?.send(a, key);
      driven?.send(b, 'k1');
      for (const client of world.clients) client.send(1);
      world.members[0]?.work(1, true);
    },
    () => world.transactions.running[0]?.return(),
    () => world.members[0]?.work(1, true),
    () => world.transactions.drive('exact'),
    () => world.transactions.running[0]?.send(a, 'k2'),
    () => world.transactions.running[0]?.throw(),
  ];
  for (const part of parts) {
    await part();
    for (let turn = 0; turn < 1_000 && !life.isOver; turn += 1) {
      await world.turn();
      if (world.scheduler.count() === 0) break;
    }
    if (await isOver()) return;
  }
}

async function idle(world: ModelWorld): Promise<void> {
  await world.steps(Number.POSITIVE_INFINITY);
}
