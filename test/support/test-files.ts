/**
 * Carries out test files in this process, one after the other: their paths are the arguments.
 *
 * All are loaded before the first test begins. Otherwise node:test would begin one at the call of
 * `test`, when what stands below it in its file is not there yet.
 */

import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

let begin = (): void => undefined;
const loaded = new Promise<void>((resolve) => {
  begin = resolve;
});
/** Holds back those of the files. The reporter leaves it out: it stands in this one. */
void test('all files are loaded', () => loaded);

// Not in that test: what is registered while it runs would belong to it.
for (const path of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    console.error(`${path} could not be loaded:`, error);
    process.exitCode = 1;
  }
}
begin();
