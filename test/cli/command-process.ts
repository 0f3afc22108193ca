/**
 * The compiled command outside of the test's process: what it prints, and how it ends.
 *
 * {@link run} carries it out in a process that is kept for the next one, which spares its start;
 * {@link runAlone} and {@link start} run the very program, for what the process itself does.
 */

import {
  type ChildProcess,
  type ChildProcessWithoutNullStreams,
  fork,
  spawn,
} from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { CommandAnswer, CommandRequest } from './command-child.js';

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

/** Runs the command to its end with this input, in a process of its own. */
export function runAlone(input: string | Uint8Array, ...given: readonly string[]): Promise<Ended> {
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

/** Made by the first command; it ends with this process, which it does not keep alive. */
let kept: KeptProcess | undefined;

/** Runs the command to its end with this input, in a process that other commands had before. */
export async function run(input: string | Uint8Array, ...given: readonly string[]): Promise<Ended> {
  kept ??= new KeptProcess();
  return await kept.run(input, given);
}

class KeptProcess {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (ended: Ended) => void>();
  readonly #failure: Promise<never>;
  #requests = 0;

  constructor() {
    this.#child = fork(join(here, 'command-child.js'), {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#failure = once(this.#child, 'exit').then(([code, signal]) => {
      throw new Error(`the process of the commands has ended: ${code ?? signal}`);
    });
    this.#failure.catch(() => undefined);
    this.#child.on('message', ({ number, ended }: CommandAnswer) => {
      this.#waiting.get(number)?.(ended);
      this.#waiting.delete(number);
      if (this.#waiting.size === 0) this.#keepAlive(false);
    });
    this.#keepAlive(false);
  }

  async run(input: string | Uint8Array, given: readonly string[]): Promise<Ended> {
    this.#requests += 1;
    const request: CommandRequest = { number: this.#requests, given, input };
    const ended = new Promise<Ended>((resolve) => this.#waiting.set(request.number, resolve));
    this.#keepAlive(true);
    this.#child.send(request);
    return await Promise.race([ended, this.#failure]);
  }

  #keepAlive(isWaiting: boolean): void {
    for (const handle of [this.#child, this.#child.channel]) {
      if (isWaiting) handle?.ref();
      else handle?.unref();
    }
  }
}
