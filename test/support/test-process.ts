/**
 * A process of the tests: started with a temporary folder of its own, read to its end, and ended
 * when it takes too long.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { EventLine } from './event-lines.js';
import type { Ended } from './report.js';

const here = dirname(fileURLToPath(import.meta.url));
const OUTPUT_CHARACTERS_MAX = 1_000_000;

/** What runs now: it does not outlive the runner. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Run extends Ended {
  /** What was left in the temporary folder. */
  readonly leftovers: readonly string[];
}

/**
 * Runs a program of node's. `folder` is made for it as its temporary one, and removed. Rejects when
 * it cannot start; after `limitMs` it is killed.
 */
export async function runProgram(
  given: readonly string[],
  folder: string,
  limitMs: number,
): Promise<Run> {
  mkdirSync(folder);
  try {
    const child = spawn(process.execPath, given, {
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const end = await ended(child, limitMs);
    return { ...end, events: [], leftovers: readdirSync(folder) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs test files in one process, as {@link runProgram} does. */
export async function runTests(
  files: readonly string[],
  folder: string,
  limitMs: number,
): Promise<Run> {
  const told = `${folder}.events`;
  const reporter = ['--test-reporter', join(here, 'event-lines.js')];
  const options = [...reporter, '--test-reporter-destination', told];
  try {
    const given = [...options, join(here, 'test-files.js'), ...files];
    const run = await runProgram(given, folder, limitMs);
    return { ...run, events: readEvents(told) };
  } finally {
    rmSync(told, { force: true });
  }
}

function readEvents(path: string): EventLine[] {
  if (!existsSync(path)) return [];
  // What follows the last newline was cut off when the process ended.
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  return lines.map((line): EventLine => JSON.parse(line));
}

function ended(child: ChildProcess, limitMs: number): Promise<Omit<Ended, 'events'>> {
  let output = '';
  let isLate = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      if (output.length < OUTPUT_CHARACTERS_MAX) output += text;
    });
  }
  running.add(child);
  const limit = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
    // A child of its own may keep the streams open.
    child.stdout?.destroy();
    child.stderr?.destroy();
  }, limitMs);
  return new Promise<Omit<Ended, 'events'>>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => resolve({ exitCode, signal, isLate, output }));
  }).finally(() => {
    clearTimeout(limit);
    running.delete(child);
  });
}
