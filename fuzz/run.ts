/**
 * `npm run fuzz -- <target> [--seed S] [--events N | --seconds T] [--event K]`
 *
 *     npm run fuzz                                     lists the targets
 *     npm run fuzz -- batch-decoder --seed 42 --events 10000
 *     npm run fuzz -- log-folder --seconds 60          rounds of a fresh seed each
 *     npm run fuzz -- log-folder --seed 42 --event 17  one event again
 *     npm run fuzz -- smoke                            all targets, fixed seed, part of `npm test`
 *     npm run fuzz -- log-folder --guided --seconds 600
 *                                                      looks for what was never carried out
 *     npm run fuzz -- log-folder --guided --idle 300   until five minutes have brought nothing new
 *     npm run fuzz -- log-folder --collect             keeps what guided runs found in fuzz/corpus
 *     npm run fuzz -- log-folder --data @FILE          one input again, of hexadecimal digits
 *     npm run fuzz -- canary                           always fails, to prove the runner
 *
 * A guided run goes on where the last one was (`--state` names another folder than `.fuzz`), from
 * the project's corpus (`--corpus` names another folder than `fuzz/corpus`). An input that takes
 * longer than `--hang` seconds has hung. Prints what each run covered. A failure
 * prints target, seed, event, the input in hexadecimal digits and the command that repeats it. Exit
 * code 1 after a failure, 2 for a wrong call.
 */

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inspect, parseArgs } from 'node:util';
import { randomSeed } from '../src/base/prng.js';
import { CORPUS_FOLDER, FOUND_FOLDER, inputOf, keptCorpus, readCorpus } from './corpus.js';
import { EVENTS_MAX, type FuzzCoverage, FuzzFailure, runEvents, SEED_MAX } from './event.js';
import { runData } from './fuzz-data.js';
import { collectCorpus, type GuidedOptions, type GuidedReport, runGuided } from './guided.js';
import { canaries, type FuzzTarget, targets } from './targets.js';

const SMOKE_SEED = 123;
/** A target that takes longer in every test run is complained about; a busy machine may be why. */
const SMOKE_MS_MAX = 3000;
const SHOWN_BYTES_MAX = 512;
const SECONDS_MAX = 86_400;
/** Far beyond what any target takes for one input, also on a busy machine. */
const HANG_SECONDS = 60;

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2));

async function main(given: string[]): Promise<number> {
  try {
    const { values, positionals } = parseArgs({
      args: given,
      allowPositionals: true,
      options: {
        seed: { type: 'string' },
        events: { type: 'string' },
        event: { type: 'string' },
        seconds: { type: 'string' },
        guided: { type: 'boolean', default: false },
        idle: { type: 'string' },
        hang: { type: 'string' },
        state: { type: 'string' },
        corpus: { type: 'string' },
        collect: { type: 'boolean', default: false },
        data: { type: 'string' },
      },
    });
    const [name, ...others] = positionals;
    if (others.length > 0) throw new UsageError(`one target at a time, not ${others[0]}`);
    if (name === undefined) return list();
    if (name === 'smoke') return await smoke();
    const target = [...targets, ...canaries].find((candidate) => candidate.name === name);
    if (target === undefined) throw new UsageError(`there is no target ${name}`);
    const seed = count('seed', values.seed, SEED_MAX) ?? randomSeed();
    const event = count('event', values.event, EVENTS_MAX - 1);
    const events = count('events', values.events, EVENTS_MAX) ?? target.events;
    const seconds = count('seconds', values.seconds, SECONDS_MAX);
    if (values.data !== undefined) return await again(target, values.data);
    const guided = {
      target: target.name,
      seed,
      seconds: seconds ?? Number.POSITIVE_INFINITY,
      idleSeconds: count('idle', values.idle, SECONDS_MAX) ?? Number.POSITIVE_INFINITY,
      hangSeconds: count('hang', values.hang, SECONDS_MAX) ?? HANG_SECONDS,
      corpus: values.corpus ?? CORPUS_FOLDER,
      folder: values.state ?? FOUND_FOLDER,
    };
    if (values.collect) return tell(guided, await collectCorpus(guided));
    if (values.guided) return tell(guided, await runGuided(guided));
    if (event !== undefined) return await round(target, seed, 1, event);
    if (seconds === undefined) return await round(target, seed, events);
    return await rounds(target, seed, events, seconds);
  } catch (error) {
    if (!isWrongCall(error)) throw error;
    console.error(`${error.message}\nusage: npm run fuzz -- <target> [--seed S] [--events N]`);
    return 2;
  }
}

