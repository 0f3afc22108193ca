/**
 * Runs the compiled tests, group by group, and what else must stay healthy (fuzz and bench smoke).
 *
 * A group is a folder of `test/`, or a kind of test named by its suffix (`log.property.test.ts`).
 * Every file `*.test.js` belongs to exactly one group; folders this file does not name come last.
 * Each file runs in a process of its own. `--only <text>` keeps the files and commands whose path
 * contains the text. Exit code 1 when anything failed, when nothing ran, or when a test left files
 * in the temporary folder, which is private to the run and removed at its end.
 */

import { spawnSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { run } from 'node:test';
import { fileURLToPath } from 'node:url';
import { addTally, emptyTally, formatTally, report, type Tally } from './support/report.js';

const testFolder = dirname(fileURLToPath(import.meta.url));
const buildFolder = dirname(testFolder);

/** Suffixes that make a group, wherever the file lies; crashes of simulated disks are `cuts`. */
const KINDS = ['property', 'model', 'cuts'];
const suffixes: Readonly<Record<string, string>> = { cuts: 'crash' };
/** The order of groups. `tidy` is what lies directly in `test/`. */
const ORDER = ['tidy', 'base', 'index', 'storage', 'broker', 'server', 'cli', ...KINDS, 'crash'];

/** Programs that are tests as a whole; each counts as one. */
const COMMANDS = [
  { name: 'fuzz smoke', entry: 'fuzz/run.js', nodeOptions: [], options: ['smoke'] },
  {
    name: 'bench smoke',
    entry: 'bench/run.js',
    nodeOptions: ['--expose-gc'],
    options: ['--smoke'],
  },
] as const;

/** A hanging test or an open handle ends here as a failure. */
const GROUP_MS_MAX = 300_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;

process.exitCode = await main(process.argv.slice(2));

async function main(options: readonly string[]): Promise<number> {
  const [option, pattern] = options;
  if (options.length !== 0 && (option !== '--only' || options.length !== 2)) {
    console.error('usage: node dist/test/run.js [--only <text in the path of a test file>]');
    return 2;
  }
  const files = testFiles().filter((file) => file.includes(pattern ?? ''));
  const commands = COMMANDS.filter(({ name, entry }) => `${name} ${entry}`.includes(pattern ?? ''));
  const temporary = useTemporaryFolder();
  process.env['MILLRACE_DEBUG'] = '1';

  const startedMs = performance.now();
  const total = emptyTally();
  for (const [name, members] of grouped(files)) {
    const tally = await runGroup(name, members);
    noteLeftovers(temporary, name, tally);
    addTally(total, tally);
  }
  for (const command of commands) addTally(total, runCommand(command));

  for (const skip of total.skips) console.log(`skipped  ${skip}`);
  console.log(`${seconds(performance.now() - startedMs)} on Node ${process.versions.node}`);
  const hasRun = total.passed + total.failed > 0;
  if (!hasRun) console.log(`no test ran${pattern === undefined ? '' : ` for --only ${pattern}`}`);
  console.log(formatTally(total));
  return total.failed > 0 || !hasRun ? 1 : 0;
}

/** Paths below `test/`, with forward slashes, sorted. */
function testFiles(): string[] {
  return readdirSync(testFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => relative(testFolder, join(entry.parentPath, entry.name)))
    .map((path) => path.split(sep).join('/'))
    .sort();
}

function grouped(files: readonly string[]): [string, string[]][] {
  const groups = new Map<string, string[]>(ORDER.map((name) => [name, []]));
  for (const file of files) {
    const name = groupOf(file);
    groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  return [...groups].filter(([, members]) => members.length > 0);
}

function groupOf(file: string): string {
  const kind = KINDS.find((name) => file.endsWith(`.${suffixes[name] ?? name}.test.js`));
  if (kind !== undefined) return kind;
  const [folder = '', ...rest] = file.split('/');
  return rest.length === 0 ? 'tidy' : folder;
}

async function runGroup(name: string, members: readonly string[]): Promise<Tally> {
  const startedMs = performance.now();
  const signal = AbortSignal.timeout(GROUP_MS_MAX);
  // Every file of the group listens.
  setMaxListeners(0, signal);
  const events = run({
    files: members.map((file) => join(testFolder, file)),
    // Crash tests start and kill processes of their own: side by side they only starve each other.
    concurrency: name === 'crash' ? 1 : availableParallelism(),
    signal,
  });
  const tally = await report(events, testFolder, GROUP_MS_MAX);
  line(name, formatTally(tally), performance.now() - startedMs);
  return tally;
}

function runCommand(command: (typeof COMMANDS)[number]): Tally {
  const startedMs = performance.now();
  const tally = emptyTally();
  const entry = join(buildFolder, command.entry);
  if (!existsSync(entry)) {
    tally.skipped += 1;
    tally.skips.push(`${command.name}: ${command.entry} is not there`);
    return tally;
  }
  const child = spawnSync(process.execPath, [...command.nodeOptions, entry, ...command.options], {
    encoding: 'utf8',
    timeout: GROUP_MS_MAX,
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (child.status === 0) {
    tally.passed += 1;
  } else {
    tally.failed += 1;
    const reason = child.error?.message ?? `exit ${child.status ?? child.signal}`;
    console.log(`FAILED  ${command.name}: ${reason}\n${child.stdout}${child.stderr}`);
  }
  line(command.name, formatTally(tally), performance.now() - startedMs);
  return tally;
}

/** A folder for this run alone, so that what tests leave behind is seen, and removed. */
function useTemporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  process.env['TMPDIR'] = folder;
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  return folder;
}

function noteLeftovers(folder: string, group: string, tally: Tally): void {
  const left = readdirSync(folder);
  if (left.length === 0) return;
  tally.failed += 1;
  console.log(`FAILED  group ${group} left in the temporary folder: ${left.join(', ')}`);
  for (const name of left) rmSync(join(folder, name), { recursive: true, force: true });
}

function line(name: string, counts: string, durationMs: number): void {
  console.log(`${name.padEnd(12)} ${seconds(durationMs).padStart(8)}   ${counts}`);
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
