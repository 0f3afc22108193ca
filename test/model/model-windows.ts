/**
 * Commands that go for the windows between two steps of the broker: after an append and before its
 * sync, after a decision and before what it decides, while a commit is on its way, after a member
 * was put out and before it knows. Sequences of single commands meet them, but seldom.
 *
 * Each says only what happens around the broker, and leaves how far the steps go to what was drawn.
 */

import fc from 'fast-check';
import { command, deaths, pickOf, plans, seeds, which } from './model-command.js';
import type { TopicLedger } from './model-ledger.js';
import type { MemberPlan, Participant } from './model-participant.js';
import type { ModelTransaction } from './model-transaction.js';
import type { ModelWorld } from './model-world.js';

/** Longer than a session lasts. */
const PUT_OUT_MS = 16_000;
/** How long to wait until a group has its members. */
const GATHER_ROUNDS_MAX = 10;
const GATHER_MS = 1_000;
/** None that handlers fail on: those of patient workers would not end. */
const easyKeys = ['k1', 'k2', 'k3', null] as const;

/** Many near the beginning, where most windows are, and some far behind. */
const calls = fc.oneof(fc.nat(14), fc.nat(60));

/** Members that have something to do: those that are there, and one more. */
async function gather(world: ModelWorld, at: number, plan: MemberPlan): Promise<void> {
  const { life } = world;
  world.join(at, 'member', plan);
  const isReady = (): boolean =>
    world.members.some(({ isLive, claims }) => isLive && claims.leases.length > 0);
  for (let round = 0; round < GATHER_ROUNDS_MAX && world.life === life; round += 1) {
    await world.steps(Number.POSITIVE_INFINITY);
    if (isReady()) break;
    await world.advance(GATHER_MS);
  }
  sendAll(world);
  await world.steps(Number.POSITIVE_INFINITY);
}

function liveMembers(world: ModelWorld): Participant[] {
  return world.members.filter(({ isLive }) => isLive);
}

/** Two batches for every partition, or nearly. */
function sendAll(world: ModelWorld, topics: readonly TopicLedger[] = world.topics.all): void {
  for (const topic of topics) {
    for (const sender of [0, 1]) world.producers[sender]?.send(topic, easyKeys);
  }
}

/** Of one partition the marker alone decides: this one sends to several. */
function spread(world: ModelWorld, at: number): ModelTransaction | undefined {
  if (world.transactions.running.length === 0) world.transactions.drive(undefined);
  const transaction = pickOf(world.transactions.running, at);
  for (const topic of world.topics.all) {
    for (const key of ['k1', 'k2', 'k3']) transaction?.send(topic, key);
  }
  return transaction;
}

/** A transaction is decided and carried out: it is written before, or is just being written. */
export const crashInCommit = fc
  .record({ at: fc.nat(2), isWritten: fc.boolean(), calls, death: deaths, seed: seeds })
  .map(({ at, isWritten, calls, death, seed }) =>
    command(
      'crash in a commit',
      `${at}; ${isWritten}; ${death} after ${calls}; ${seed}`,
      async (world) => {
        const { life } = world;
        const transaction = spread(world, at);
        if (isWritten) await world.steps(Number.POSITIVE_INFINITY);
        if (transaction === undefined || world.life !== life) return;
        transaction.return();
        life.endAfter(calls, death, seed);
        await world.steps(Number.POSITIVE_INFINITY);
      },
    ),
  );

/** The life ends so many calls behind a sync of one of these logs. */
export const crashBehindSync = fc
  .record({
    of: fc.constantFrom('__transactions', '__offsets', 'a-', 'b-'),
    calls: fc.nat(6),
    death: deaths,
    seed: seeds,
  })
  .map(({ of, calls, death, seed }) =>
    command('crash behind a sync', `${of}; ${death} after ${calls}; ${seed}`, (world) => {
      world.life.endBehindSync(of, calls, death, seed);
    }),
  );

/** Members commit with transactions, and then go on from there; nothing makes the ends durable. */
export const crashBehindCommits = fc
  .record({ at: fc.nat(1), plan: plans, works: fc.nat(3), death: deaths, seed: seeds })
  .map(({ at, plan, works, death, seed }) =>
    command('crash behind commits', `${at}; ${works}; ${death}; ${seed}`, async (world) => {
      const { life } = world;
      await gather(world, at, plan);
      for (let turn = 0; turn <= works && world.life === life; turn += 1) {
        for (const member of liveMembers(world)) member.work(1, turn === 0);
        await world.steps(Number.POSITIVE_INFINITY);
      }
      if (world.life === life) life.end(death, seed);
    }),
  );

/** Members are put out while they stall; some hear of it in the middle of a batch. */
export const lateWork = fc
  .record({
    at: fc.nat(1),
    plan: plans,
    before: fc.nat(12),
    between: fc.nat(6),
    isTransactional: fc.boolean(),
  })
  .map(({ at, plan, before, between, isTransactional }) =>
    command('work late', `${at}; ${before}; ${between}; ${isTransactional}`, async (world) => {
      const { life } = world;
      await gather(world, at, plan);
      const members = liveMembers(world);
      for (const member of members) member.stall();
      await world.advance(PUT_OUT_MS);
      for (const member of members) member.resume();
      await world.steps(before);
      for (const member of members) member.work(1, isTransactional);
      await world.steps(between);
      for (const member of members) member.stall();
      await world.steps(Number.POSITIVE_INFINITY);
      if (world.life === life) for (const member of members) member.resume();
    }),
  );

/** Another topic gets the name of one that is deleted. */
export const createAgain = which.map((at) =>
  command('delete and create topic', `${at}`, async (world) => {
    const topic = pickOf(world.topics.all, at);
    if (topic === undefined) return;
    world.topics.delete(topic);
    world.topics.create(topic.name, 2);
  }),
);

/** The same, while commits for the old one are on their way, and records in the new one. */
export const createAgainUnderCommits = fc
  .record({
    at: which,
    plan: plans,
    before: fc.nat(12),
    isFilled: fc.boolean(),
    between: fc.nat(60),
  })
  .map(({ at, plan, before, isFilled, between }) =>
    command(
      'delete and create under commits',
      `${at}; ${before}; ${isFilled}; ${between}`,
      async (world) => {
        const { life } = world;
        await gather(world, at % 2, plan);
        const members = liveMembers(world);
        for (const member of members) member.work(1, false);
        await world.steps(before);
        const topic = pickOf(world.topics.all, at);
        if (topic === undefined || world.life !== life) return;
        // What is on the line stays there.
        for (const member of members) member.stall();
        world.topics.delete(topic);
        await world.steps(Number.POSITIVE_INFINITY);
        world.topics.create(topic.name, 2);
        await world.steps(Number.POSITIVE_INFINITY);
        if (isFilled)
          sendAll(
            world,
            world.topics.all.filter(({ name }) => name === topic.name),
          );
        await world.steps(between);
        if (world.life === life) for (const member of members) member.resume();
      },
    ),
  );
