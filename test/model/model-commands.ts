/**
 * What may happen in the world of the model, as commands that fast-check draws.
 */

import fc from 'fast-check';
import { command, deaths, pickOf, plans, seeds, which } from './model-command.js';
import type { Participant } from './model-participant.js';
import {
  crashBehindCommits,
  crashBehindSync,
  crashInCommit,
  createAgain,
  createAgainUnderCommits,
  lateWork,
} from './model-windows.js';

const COMMANDS_MAX = 80;

const keys = fc.constantFrom(null, 'k1', 'k2', 'k3', 'k4', 'k5');

const send = fc
  .tuple(
    which,
    which,
    fc.oneof(
      fc.array(keys, { minLength: 1, maxLength: 1 }),
      fc.array(keys, { minLength: 1, maxLength: 6 }),
    ),
  )
  .map(([sender, at, drawn]) =>
    command('send', `${sender}; ${at}; ${drawn}`, (world) => {
      const topic = pickOf(world.topics.all, at);
      const producer = world.producers[sender];
      if (topic !== undefined) producer?.send(topic, drawn);
    }),
  );
const closeProducer = which.map((sender) =>
  command('close producer', `${sender}`, (world) => world.producers[sender]?.close()),
);
const clientSend = fc.tuple(which, fc.integer({ min: 1, max: 3 })).map(([at, count]) =>
  command('client sends', `${at}; ${count}`, (world) => {
    pickOf(world.clients, at)?.send(count);
  }),
);
const clientAct = fc
  .tuple(which, fc.constantFrom('sendAgain', 'skip', 'comeLate'))
  .map(([at, act]) =>
    command(`client ${act}`, `${at}`, (world) => {
      const client = pickOf(world.clients, at);
      if (act === 'sendAgain') client?.sendAgain();
      else if (act === 'skip') client?.skip();
      else client?.comeLate();
    }),
  );

const steps = fc
  .constantFrom(1, 3, 10, 40)
  .map((count) => command('steps', `${count}`, (world) => world.steps(count)));
const advance = fc
  .constantFrom(1, 100, 4_500, 12_000, 26_000)
  .map((ms) => command('advance', `${ms}`, (world) => world.advance(ms)));

const create = fc
  .tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 3 }))
  .map(([name, partitions]) =>
    command('create topic', `${name}; ${partitions}`, (world) =>
      world.topics.create(name, partitions),
    ),
  );
const grow = fc.tuple(which, fc.integer({ min: 1, max: 2 })).map(([at, by]) =>
  command('grow topic', `${at}; ${by}`, (world) => {
    const topic = pickOf(world.topics.all, at);
    if (topic !== undefined) world.topics.grow(topic, by);
  }),
);
const remove = which.map((at) =>
  command('delete topic', `${at}`, (world) => {
    const topic = pickOf(world.topics.all, at);
    if (topic !== undefined) world.topics.delete(topic);
  }),
);

const join = fc
  .record({
    at: fc.nat(1),
    form: fc.constantFrom<'member' | 'loop' | 'worker'>('member', 'member', 'loop', 'worker'),
    plan: plans,
  })
  .map(({ at, form, plan }) =>
    command(
      'join',
      `${form}; ${at}; ${plan.topics}; ${plan.instanceId}; ${plan.durability}`,
      (world) => {
        world.join(at, form, plan);
      },
    ),
  );
function onMember(kind: string, act: (member: Participant, detail: number) => void) {
  return fc.tuple(fc.nat(5), fc.nat(5)).map(([at, detail]) =>
    command(`member ${kind}`, `${at}; ${detail}`, (world) => {
      const member = pickOf(
        world.members.filter(({ isLive }) => isLive),
        at,
      );
      if (member !== undefined) act(member, detail);
    }),
  );
}

const begin = fc
  .constantFrom(undefined, undefined, 'exact')
  .map((id) => command('begin transaction', `${id}`, (world) => world.transactions.drive(id)));
const fence = fc.constant('exact').map((id) =>
  command('fence', id, (world) => {
    world.transactions.fence(id);
  }),
);
const transactionSend = fc.tuple(fc.nat(2), which, keys).map(([at, topic, key]) =>
  command('transaction sends', `${at}; ${topic}; ${key}`, (world) => {
    const target = pickOf(world.topics.all, topic);
    if (target !== undefined) pickOf(world.transactions.running, at)?.send(target, key);
  }),
);
const transactionEnd = fc
  .tuple(fc.nat(2), fc.constantFrom('return', 'return', 'throw'))
  .map(([at, end]) =>
    command(`transaction ${end}s`, `${at}`, (world) => {
      const transaction = pickOf(world.transactions.running, at);
      if (end === 'return') transaction?.return();
      else transaction?.throw();
    }),
  );

const crash = fc
  .record({ calls: fc.nat(60), death: deaths, seed: seeds })
  .map(({ calls, death, seed }) =>
    command('crash', `${death} after ${calls}; ${seed}`, async (world) => {
      world.life.endAfter(calls, death, seed);
    }),
  );
const crashTwice = fc.record({ calls: fc.nat(200), death: deaths, seed: seeds }).map((nested) =>
  command('crash twice', `${nested.death} after ${nested.calls}; ${nested.seed}`, async (world) => {
    world.life.end(nested.death, nested.seed);
    await world.recover(nested);
  }),
);

const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

export const modelCommands = fc.commands(
  [
    ...many(8, send),
    ...many(10, steps),
    ...many(4, advance),
    ...many(4, join),
    ...many(
      8,
      onMember('works', (member, detail) => member.work(1 + detail, detail % 3 === 0)),
    ),
    ...many(
      2,
      onMember('stalls', (member) => member.stall()),
    ),
    ...many(
      2,
      onMember('resumes', (member) => member.resume()),
    ),
    ...many(
      2,
      onMember('crashes', (member) => member.crash()),
    ),
    ...many(
      2,
      onMember('stops', (member) => member.stop()),
    ),
    onMember('pauses', (member, detail) => member.pause(detail)),
    onMember('seeks', (member, detail) => member.seek(detail)),
    ...many(3, begin),
    ...many(6, transactionSend),
    ...many(3, transactionEnd),
    fence,
    ...many(2, closeProducer),
    ...many(2, clientSend),
    clientAct,
    ...many(2, create),
    ...many(2, grow),
    ...many(2, remove),
    ...many(2, crash),
    crashTwice,
    ...many(3, crashInCommit),
    crashBehindSync,
    ...many(2, crashBehindCommits),
    ...many(2, lateWork),
    createAgain,
    ...many(2, createAgainUnderCommits),
  ],
  { maxCommands: COMMANDS_MAX, size: 'max' },
);
