/**
 * Runs the compiled tests, and what else must stay healthy (fuzz and bench smoke).
 *
 * One process more than there are processors takes what comes next, since some wait for a disk or
 * a child; `support/test-plan.ts` says what shares one, and in which order. The seconds of a group
 * are those of its processes together.
 * `--only <text>` keeps the files and commands whose path contains the text. All random tests of a
 * run have one seed, a new one each time, or that of MILLRACE_SEED; a failure is printed with the
 * command that repeats it. Exit code 1 when anything failed, when nothing ran, or when a test left
 * files in its temporary folder.
 */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addTally, badEnd, emptyTally, formatTally, report, type Tally } from './support/report.js';
import { planTests } from './support/test-plan.js';
import { type Run, runProgram, runTests } from './support/test-process.js';

const testFolder = dirname(fileURLToPath(import.meta.url));
const buildFolder = dirname(testFolder);

/** Programs that are tests as a whole; each counts as one. */
const COMMANDS = [
  {
    name: 'bench smoke',
    entry: 'bench/run.js',
    nodeOptions: ['--expose-gc'],
    options: ['--smoke'],
  },
  { name: 'fuzz smoke', entry: 'fuzz/run.js', nodeOptions: [], options: ['smoke'] },
] as const;

/** A hanging test or an open handle ends here as a failure. */
const PROCESS_MS_MAX = 300_000;

/** What one process does. */
interface Work {
  readonly group: Group;
  run(): Promise<Tally>;
}

interface Group {
  readonly name: string;
  readonly tally: Tally;
  left: number;
  durationMs: number;
}

process.exitCode = await main(process.argv.slice(2));

async function main(options: readonly string[]): Promise<number> {
  const [option, pattern] = options;
  if (options.length !== 0 && (option !== '--only' || options.length !== 2)) {
    console.error('usage: node dist/test/run.js [--only <text in the path of a test file>]');
    return 2;
  }
  process.env['MILLRACE_DEBUG'] = '1';
  process.env['MILLRACE_SEED'] ??= String(Math.floor(Math.random() * 2 ** 31));
  const startedMs = performance.now();
  const groups = await runAll(planAll(pattern ?? ''));
  const total = emptyTally();
  for (const { tally } of groups) addTally(total, tally);

  for (const skip of total.skips) console.log(`skipped  ${skip}`);
  const took = seconds(performance.now() - startedMs);
  const seed = `MILLRACE_SEED=${process.env['MILLRACE_SEED']}`;
  console.log(`${took} on Node ${process.versions.node}, ${seed}`);
  const hasRun = total.passed + total.failed > 0;
  if (!hasRun) console.log(`no test ran${pattern === undefined ? '' : ` for --only ${pattern}`}`);
  console.log(formatTally(total));
  return total.failed > 0 || !hasRun ? 1 : 0;
}

/** Everything whose path contains the text, in the order in which it begins. */
function planAll(pattern: string): Work[] {
  const folder = temporaryFolder();
  let processes = 0;
  const nextFolder = (): string => {
    processes += 1;
    return join(folder, `${processes}`);
  };
  const commands = COMMANDS.filter(({ name, entry }) => `${name} ${entry}`.includes(pattern));
  const files = testFiles().filter((file) => file.includes(pattern));
  return [
    ...commands.map((command) => ({
      group: groupOf(command.name, 1),
      run: () => runCommand(command, nextFolder),
    })),
    ...planTests(files).flatMap(({ name, processes: lists }) => {
      const group = groupOf(name, lists.length);
      return lists.map((list) => ({ group, run: () => runFiles(list, nextFolder) }));
    }),
  ];
}

function groupOf(name: string, left: number): Group {
  return { name, tally: emptyTally(), left, durationMs: 0 };
}

/** Resolves to the groups; each is printed when it is through, and those before it. */
async function runAll(works: readonly Work[]): Promise<Group[]> {
  const groups = [...new Set(works.map(({ group }) => group))];
  const waiting = works.values();
  let printed = 0;
  const lane = async (): Promise<void> => {
    // The lanes share the iterator: each takes the next one.
    for (const { group, run } of waiting) {
      const startedMs = performance.now();
      addTally(group.tally, await run());
      group.durationMs += performance.now() - startedMs;
      group.left -= 1;
      for (const next of groups.slice(printed)) {
        if (next.left > 0) break;
        printGroup(next);
        printed += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() + 1 }, lane));
  return groups;
}

async function runFiles(files: readonly string[], nextFolder: () => string): Promise<Tally> {
  const paths = files.map((file) => join(testFolder, file));
  const run = await runTests(paths, nextFolder(), PROCESS_MS_MAX);
  const why = badEnd(run);
  if (why !== undefined && files.length > 1) return await runApart(files, why, nextFolder);
  const tally = report(run, paths, testFolder);
  noteLeftovers(run, files.join(', '), tally);
  return tally;
}

/** A process that several files share has ended badly: which of them does it when it is alone? */
async function runApart(
  files: readonly string[],
  why: string,
  nextFolder: () => string,
): Promise<Tally> {
  console.log(`a process ended badly (${why}); now one by one: ${files.join(', ')}`);
  const tally = emptyTally();
  for (const file of files) addTally(tally, await runFiles([file], nextFolder));
  if (tally.failed === 0) {
    tally.failed += 1;
    console.log(`FAILED  ${files.join(', ')}: they end badly (${why}) in one process, not alone`);
  }
  return tally;
}

async function runCommand(
  { name, entry, nodeOptions, options }: (typeof COMMANDS)[number],
  nextFolder: () => string,
): Promise<Tally> {
  const tally = emptyTally();
  const path = join(buildFolder, entry);
  if (!existsSync(path)) {
    tally.skipped += 1;
    tally.skips.push(`${name}: ${entry} is not there`);
    return tally;
  }
  const run = await runProgram([...nodeOptions, path, ...options], nextFolder(), PROCESS_MS_MAX);
  if (run.exitCode === 0) {
    tally.passed += 1;
  } else {
    tally.failed += 1;
    const reason = run.isLate ? 'it took too long' : `exit ${run.exitCode ?? run.signal}`;
    console.log(`FAILED  ${name}: ${reason}\n${run.output}`);
    console.log(`to repeat: node ${[...nodeOptions, `dist/${entry}`, ...options].join(' ')}`);
  }
  noteLeftovers(run, name, tally);
  return tally;
}

function noteLeftovers({ leftovers }: Run, who: string, tally: Tally): void {
  if (leftovers.length === 0) return;
  tally.failed += 1;
  console.log(`FAILED  ${who} left in the temporary folder: ${leftovers.join(', ')}`);
}

/** Paths below `test/`, with forward slashes, sorted. */
function testFiles(): string[] {
  return readdirSync(testFolder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.js'))
    .map((entry) => relative(testFolder, join(entry.parentPath, entry.name)))
    .map((path) => path.split(sep).join('/'))
    .sort();
}

/** A folder for this run alone, removed at its end. */
function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
  return folder;
}

function printGroup({ name, tally, durationMs }: Group): void {
  console.log(`${name.padEnd(12)} ${seconds(durationMs).padStart(8)}   ${formatTally(tally)}`);
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}
