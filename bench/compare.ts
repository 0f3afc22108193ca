/**
 * `npm run bench:compare -- <ref> [case ...] [--rounds N] [--dir PATH] [--json]`: this checkout
 * against another state of it, interleaved.
 *
 * The other one is checked out and built in a temporary work tree, which is removed at the end.
 * Each round runs a case in both, a fresh process each, and which goes first alternates. Exit code
 * 1 when something is slower beyond doubt or could not be measured, 2 when the command line was
 * not understood.
 */

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  type Difference,
  differenceOf,
  isBetterLow,
  type PairedRound,
  pairsOf,
  verdictOf,
} from './compare-decision.js';
import { machineFacts } from './machine.js';
import { parseResults } from './results.js';
import type { Row } from './row.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const USUAL = ['append-durable', 'append-lone', 'read-cursor', 'queue-cycle', 'open-clean'];
const USAGE = 'usage: npm run bench:compare -- <ref> [case ...] [--rounds N] [--dir PATH] [--json]';

process.exitCode = await main();

interface Options {
  readonly ref: string;
  readonly cases: readonly string[];
  readonly rounds: number;
  readonly directory: string;
  readonly json: boolean;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 2;
  }
  const folder = mkdtempSync(join(tmpdir(), 'millrace-compare-'));
  const tree = join(folder, 'tree');
  process.on('exit', () => {
    spawnSync('git', ['worktree', 'remove', '--force', tree], { cwd: root });
    rmSync(folder, { recursive: true, force: true });
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));
  console.error(machineFacts(options.directory));
  checkOut(options.ref, tree);
  let worst = 0;
  for (const name of options.cases) worst = Math.max(worst, await compareCase(name, tree, options));
  return worst;
}

function parseOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '10' },
      dir: { type: 'string', default: tmpdir() },
      json: { type: 'boolean', default: false },
    },
  });
  const [ref, ...cases] = positionals;
  const rounds = Number(values.rounds);
  if (ref === undefined) throw new Error('there is no ref to compare with');
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds is 1 or more');
  const { dir: directory, json } = values;
  return { ref, cases: cases.length > 0 ? cases : USUAL, rounds, directory, json };
}

/** Uses the packages of this checkout when both need the same. */
function checkOut(ref: string, tree: string): void {
  run(root, 'git', 'worktree', 'add', '--detach', tree, ref);
  const lockOf = (folder: string): string =>
    readFileSync(join(folder, 'package-lock.json'), 'utf8');
  if (lockOf(root) === lockOf(tree)) {
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
  } else {
    run(tree, 'npm', 'ci');
  }
  run(tree, process.execPath, join('scripts', 'build.mjs'));
}

/** 1 when a row of it is slower, or when a process failed. */
async function compareCase(name: string, tree: string, options: Options): Promise<number> {
  const rounds = new Map<string, { readonly row: Row; readonly pairs: PairedRound[] }>();
  for (let round = 0; round < options.rounds; round += 1) {
    const isHereFirst = round % 2 === 0;
    const first = await measure(isHereFirst ? root : tree, name, options);
    const second = await measure(isHereFirst ? tree : root, name, options);
    if (first === undefined || second === undefined) {
      console.error(`${name} failed`);
      return 1;
    }
    const [here, there] = isHereFirst ? [first, second] : [second, first];
    for (const [key, pair] of pairsOf(here, there)) {
      const known = rounds.get(key) ?? { row: pair.row, pairs: [] };
      known.pairs.push(pair);
      rounds.set(key, known);
    }
  }
  let worst = 0;
  for (const [key, { row, pairs }] of rounds) {
    const difference = differenceOf(pairs);
    const verdict = verdictOf(difference, isBetterLow(row));
    if (verdict === 'slower') worst = 1;
    print(key, difference, verdict, options.json);
  }
  return worst;
}

function print(name: string, difference: Difference, verdict: string, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ name, ...difference, verdict }));
    return;
  }
  const { ratio, low, high, rounds } = difference;
  const interval = `[${low.toFixed(3)}, ${high.toFixed(3)}]`;
  console.log(`${name.padEnd(44)} ${ratio.toFixed(3)} ${interval} of ${rounds}: ${verdict}`);
}

/** One round of a case in a checkout, or undefined when it failed. */
async function measure(
  folder: string,
  name: string,
  { directory }: Options,
): Promise<readonly Row[] | undefined> {
  const entry = join(folder, 'dist', 'bench', 'run.js');
  const args = ['--expose-gc', entry, '--json', '--rounds', '1', '--dir', directory, name];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', (code) => resolve(code));
  });
  let shown = '';
  for await (const piece of child.stdout) shown += piece;
  return (await ended) === 0 ? parseResults(shown).rows : undefined;
}

/** Throws an error with what the command printed. */
function run(folder: string, program: string, ...args: readonly string[]): void {
  const child = spawnSync(program, args, { cwd: folder, encoding: 'utf8' });
  if (child.status === 0) return;
  throw new Error(`${program} ${args.join(' ')}\n${child.stdout}${child.stderr}`);
}
