/**
 * `npm run fuzz -- <target> [--seed S] [--events N | --seconds T] [--event K]`
 *
 *     npm run fuzz                                     lists the targets
 *     npm run fuzz -- batch-decoder --seed 42 --events 10000
 *     npm run fuzz -- log-folder --seconds 60          rounds of a fresh seed each
 *     npm run fuzz -- log-folder --seed 42 --event 17  one event again
 *     npm run fuzz -- smoke                            all targets, fixed seed, part of `npm test`
 *     npm run fuzz -- canary                           always fails, to prove the runner
 *
 * Prints what each run covered. A failure prints target, seed, event, the input in hexadecimal
 * digits and the command that repeats it. Exit code 1 after a failure, 2 for a wrong call.
 */

import { inspect, parseArgs } from 'node:util';
import { randomSeed } from '../src/base/prng.js';
import { EVENTS_MAX, type FuzzCoverage, FuzzFailure, SEED_MAX } from './event.js';
import { canary, type FuzzTarget, targets } from './targets.js';

const SMOKE_SEED = 123;
/** A target that takes longer in every test run is complained about; a busy machine may be why. */
const SMOKE_MS_MAX = 3000;
const SHOWN_BYTES_MAX = 512;

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
      },
    });
    const [name, ...others] = positionals;
    if (others.length > 0) throw new UsageError(`one target at a time, not ${others[0]}`);
    if (name === undefined) return list();
    if (name === 'smoke') return await smoke();
    const target = [...targets, canary].find((candidate) => candidate.name === name);
    if (target === undefined) throw new UsageError(`there is no target ${name}`);
    const seed = count('seed', values.seed, SEED_MAX) ?? randomSeed();
    const event = count('event', values.event, EVENTS_MAX - 1);
    const events = count('events', values.events, EVENTS_MAX) ?? target.events;
    const seconds = count('seconds', values.seconds, 86_400);
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
  const names = [...targets, canary].map(({ name, about }) => `${name.padEnd(16)} ${about}`);
  console.log([...names, `${'smoke'.padEnd(16)} every target, for a moment`].join('\n'));
  return 0;
}

async function smoke(): Promise<number> {
  let failed = 0;
  for (const target of targets) {
    const startedMs = performance.now();
    failed += await round(target, SMOKE_SEED, target.smokeEvents);
    const durationMs = performance.now() - startedMs;
    if (durationMs > SMOKE_MS_MAX) {
      console.log(`  ${target.name} took ${Math.round(durationMs)} ms: give it fewer smoke events`);
    }
  }
  return failed === 0 ? 0 : 1;
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
    const coverage = await target.run({ seed, events, firstEvent });
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
