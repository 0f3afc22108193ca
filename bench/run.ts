/**
 * The benchmarks' entry: `npm run -s bench -- [options] [case ...]`.
 *
 * Each case runs in a fresh process, which prints its rows as JSON; this process passes them on, or
 * prints a table. Progress, the machine and errors go to standard error. Exit code 1 when a case
 * could not be carried out, 2 when the command line was not understood; a missed budget is a result
 * and no failure.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { CaseContext } from './case-context.js';
import { type Case, casesNamed } from './cases.js';
import { machineFacts } from './machine.js';
import { crashedSteps } from './open-crashed.js';
import { segmentsSteps } from './open-segments.js';
import { formatHeading, formatRow, formatSkip, type Row, type Skip } from './row.js';
import { parseSettings, type Settings, USAGE } from './settings.js';

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const [first, step = '', folder = '', bytes = ''] = args;
  if (first === '--crashed-step') {
    await { ...crashedSteps, ...segmentsSteps }[step]?.(folder, Number(bytes));
    return 1;
  }
  let settings: Settings;
  let chosen: readonly Case[];
  try {
    settings = parseSettings(args);
    chosen = casesNamed(settings.cases, settings.smoke);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${USAGE}`);
    return 2;
  }
  return settings.isChild ? await runHere(settings, chosen) : await runAll(settings, args, chosen);
}

async function runAll(
  settings: Settings,
  args: readonly string[],
  chosen: readonly Case[],
): Promise<number> {
  const machine = machineFacts(settings.directory);
  console.error(machine);
  console.log(settings.json ? JSON.stringify({ machine }) : formatHeading());
  const options = args.filter((arg) => !settings.cases.includes(arg));
  let missed = 0;
  let failed = 0;
  for (const one of chosen) {
    const isGood = await runInChild(one, options, (row) => {
      if ('met' in row && row.met === false) missed += 1;
      console.log(settings.json ? JSON.stringify(row) : formatted(row));
    });
    if (!isGood) failed += 1;
  }
  if (!settings.json && missed > 0) console.log(`${missed} budgets missed`);
  return failed > 0 ? 1 : 0;
}

function formatted(row: Row | Skip): string {
  return 'skipped' in row ? formatSkip(row as Skip) : formatRow(row as Row);
}

async function runInChild(
  one: Case,
  options: readonly string[],
  take: (row: Row | Skip) => void,
): Promise<boolean> {
  const entry = fileURLToPath(import.meta.url);
  const environment = { ...process.env, ...one.environment?.() };
  // Debug mode overwrites released memory: it would be measured too.
  delete environment['MILLRACE_DEBUG'];
  const child = spawn(
    process.execPath,
    [...process.execArgv, entry, ...options, '--child', one.name],
    { env: environment, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const end = (): void => {
    child.kill('SIGTERM');
    process.exit(143);
  };
  // What a case has started ends with it.
  process.once('SIGTERM', end);
  const ended = new Promise<boolean>((resolve) => {
    child.once('error', (error) => {
      console.error(error);
      resolve(false);
    });
    child.once('close', (code) => resolve(code === 0));
  });
  for await (const line of createInterface({ input: child.stdout })) take(JSON.parse(line));
  const isGood = await ended;
  process.off('SIGTERM', end);
  if (!isGood) console.error(`${one.name} failed`);
  return isGood;
}

async function runHere(settings: Settings, chosen: readonly Case[]): Promise<number> {
  const folder = mkdtempSync(join(settings.directory, 'millrace-bench-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  const context = new CaseContext(settings, folder, (row) => console.log(JSON.stringify(row)));
  const wanted = chosen.filter(({ name }) => name === settings.cases[0]);
  for (const one of wanted) await one.run(context);
  return 0;
}
