/**
 * What may happen in the world of queues, as commands that fast-check draws.
 */

import fc from 'fast-check';
import type { Death } from './model-life.js';
import type { QueueLedger } from './queue-ledger.js';
import type { LeaseVerb } from './queue-oracle.js';
import { DEAD, isGroup, JOBS, prioritiesOf } from './queue-plan.js';
import type { QueueReceiver, Taken } from './queue-receiver.js';
import type { QueueTransaction } from './queue-transaction.js';
import type { QueueWorld, SendPlan } from './queue-world.js';

export type QueueCommand = fc.AsyncCommand<object, QueueWorld>;

const COMMANDS_MAX = 60;
/** Longer than a lease, shorter than a transaction may take. */
const HOLD_MS = 11_000;

/** The life is over before and after none of them: whoever ends one lets the next begin. */
function command(
  kind: string,
  detail: string,
  run: (world: QueueWorld) => void | Promise<void>,
): QueueCommand {
  return {
    check: () => true,
    run: async (_model, world) => {
      world.coverage.count('commands', kind);
      await run(world);
      await world.steps(0);
    },
    toString: () => `${kind}(${detail})`,
  };
}

function pickOf<T>(values: readonly T[], which: number): T | undefined {
  return values[which % Math.max(1, values.length)];
}

const which = fc.nat(7);
const seeds = fc.nat(2 ** 31 - 1);
const deaths = fc.constantFrom<Death>('kill', 'kill', 'power cut');

// ---- Senders.

const messages = fc.record({
  delayMs: fc.constantFrom(undefined, undefined, undefined, undefined, 50, 3_000, 12_000),
  priority: fc.nat(7),
  lane: fc.constantFrom('g1', 'g1', 'g2', 'g3'),
  ttlMs: fc.constantFrom(undefined, undefined, undefined, undefined, 2_000, 15_000),
  deduplicationId: fc.constantFrom(undefined, undefined, undefined, 'd1', 'd2', 'd3'),
});
type DrawnMessage = typeof messages extends fc.Arbitrary<infer Drawn> ? Drawn : never;

/** What of it the queue takes. */
function planOf(world: QueueWorld, { name, terms }: QueueLedger, drawn: DrawnMessage): SendPlan {
  const { delayMs, priority, lane, ttlMs, deduplicationId } = drawn;
  if (isGroup(name)) return { lane };
  return {
    delayMs,
    ttlMs,
    deduplicationId,
    lane: terms.isOrdered ? lane : undefined,
    priority: priority % prioritiesOf(world.plan, name),
  };
}

/** Most goes to the queue that has all options; nobody sends to the dead letters. */
function targetOf(world: QueueWorld, at: number): QueueLedger {
  const others = world.queues.filter(({ name }) => name !== DEAD && name !== JOBS);
  return (at < 5 ? undefined : pickOf(others, at)) ?? world.book.queue(JOBS);
}

