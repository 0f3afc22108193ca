/**
 * Carries out test files in this process, one after the other: their paths are the arguments.
 *
 * All are loaded before the first test begins. Otherwise node:test would begin one at the call of
 * `test`, when what stands below it in its file is not there yet.
 *
 * To know the test of an error that nobody caught, node:test follows every promise; tests that make
 * millions of them take half as long again. Here it does not: such an error ends the process badly.
 */

import asyncHooks from 'node:async_hooks';
import { pathToFileURL } from 'node:url';

const { createHook } = asyncHooks;
/** That of node:test, which it makes at the first call of `test`. */
let following: asyncHooks.AsyncHook | undefined;
asyncHooks.createHook = (callbacks) => {
  following = createHook(callbacks);
  return following;
};
const { test } = await import('node:test');

let begin = (): void => undefined;
const loaded = new Promise<void>((resolve) => {
  begin = resolve;
});
/** Holds back those of the files. The reporter leaves it out: it stands in this one. */
void test('all files are loaded', () => loaded);
asyncHooks.createHook = createHook;

// Not in that test: what is registered while it runs would belong to it.
for (const path of process.argv.slice(2)) {
  try {
    await import(pathToFileURL(path).href);
  } catch (error) {
    console.error(`${path} could not be loaded:`, error);
    process.exitCode = 1;
  }
}
// Until here it says which suite a test belongs to.
following?.disable();
process.on('uncaughtExceptionMonitor', (error) => console.error('nobody caught', error));
process.on('unhandledRejection', (error) => console.error('nobody caught', error));
begin();
