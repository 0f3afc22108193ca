/**
 * Checks without building: Biome (lint and format, warnings count) and the types.
 *
 * Prints what is wrong, or nothing. `--built` leaves the types out: a build has just checked them.
 */

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');

const isBuilt = process.argv.includes('--built');
const checks = [
  [join(modules, '@biomejs', 'biome', 'bin', 'biome'), 'check', '--error-on-warnings', '.'],
  ...(isBuilt ? [] : [[join(modules, 'typescript', 'bin', 'tsc'), '--project', root, '--noEmit']]),
];

for (const check of checks) {
  const child = spawnSync(process.execPath, check, { cwd: root, encoding: 'utf8' });
  if (child.status === 0) continue;
  process.stderr.write(`${child.stdout}${child.stderr}${child.error?.message ?? ''}\n`);
  process.exitCode = 1;
}
