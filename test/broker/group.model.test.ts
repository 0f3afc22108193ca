/**
 * Random lives of groups: members join, stall, crash, leave and come back, topics grow, and the
 * order of everything in between is random too. The rules are those of `group-world.ts`.
 *
 * `MILLRACE_RUNS=20000` makes it a campaign.
 */

import { test } from 'node:test';
import fc from 'fast-check';
import type { AssignorName } from '../../src/broker/group/assignors.js';
import type { SimProcess } from '../support/group-process.js';
import { GroupWorld } from '../support/group-world.js';
import { testRuns, testSeed } from '../support/seed.js';

type Command = fc.AsyncCommand<object, GroupWorld>;

const PROCESSES_MAX = 7;

function command(name: string, run: (world: GroupWorld) => void | Promise<void>): Command {
  return {
    check: () => true,
    run: async (_model, world) => {
      await run(world);
      await world.steps(0);
      world.observe();
    },
    toString: () => name,
  };
}

function onOne(name: string, act: (process: SimProcess) => void) {
  return (which: number): Command =>
    command(`${name}(${which})`, ({ processes }) => {
      const process = processes[which % Math.max(1, processes.length)];
      if (process !== undefined) act(process);
    });
}

const subscriptions = fc.constantFrom(['t'], ['u'], ['t', 'u'], ['t', 'u']);
const which = fc.nat(PROCESSES_MAX - 1);

const join = fc
  .tuple(subscriptions, fc.constantFrom(undefined, undefined, undefined, 'one', 'two'))
  .map(([topics, instanceId]) =>
    command(`start(${topics}${instanceId === undefined ? '' : `; ${instanceId}`})`, (world) => {
      if (world.processes.length < PROCESSES_MAX) world.start(topics, instanceId);
    }),
  );
const setTopics = fc
  .tuple(which, subscriptions)
  .map(([at, topics]) => onOne(`setTopics(${topics})`, (each) => each.setTopics(topics))(at));
const grow = fc
  .tuple(fc.constantFrom('t', 'u'), fc.integer({ min: 1, max: 3 }))
  .map(([topic, count]) =>
    command(`grow(${topic}; ${count})`, (world) => world.grow(topic, count)),
  );
const steps = fc
  .constantFrom(1, 3, 10, 40)
  .map((count) => command(`steps(${count})`, (world) => world.steps(count)));
const advance = fc
  .constantFrom(100, 4_500, 12_000, 26_000)
  .map((ms) => command(`advance(${ms})`, (world) => world.advance(ms)));

const commands = fc.commands(
  [
    join,
    join,
    steps,
    steps,
    steps,
    advance,
    which.map(onOne('work', (each) => each.work(3))),
    which.map(onOne('work', (each) => each.work(5))),
    which.map(onOne('stall', (each) => each.stall())),
    which.map(onOne('resume', (each) => each.resume())),
    which.map(onOne('block', (each) => each.block())),
    which.map(onOne('unblock', (each) => each.unblock())),
    which.map(onOne('crash', (each) => each.crash())),
    which.map(onOne('stop', (each) => each.stop())),
    setTopics,
    grow,
  ],
  { maxCommands: 45, size: 'max' },
);

const assignors = fc.constantFrom<readonly AssignorName[]>(
  ['range'],
  ['roundrobin'],
  ['sticky', 'range'],
  ['cooperative-sticky'],
  ['cooperative-sticky'],
);

test('groups: one owner per generation, no late commits, all is owned in the end', async () => {
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), assignors, commands, async (scheduler, names, drawn) => {
      const world = await GroupWorld.open(scheduler, names);
      world.start(['t', 'u']);
      world.start(['t', 'u']);
      await fc.asyncModelRun(async () => ({ model: {}, real: world }), drawn);
      await world.calmDown();
      await world.close();
    }),
    { seed: testSeed(), numRuns: testRuns(300), includeErrorInReport: true },
  );
});
