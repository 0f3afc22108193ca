/**
 * Starts programs of the comparison and makes sure that none outlives it.
 *
 * Every program has a time limit, its own process group (so that what it starts dies with it), and
 * two files that take its output, whatever its size. `killAll` is synchronous: it also serves exit
 * and signal handlers.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** How much of an output file goes into an error message. */
const TAIL_CHARACTERS = 2_000;
/** The largest output that `readOutput` takes into memory. */
const OUTPUT_BYTES_MAX = 512 * 1024 * 1024;

export interface ChildExit {
  readonly outcome: 'exited' | 'timed-out' | 'not-found';
  /** Null unless the program ended by itself. */
  readonly exitCode: number | null;
  readonly stdoutFile: string;
  readonly stderrFile: string;
}

export interface RunningChild {
  /** Undefined when the program could not be started. */
  readonly pid: number | undefined;
  /** What it has printed so far is there. */
  readonly stdoutFile: string;
  readonly exit: Promise<ChildExit>;
  /** Kills it, with all that it has started. */
  end(): void;
}

export class ChildProcesses {
  readonly #outputFolder: string;
  readonly #running = new Set<ChildProcess>();
  #count = 0;

  constructor(outputFolder: string) {
    this.#outputFolder = outputFolder;
  }

  /** `name` is for the output files. Standard input stays open until this process ends. */
  start(
    name: string,
    timeoutMs: number,
    command: string,
    ...args: readonly string[]
  ): RunningChild {
    const number = String(this.#count++).padStart(2, '0');
    const stdoutFile = join(this.#outputFolder, `${number}-${name}.out`);
    const stderrFile = join(this.#outputFolder, `${number}-${name}.err`);
    const stdout = openSync(stdoutFile, 'w');
    const stderr = openSync(stderrFile, 'w');
    const child = spawn(command, args, { detached: true, stdio: ['pipe', stdout, stderr] });
    closeSync(stdout);
    closeSync(stderr);
    // A program that is gone before it reads its input is no error of ours.
    child.stdin?.on('error', () => undefined);
    this.#running.add(child);
    const exit = new Promise<ChildExit>((resolve) => {
      const finish = (outcome: ChildExit['outcome'], exitCode: number | null): void => {
        clearTimeout(timer);
        this.#running.delete(child);
        resolve({ outcome, exitCode, stdoutFile, stderrFile });
      };
      let isLate = false;
      const timer = setTimeout(() => {
        isLate = true;
        killGroup(child);
      }, timeoutMs);
      child.once('error', () => finish('not-found', null));
      child.once('exit', (code) => finish(isLate ? 'timed-out' : 'exited', code));
    });
    return { pid: child.pid, stdoutFile, exit, end: () => killGroup(child) };
  }

  async run(
    name: string,
    timeoutMs: number,
    command: string,
    ...args: readonly string[]
  ): Promise<ChildExit> {
    return this.start(name, timeoutMs, command, ...args).exit;
  }

  killAll(): void {
    for (const child of this.#running) killGroup(child);
  }
}

/** What the program printed, as text. */
export function readOutput(file: string): string {
  const { size } = statSync(file);
  if (size > OUTPUT_BYTES_MAX) throw new Error(`${file}: ${size} bytes are too many to read`);
  return readFileSync(file, 'utf8');
}

/** Throws with the end of the program's output unless it ended by itself with exit code 0. */
export function assertSucceeded(what: string, exit: ChildExit): void {
  if (exit.outcome === 'exited' && exit.exitCode === 0) return;
  const output = readOutput(exit.stdoutFile) + readOutput(exit.stderrFile);
  const tail = output.slice(-TAIL_CHARACTERS);
  throw new Error(`${what}: ${exit.outcome}, exit code ${exit.exitCode}\n${tail}`);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // The group is already gone.
  }
}
