/**
 * Compiles everything into dist/ with TypeScript, and says nothing when that works.
 *
 * Only what changed is compiled again. What dist/ holds without a source (a renamed test would
 * still run) is removed, and what it lacks although nothing changed is made again. Of the
 * declaration files of the product only those stay that a user can come to.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publicTypes } from './public-types.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const buildFacts = join(dist, '.tsbuildinfo');
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
const product = join(dist, 'src');
const command = join(product, 'cli', 'millrace.js');
/** What `exports` in package.json names. */
const doors = [join(product, 'main'), join(product, 'storage', 'main')];

const expected = new Set(
  compile('--listFilesOnly', '--incremental', 'false')
    .split('\n')
    .filter((file) => /(?<!\.d)\.ts$/.test(file) && !file.includes('/node_modules/'))
    .map((file) => join(dist, relative(root, file)).replace(/\.ts$/, '')),
);
const present = filesBelow(dist);
for (const file of present) {
  if (file !== buildFacts && !expected.has(withoutSuffix(file))) rmSync(file);
}
if ([...expected].some((base) => !existsSync(`${base}.js`))) rmSync(buildFacts, { force: true });
compileAll();
if (!publicTypes(doors).isWhole) {
  // One that was of no use before: the compiler has not made it again.
  rmSync(buildFacts);
  compileAll();
}
const { reached } = publicTypes(doors);
for (const file of filesBelow(product)) {
  if (file.endsWith('.d.ts') && !reached.has(withoutSuffix(file))) rmSync(file);
}
if (existsSync(command)) chmodSync(command, 0o755);

function compileAll() {
  compile('--incremental', '--tsBuildInfoFile', buildFacts);
}

/** Runs the compiler and returns what it prints; ends the process when it finds an error. */
function compile(...options) {
  const child = spawnSync(process.execPath, [compiler, '--project', root, ...options], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (child.status === 0) return child.stdout;
  process.stderr.write(`${child.stdout}${child.stderr}${child.error?.message ?? ''}\n`);
  process.exit(1);
}

function filesBelow(folder) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function withoutSuffix(file) {
  return file.replace(/(\.d\.ts|\.js)$/, '');
}
