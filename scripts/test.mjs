/**
 * `npm test`: build, check, run all tests. Options go to the test runner (`--only <text>`).
 */

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const steps = [
  ['scripts/build.mjs'],
  ['scripts/check.mjs', '--built'],
  ['dist/test/run.js', ...process.argv.slice(2)],
];

for (const [script, ...options] of steps) {
  const startedMs = performance.now();
  const child = spawnSync(process.execPath, [join(root, script), ...options], {
    cwd: root,
    stdio: 'inherit',
  });
  if (child.status !== 0) {
    console.error(`${script} failed`);
    process.exit(child.status ?? 1);
  }
  if (script.startsWith('scripts/')) {
    console.log(`${script} ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }
}
