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

/** Makes an empty directory and returns its absolute path. */
export function tempDir(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
