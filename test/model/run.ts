/**
 * `npm run model`: random lives of a broker and of those who use it; see model-world.ts.
 *
 *     --sequences N [--seed S]   N of them, each from one number: S, S + 1, ...
 *     --queues                   of those who use its queues instead; see queue-world.ts
 *     --crashes [--seed S]       a crash at every call of the file system that transactions make,
 *                                and within the recoveries; see model-crashes.ts
 *     --routes N [--seed S]      routes of N messages through random exchanges, held against a
 *                                reference; see model-routes.ts
 *     --planted NAME [--seed S]  plants bugs in a copy of the build and says how many sequences it
 *                                takes to find them; a part of the name, or `all`
 *     --whole                    does not look for a shorter sequence that fails as well
 *     --json                     prints one line of JSON instead of text
 *
 * Exit code 1 when a rule was broken, or a planted bug was not found; 2 for a wrong call.
 */

import { parseArgs } from 'node:util';
import { Coverage } from './model-coverage.js';
import { exploreCrashes } from './model-crashes.js';
import { exploreRoutes } from './model-routes.js';
import { runSequence, type SequenceFailure } from './model-sequence.js';
import { plantedBugs } from './planted-bugs.js';
import { huntPlantedBug } from './planted-hunt.js';
import { plantedQueueBugs } from './queue-planted.js';
import { runQueueSequence } from './queue-sequence.js';

/** How many sequences a planted bug may hide from. */
const HUNT_SEQUENCES = 20_000;

process.exitCode = await main();

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      sequences: { type: 'string' },
      queues: { type: 'boolean', default: false },
      crashes: { type: 'boolean', default: false },
      planted: { type: 'string' },
      routes: { type: 'string' },
      seed: { type: 'string', default: '1' },
      whole: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const { json, planted, queues, whole } = values;
  const seed = count(values.seed);
  if (planted !== undefined) {
    return hunt(planted, seed, count(values.sequences ?? `${HUNT_SEQUENCES}`), json);
  }
  if (values.routes !== undefined) return routes(count(values.routes), seed, json);
  if (values.crashes) return await explore(seed, json);
  if (values.sequences !== undefined)
    return await runAll(count(values.sequences), seed, { json, queues, whole });
  console.error(
    'usage: npm run model -- [--queues] --sequences N | --crashes | --routes N | --planted NAME' +
      ' [--seed S] [--json]',
  );
  return 2;
}

async function runAll(
  sequences: number,
  seed: number,
  { json, queues, whole }: Readonly<Record<'json' | 'queues' | 'whole', boolean>>,
): Promise<number> {
  const coverage = new Coverage();
  const run = queues ? runQueueSequence : runSequence;
  const startedMs = performance.now();
  const seconds = (): number => Math.round((performance.now() - startedMs) / 100) / 10;
  let done = 1;
  const tell = (failure: SequenceFailure): void => {
    const [violation] = failure.message.split('\n');
    const which = queues ? '--queues ' : '';
    const again = `again: npm run model -- ${which}--sequences 1 --seed ${failure.seed}`;
    if (json) console.log(JSON.stringify({ sequences: done, violation, seed: failure.seed }));
    else console.error(`${failure.message}\n  ${again}`);
  };
  // What fails where nobody waits for it, such as an assertion, is a finding too.
  process.once('uncaughtException', ({ message }) => {
    tell({ seed: seed + done - 1, message: `the process dies: ${message}` });
    process.exit(1);
  });
  for (; done <= sequences; done += 1) {
    const failure = await run(seed + done - 1, coverage, whole);
    if (failure !== undefined) {
      tell(failure);
      return 1;
    }
    if (done % 1_000 === 0 && !json) console.log(`${done} of ${sequences}, ${seconds()} s`);
  }
  const report = { sequences, seed, seconds: seconds(), ...coverage.report() };
  console.log(json ? JSON.stringify(report) : report);
  return 0;
}

async function explore(seed: number, json: boolean): Promise<number> {
  const startedMs = performance.now();
  const counts = await exploreCrashes({ cutsPerCall: 6, nestedPerCall: 6, seed });
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const report = { ...counts, seed, seconds };
  console.log(json ? JSON.stringify(report) : report);
  return 0;
}

function routes(messages: number, seed: number, json: boolean): number {
  const startedMs = performance.now();
  const { covered, failure } = exploreRoutes(messages, seed);
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  const report = { ...covered, seed, seconds };
  console.log(json ? JSON.stringify({ ...report, failure }) : report);
  if (failure === undefined) return 0;
  const again = `again: npm run model -- --routes 1 --seed ${failure.seed}`;
  if (!json) console.error(`${failure.message}\n  ${again}`);
  return 1;
}

function hunt(name: string, seed: number, sequencesMax: number, json: boolean): number {
  const all = [...plantedBugs, ...plantedQueueBugs];
  const bugs = all.filter((bug) => name === 'all' || bug.name.includes(name));
  let missed = bugs.length === 0 ? 1 : 0;
  for (const bug of bugs) {
    const found = huntPlantedBug(bug, seed, sequencesMax);
    const { sequences, finding, seconds } = found;
    if (sequences === undefined) missed += 1;
    const verdict = sequences === undefined ? 'not found' : `found after ${sequences}`;
    console.log(json ? JSON.stringify(found) : `${bug.name}: ${verdict}, ${seconds} s  ${finding}`);
  }
  return missed === 0 ? 0 : 1;
}

function count(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a count: ${text}`);
  return value;
}
