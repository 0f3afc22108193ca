/**
 * `npm run mutation [-- part ...] [--list]`: changes the pure files one place at a time, and counts
 * the changes that no test notices.
 *
 * Installs Stryker from `test/mutation/package.json` when it is not there, copies the build to a
 * temporary folder and lets Stryker change the compiled JavaScript in it, one mutant at a time.
 * Prints, per file, how many were noticed, and every survivor with its line; `--list` names the
 * parts. Exit code 1 when the score of all parts together is below {@link SCORE_MIN}, 2 for a wrong
 * call.
 */

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { IGNORER, RUNNER, TESTS_VARIABLE } from './in-process-runner.js';
import { type MutationPart, mutationParts } from './mutation-parts.js';
import { addScore, emptyScore, type PartReport, percent, readReport } from './mutation-report.js';

/** Noticed mutants of a hundred, over all parts of a run. */
const SCORE_MIN = 85;
const SEED = '123';
/** Of random tests that take their number of runs from outside. */
const RUNS = '20';
/** A mutant that loops is given up after this long beyond what its tests take. */
const TIMEOUT_MS = 3000;

const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const root = dirname(build);
const tools = join(root, 'test', 'mutation');

process.exitCode = main();

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { list: { type: 'boolean', default: false } },
  });
  const unknown = positionals.filter((name) => !mutationParts.some((part) => part.name === name));
  if (values.list || unknown.length > 0) {
    for (const { name, files } of mutationParts) console.log(`${name.padEnd(12)} ${files}`);
    if (unknown.length > 0) console.error(`there is no part ${unknown}`);
    return unknown.length > 0 ? 2 : 0;
  }
  install();
  const startedMs = performance.now();
  const total = emptyScore();
  for (const part of mutationParts) {
    if (positionals.length > 0 && !positionals.includes(part.name)) continue;
    const report = mutate(part);
    print(part, report);
    for (const { score } of report.files) addScore(total, score);
  }
  const minutes = ((performance.now() - startedMs) / 60_000).toFixed(1);
  const counts = `${total.noticed} of ${total.mutants} noticed, ${total.endless} without an end`;
  console.log(`${counts}: ${percent(total)} %, ${minutes} min`);
  return Number(percent(total)) >= SCORE_MIN ? 0 : 1;
}

function install(): void {
  if (existsSync(join(tools, 'node_modules', '@stryker-mutator', 'core'))) return;
  const child = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: tools,
    stdio: 'inherit',
  });
  if (child.status !== 0) throw new Error('Stryker could not be installed');
}

/** One run of Stryker, in a copy of the build that is removed again. */
function mutate(part: MutationPart): PartReport {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-mutation-'));
  try {
    const copy = copyBuild(folder, part);
    const stryker = join(tools, 'node_modules', '@stryker-mutator', 'core', 'bin', 'stryker.js');
    const child = spawnSync(process.execPath, [stryker, 'run', copy.configuration], {
      cwd: folder,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      env: {
        ...process.env,
        [TESTS_VARIABLE]: JSON.stringify(copy.tests),
        MILLRACE_SEED: SEED,
        MILLRACE_RUNS: RUNS,
        MILLRACE_DEBUG: '1',
      },
    });
    if (child.status !== 0) throw new Error(`${part.name}: ${child.stdout}${child.stderr}`);
    return readReport(readFileSync(copy.report, 'utf8'));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface BuildCopy {
  readonly configuration: string;
  readonly report: string;
  /** URLs of the files of tests. */
  readonly tests: readonly string[];
}

/** The tests of the copy take their `node:test` from here. */
function copyBuild(folder: string, part: MutationPart): BuildCopy {
  const dist = join(folder, 'dist');
  for (const name of ['src', 'test'])
    cpSync(join(build, name), join(dist, name), { recursive: true });
  cpSync(join(root, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const list = pathToFileURL(join(dist, 'test', 'mutation', 'test-list.js')).href;
  const tests = part.tests.map((name) => {
    const path = join(dist, 'test', `${name}.test.js`);
    writeFileSync(path, readFileSync(path, 'utf8').replaceAll(`'node:test'`, `'${list}'`));
    return pathToFileURL(path).href;
  });
  const configuration = join(folder, 'stryker.config.json');
  const report = join(folder, 'report.json');
  const mutate = part.files.map((name) => `dist/src/${name}.js`);
  const options = {
    mutate,
    ignorePatterns: ['**', ...mutate.map((path) => `!${path}`)],
    inPlace: true,
    testRunner: RUNNER,
    plugins: [join(dist, 'test', 'mutation', 'in-process-runner.js')],
    ignorers: [IGNORER],
    coverageAnalysis: 'perTest',
    concurrency: 1,
    reporters: ['json'],
    jsonReporter: { fileName: report },
    timeoutMS: TIMEOUT_MS,
    disableTypeChecks: false,
    allowConsoleColors: false,
    thresholds: { high: 100, low: 0, break: null },
  };
  writeFileSync(configuration, JSON.stringify(options));
  return { configuration, report, tests };
}

function print(part: MutationPart, { files, survivors }: PartReport): void {
  for (const { path, score } of files) {
    console.log(
      `${part.name.padEnd(12)} ${path.padEnd(44)} ${score.noticed} of ${score.mutants},` +
        ` ${percent(score)} %, ${score.endless} without an end`,
    );
  }
  for (const survivor of survivors) console.log(`  ${survivor}`);
}
