/**
 * The compiled command as a child process: what it prints, and how it ends.
 */

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
export const commandPath = join(dirname(dirname(here)), 'src', 'cli', 'millrace.js');

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command; nothing is written to its stdin yet. */
export function start(...given: readonly string[]): ChildProcessWithoutNullStreams {
  return spawn(process.execPath, [commandPath, ...given], { stdio: 'pipe' });
}

export function ended(child: ChildProcessWithoutNullStreams): Promise<Ended> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
  child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const text = (pieces: Buffer[]): string => Buffer.concat(pieces).toString();
      resolve({ code, stdout: text(stdout), stderr: text(stderr) });
    });
  });
}

/** Runs the command to its end with this input. */
export function run(input: string | Uint8Array, ...given: readonly string[]): Promise<Ended> {
  const child = start(...given);
  const end = ended(child);
  // A command that does not read its input may be gone before it has it all.
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  return end;
}

/** Resolves once the command has printed this many lines. */
export function printed(child: ChildProcessWithoutNullStreams, lines: number): Promise<void> {
  let seen = 0;
  return new Promise((resolve) => {
    child.stdout.on('data', (piece: Buffer) => {
      seen += piece.toString().split('\n').length - 1;
      if (seen >= lines) resolve();
    });
  });
}