const send = fc
  .tuple(which, fc.array(messages, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([at, drawn, isBatch]) => {
    const all = isBatch ? drawn : drawn.slice(0, 1);
    return command('send', `${at}; ${all.map((one) => Object.values(one).join(' '))}`, (world) => {
      const target = targetOf(world, at);
      world.send(
        target,
        all.map((one) => planOf(world, target, one)),
      );
    });
  });
const sendPlain = which.chain((at) =>
  fc.tuple(messages, messages).map((drawn) =>
    command('send plainly', `${at}; ${drawn.map(({ lane }) => lane)}`, (world) => {
      const target = targetOf(world, at);
      world.send(
        target,
        drawn.map(({ lane, priority }) => {
          const plain = { delayMs: undefined, ttlMs: undefined, deduplicationId: undefined };
          return planOf(world, target, { ...plain, lane, priority });
        }),
      );
    }),
  ),
);
const publish = fc.constant(
  command('publish', '', (world) => {
    if (world.plan.hasExchange) world.publish();
  }),
);
const cancel = which.map((at) => command('cancel', `${at}`, (world) => world.cancel(at)));
const purge = which.map((at) =>
  command('purge', `${at}`, (world) => {
    if (at < 2) world.purge(world.book.queue(JOBS));
  }),
);
const alter = fc.constantFrom(1, 2, 4).map((deliveriesMax) =>
  command('alter', `${deliveriesMax}`, (world) => {
    world.alter(world.book.queue(JOBS), deliveriesMax);
  }),
);

// ---- Consumers.

function queueOf(world: QueueWorld, at: number): QueueLedger {
  const others = world.queues.filter(({ name }) => name !== JOBS);
  return (at < 6 ? undefined : pickOf(others, at)) ?? world.book.queue(JOBS);
}

const join = fc
  .tuple(which, fc.constantFrom(1, 2, 100, 100), fc.nat(1))
  .map(([at, inFlightMax, priority]) =>
    command('join', `${at}; ${inFlightMax}; ${priority}`, (world) => {
      world.join(queueOf(world, at), inFlightMax, priority);
    }),
  );
const receive = fc
  .tuple(which, fc.constantFrom(1, 1, 3, 10), fc.constantFrom(0, 2_000, 20_000), fc.nat(7))
  .map(([at, max, waitMs, lease]) =>
    command('receive', `${at}; ${max}; ${waitMs}; ${lease}`, async (world) => {
      if (world.receivers.length === 0) world.join(world.book.queue(JOBS), 100, 0);
      const receiver = pickOf(live(world), at);
      if ((receiver?.pending ?? 0) < 2)
        receiver?.receive(max, waitMs, lease === 0 ? 3_000 : undefined);
      // Mostly the answer comes before something else happens.
      if (lease > 2) await world.steps(Number.POSITIVE_INFINITY);
    }),
  );

function live(world: QueueWorld): QueueReceiver[] {
  return world.receivers.filter(({ isLive }) => isLive);
}

/** With what receivers have, or with whatever somebody was given at some time. */
function onTaken(
  kind: string,
  act: (receiver: QueueReceiver, taken: Taken, detail: number) => void,
) {
  return fc.tuple(which, fc.nat(15), fc.boolean(), fc.nat(3)).map(([at, back, isAny, detail]) => {
    const text = `${at}; ${back}; ${isAny && at < 3 ? 'any' : 'held'}; ${detail}`;
    return command(kind, text, (world) => {
      const receiver = pickOf(live(world), at);
      if (receiver === undefined) return;
      const isFree = (isAny && at < 3) || receiver.held.length === 0;
      const taken = pickOf(isFree ? receiver.taken.toReversed() : receiver.held, back);
      if (taken !== undefined) act(receiver, taken, detail);
    });
  });
}

function asking(verb: LeaseVerb, detailOf: (detail: number) => object = () => ({})) {
  return onTaken(verb, (receiver, taken, detail) => receiver.ask(taken, verb, detailOf(detail)));
}

const acknowledgeAll = fc.tuple(which, fc.boolean()).map(([at, isAny]) =>
  command('acknowledge all', `${at}; ${isAny}`, (world) => {
    const receiver = pickOf(live(world), at);
    const several = isAny ? receiver?.taken.slice(-6) : receiver?.held;
    if (receiver !== undefined && several !== undefined && several.length > 0) {
      receiver.acknowledgeAll(several, at % 2 === 0);
    }
  }),
);
function onReceiver(kind: string, act: (receiver: QueueReceiver) => void) {
  return which.map((at) =>
    command(kind, `${at}`, (world) => {
      const receiver = pickOf(live(world), at);
      if (receiver !== undefined) act(receiver);
    }),
  );
}

const employ = fc.tuple(which, fc.integer({ min: 1, max: 3 })).map(([at, concurrency]) =>
  command('consume', `${at}; ${concurrency}`, (world) => {
    const queue = queueOf(world, at);
    if (!isGroup(queue.name) && queue.name !== DEAD) world.employ(queue, concurrency);
  }),
);
const work = fc.tuple(which, fc.integer({ min: 1, max: 4 })).map(([at, count]) =>
  command('handlers end', `${at}; ${count}`, (world) => {
    const crew = pickOf(
      world.crews.filter(({ isLive }) => isLive),
      at,
    );
    crew?.work(count);
  }),
);
const stopCrew = fc
  .tuple(which, fc.constantFrom(0, 5_000))
  .map(([at, drainMs]) =>
    command('stop', `${at}; ${drainMs}`, (world) => pickOf(world.crews, at)?.stop(drainMs)),
  );

// ---- Transactions.

const begin = fc.constant(command('begin transaction', '', (world) => world.begins()));
function onTransaction(
  kind: string,
  act: (transaction: QueueTransaction, world: QueueWorld, at: number) => void,
) {
  return fc.tuple(which, which).map(([which_, at]) =>
    command(`transaction ${kind}`, `${which_}; ${at}`, (world) => {
      const running = world.transactions.filter(({ isRunning }) => isRunning);
      const transaction = pickOf(running, which_);
      if (transaction !== undefined) act(transaction, world, at);
    }),
  );
}
const transactionSend = fc.tuple(which, which, messages).map(([at, to, drawn]) =>
  command('transaction sends', `${at}; ${to}; ${Object.values(drawn)}`, (world) => {
    const running = world.transactions.filter(({ isRunning }) => isRunning);
    const target = targetOf(world, to);
    if (isGroup(target.name)) return;
    const plan = planOf(world, target, { ...drawn, deduplicationId: undefined });
    pickOf(running, at)?.send(target, world.draft(target, plan));
  }),
);
const transactionAcknowledge = onTransaction('acknowledges', (transaction, world, at) => {
  const taken = pickOf(
    world.held.filter(({ lease }) => !isGroup(lease.message.queue.name)),
    at,
  );
  if (taken !== undefined) transaction.acknowledge(taken);
});

// ---- Time, and the ends of lives.

const steps = fc
  .constantFrom(1, 3, 10, 60, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
  .map((count) => command('steps', `${count}`, (world) => world.steps(count)));
const advance = fc
  .constantFrom(1, 100, 2_000, 4_500, 11_000)
  .map((ms) => command('advance', `${ms}`, (world) => world.advance(ms)));
const jump = fc.constantFrom(-3_600_000, 3_600_000, 600_000).map((ms) =>
  command('wall clock jumps', `${ms}`, (world) => {
    world.times.jumpWall(ms);
  }),
);
const crash = fc
  .record({ calls: fc.nat(30), death: deaths, seed: seeds })
  .map(({ calls, death, seed }) =>
    command('crash', `${death} after ${calls}; ${seed}`, (world) => {
      world.life.endAfter(calls, death, seed);
    }),
  );
const crashTwice = fc.record({ calls: fc.nat(150), death: deaths, seed: seeds }).map((nested) =>
  command('crash twice', `${nested.death} after ${nested.calls}; ${nested.seed}`, async (world) => {
    world.life.end(nested.death, nested.seed);
    await world.recover(nested);
  }),
);
/** Where a crash tells most: while what was asked for is stored. */
const crashInAsk = fc
  .record({ at: which, calls: fc.nat(12), death: deaths, seed: seeds, all: fc.boolean() })
  .map(({ at, calls, death, seed, all }) =>
    command(
      'crash while asked',
      `${at}; ${death} after ${calls}; ${seed}; ${all}`,
      async (world) => {
        const receiver = pickOf(live(world), at);
        const { held = [] } = receiver ?? {};
        if (all && held.length > 0) receiver?.acknowledgeAll(held);
        else if (held[0] !== undefined) receiver?.ask(held[0], 'acknowledge', {});
        for (const transaction of world.transactions) transaction.return();
        world.life.endAfter(calls, death, seed);
        await world.steps(Number.POSITIVE_INFINITY);
      },
    ),
  );

/** Or just when it was answered. */
const crashBehindAnswer = fc.tuple(which, deaths, seeds).map(([at, death, seed]) =>
  command('crash behind an answer', `${at}; ${death}; ${seed}`, async (world) => {
    const receiver = pickOf(live(world), at);
    const { held = [] } = receiver ?? {};
    if (receiver === undefined || held.length === 0) return;
    receiver.acknowledgeAll(held);
    await world.untilAnswered(receiver);
    world.life.end(death, seed);
    await world.recover();
  }),
);
/** A transaction has a message for longer than its lease, and others ask for it. */
const holdOn = which.map((at) =>
  command('transaction holds on', `${at}`, async (world) => {
    const taken = pickOf(
      world.held.filter(({ lease }) => !isGroup(lease.message.queue.name)),
      at,
    );
    if (taken === undefined) return;
    world.begins();
    await world.steps(0);
    world.transactions.findLast(({ isRunning }) => isRunning)?.acknowledge(taken);
    await world.steps(Number.POSITIVE_INFINITY);
    await world.advance(HOLD_MS);
    for (const receiver of live(world)) receiver.receive(10, 0, undefined);
    await world.steps(Number.POSITIVE_INFINITY);
  }),
);

const many = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

export const queueCommands = fc.commands(
  [
    ...many(6, send),
    ...many(5, sendPlain),
    publish,
    cancel,
    alter,
    purge,
    ...many(3, join),
    ...many(12, receive),
    ...many(6, asking('acknowledge')),
    ...many(
      4,
      asking('release', (detail) => ({ delayMs: [0, 0, 1_000, 8_000][detail] ?? 0 })),
    ),
    ...many(2, asking('reject')),
    ...many(
      2,
      asking('extend', (detail) => ({ ms: [500, 10_000, 20_000, 20_000][detail] ?? 0 })),
    ),
    ...many(3, acknowledgeAll),
    onReceiver('receiver crashes', (receiver) => receiver.crash()),
    onReceiver('receiver closes', (receiver) => receiver.close()),
    ...many(2, employ),
    ...many(4, work),
    stopCrew,
    ...many(2, begin),
    ...many(3, transactionSend),
    ...many(4, transactionAcknowledge),
    ...many(
      3,
      onTransaction('returns', (transaction) => transaction.return()),
    ),
    ...many(
      2,
      onTransaction('throws', (transaction) => transaction.throw()),
    ),
    ...many(12, steps),
    ...many(5, advance),
    jump,
    holdOn,
    crash,
    crashBehindAnswer,
    crashInAsk,
    crashTwice,
  ],
  { maxCommands: COMMANDS_MAX, size: 'max' },
);
