/**
 * Runs the built tests with other versions of Node, from the npm package `node`.
 *
 * They are kept in node_modules/.cache/nodes. A version that cannot be installed is skipped with
 * the reason; it is an error when none can. `node scripts/test-nodes.mjs 22 24` picks versions.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const given = process.argv.slice(2);
const versions = given.length > 0 ? given : ['22', '24', '26'];

run(process.execPath, [join(root, 'scripts', 'build.mjs')]);
const outcomes = versions.map((version) => [version, test(version)]);
for (const [version, outcome] of outcomes) console.log(`Node ${version}: ${outcome}`);
const isGood = outcomes.every(([, outcome]) => !outcome.startsWith('failed'));
const hasRun = outcomes.some(([, outcome]) => outcome.startsWith('passed'));
process.exitCode = isGood && hasRun ? 0 : 1;

function test(version) {
  console.log(`\nNode ${version}`);
  const node = install(version);
  if (!existsSync(node.path)) return `skipped: ${node.reason}`;
  const child = spawnSync(node.path, [join(root, 'dist', 'test', 'run.js')], {
    cwd: root,
    stdio: 'inherit',
  });
  return child.status === 0 ? 'passed' : `failed: exit ${child.status ?? child.signal}`;
}

/** Brings the newest release of a major version; keeps the one that is there when it cannot. */
function install(version) {
  const folder = join(root, 'node_modules', '.cache', 'nodes', version);
  mkdirSync(folder, { recursive: true });
  const options = ['--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts=false'];
  const child = spawnSync('npm', ['install', ...options, `node@${version}`], {
    cwd: folder,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const reason = (child.stderr || child.error?.message || 'the package has no binary').trim();
  return { path: join(folder, 'node_modules', 'node', 'bin', name), reason };
}

function run(program, options) {
  const child = spawnSync(program, options, { cwd: root, stdio: 'inherit' });
  if (child.status !== 0) process.exit(child.status ?? 1);
}