function list(): number {
  const names = [...targets, ...canaries].map(({ name, about }) => `${name.padEnd(16)} ${about}`);
  console.log([...names, `${'smoke'.padEnd(16)} every target, for a moment`].join('\n'));
  return 0;
}

async function smoke(): Promise<number> {
  let failed = 0;
  for (const target of targets) {
    const startedMs = performance.now();
    failed += await round(target, SMOKE_SEED, target.smokeEvents);
    failed += await tryCorpus(target);
    const durationMs = performance.now() - startedMs;
    if (durationMs > SMOKE_MS_MAX) {
      console.log(`  ${target.name} took ${Math.round(durationMs)} ms: give it fewer smoke events`);
    }
  }
  return failed === 0 ? 0 : 1;
}

/** The inputs that the project keeps, each once. */
async function tryCorpus(target: FuzzTarget): Promise<number> {
  const inputs = readCorpus(keptCorpus(target.name));
  for (const [index, input] of inputs.entries()) {
    const status = await tryInput(target, input, `line ${index + 1} of its corpus`);
    if (status !== 0) return status;
  }
  return 0;
}

async function again(target: FuzzTarget, given: string): Promise<number> {
  const text = given.startsWith('@') ? readFileSync(given.slice(1), 'utf8').trim() : given;
  return await tryInput(target, inputOf(text, '--data'), 'this input');
}

async function tryInput(target: FuzzTarget, input: Uint8Array, name: string): Promise<number> {
  try {
    await runData(input, await target.load());
    return 0;
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(`FAILED  ${target.name}: ${name}, ${error.about}\n${inspect(error.cause)}`);
    return 1;
  }
}

/** Prints what a guided run came to; a failure is written to a file that repeats it. */
function tell({ target, folder }: GuidedOptions, report: GuidedReport): number {
  const { tried, places, found, end, failure } = report;
  console.log(`${target}: ${tried} inputs, ${places} places, ${found} kept, ${end}`);
  if (failure === undefined) return 0;
  const path = join(folder, `${target}-failure.txt`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, failure.input);
  console.error(`FAILED  ${target}: ${failure.about}`);
  console.error(`to repeat: npm run fuzz -- ${target} --data @${path}`);
  return 1;
}

/** Rounds with one seed after the other until the time is over. */
async function rounds(
  target: FuzzTarget,
  firstSeed: number,
  events: number,
  seconds: number,
): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let seed = firstSeed;
  do {
    if ((await round(target, seed, events)) !== 0) return 1;
    seed = seed === SEED_MAX ? 0 : seed + 1;
  } while (performance.now() < endMs);
  return 0;
}

async function round(
  target: FuzzTarget,
  seed: number,
  events: number,
  firstEvent = 0,
): Promise<number> {
  const startedMs = performance.now();
  try {
    const coverage = await runEvents({ seed, events, firstEvent }, await target.load());
    const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
    console.log(`${target.name}: seed ${seed}, ${events} events, ${seconds} s`);
    console.log(`  ${coverageText(coverage)}`);
    return 0;
  } catch (error) {
    if (!(error instanceof FuzzFailure)) throw error;
    console.error(failureText(target, error));
    return 1;
  }
}

function coverageText(coverage: FuzzCoverage): string {
  const counts = [...coverage].sort(([one], [other]) => (one < other ? -1 : 1));
  return counts.map(([name, times]) => `${name} ${times}`).join(', ');
}

function failureText(target: FuzzTarget, failure: FuzzFailure): string {
  const { seed, event, input, about, cause } = failure;
  const lines = [`FAILED  ${target.name}: seed ${seed}, event ${event}`, inspect(cause)];
  if (input?.length === 0) lines.push(about);
  else if (input !== undefined) {
    const shown = Buffer.from(input.subarray(0, SHOWN_BYTES_MAX)).toString('hex');
    const rest = input.length > SHOWN_BYTES_MAX ? '...' : '';
    lines.push(`input: ${input.length} bytes, ${about}\n${shown}${rest}`);
  }
  lines.push(`to repeat: npm run fuzz -- ${target.name} --seed ${seed} --event ${event}`);
  return lines.join('\n');
}

function count(name: string, text: string | undefined, max: number): number | undefined {
  if (text === undefined) return undefined;
  const value = text === '' ? Number.NaN : Number(text);
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return value;
  throw new UsageError(`--${name} takes a whole number up to ${max}, not ${text}`);
}

/** Ours, or that of the reader of arguments. */
function isWrongCall(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return (
    error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE')
  );
}
