/**
 * A temporary directory that lives as long as a test.
 *
 * It lies where the operating system wants it (`TMPDIR`), has a short name (a socket path has a
 * hundred bytes), and is removed when the test ends, however it ends.
 */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const closers = new WeakMap<TestContext, (() => Promise<void>)[]>();

/** Makes an empty directory and returns its absolute path. */
export function tempDir(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.after(async () => {
    for (const close of closers.get(t)?.splice(0) ?? []) await close();
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

/**
 * Closes what lies in the test's directory when the test ends, before the directory is removed:
 * hooks of a test run in the order in which they were registered, and it may still make files.
 */
export function closeBeforeRemoval(t: TestContext, close: () => Promise<void>): void {
  const known = closers.get(t);
  if (known === undefined) closers.set(t, [close]);
  else known.push(close);
}
