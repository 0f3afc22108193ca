/**
 * `npm run coverage`: which branches of the lowest three layers (`src/base`, `src/index`,
 * `src/storage`) the tests next to them carry out, threads and child processes included.
 *
 * Runs those tests alone, and each target of the fuzzer for a moment; prints the counts and writes
 * pages with every line to `coverage/`. Exit code 1 when a test failed, or when fewer branches of a
 * hundred were reached than {@link BRANCHES_MIN}.
 */

import { spawnSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const raw = join(root, 'coverage', 'raw');
/** What is reached today, rounded down: it may only rise. */
const BRANCHES_MIN = 92;
const layers = ['base', 'index', 'storage'];
/** Tests elsewhere that are about these layers: the commands that look into logs, and attacks. */
const others = ['cli/maintenance', 'security/known-attacks', 'fuzz-findings'];

const tests = [
  ...layers.flatMap((layer) =>
    readdirSync(join(root, 'dist', 'test', layer))
      .filter((name) => name.endsWith('.test.js'))
      .map((name) => join('dist', 'test', layer, name)),
  ),
  ...others.map((name) => join('dist', 'test', `${name}.test.js`)),
];

rmSync(join(root, 'coverage'), { recursive: true, force: true });
const environment = { ...process.env, NODE_V8_COVERAGE: raw, MILLRACE_DEBUG: '1' };
let failed = run(process.execPath, ['--test', '--test-reporter=dot', ...tests], environment);
failed += run(process.execPath, ['dist/fuzz/run.js', 'smoke'], environment);
failed += run(process.execPath, [
  join('node_modules', 'c8', 'bin', 'c8.js'),
  'report',
  '--temp-directory',
  raw,
  '--reports-dir',
  'coverage',
  ...layers.flatMap((layer) => ['--include', `dist/src/${layer}/**`]),
  ...['text-summary', 'html', 'json'].flatMap((name) => ['--reporter', name]),
  '--check-coverage',
  ...['--branches', String(BRANCHES_MIN), '--lines', '0', '--functions', '0', '--statements', '0'],
]);
rmSync(raw, { recursive: true, force: true });
process.exitCode = failed === 0 ? 0 : 1;

function run(program, options, env = process.env) {
  return spawnSync(program, options, { cwd: root, env, stdio: 'inherit' }).status === 0 ? 0 : 1;
}
