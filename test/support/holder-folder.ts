/**
 * Verbs for tests of the lock: folders, dead sockets, and child processes that take locks.
 */

import assert from 'node:assert/strict';
import { type ChildProcess, type ForkOptions, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MillraceError } from '../../src/base/errors.js';
import { tempDir } from './temp-dir.js';

const childPath = fileURLToPath(new URL('./holder-child.js', import.meta.url));

/** A new folder, removed after the test; `below` makes it a deeper one. */
export function holderFolder(t: TestContext, below = ''): string {
  const folder = join(tempDir(t), below);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Leaves at `path` the socket of a listener that is gone. */
export async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer();
  const bound = join(dirname(path), '.b');
  server.listen(bound);
  await once(server, 'listening');
  // Closing removes the name that was bound, so the file survives under another one.
  renameSync(bound, path);
  server.close();
  await once(server, 'close');
}

/** Waits for the error of a promise and checks its code. */
export async function failure(promise: Promise<unknown>, code: string): Promise<MillraceError> {
  const error: unknown = await promise.then(
    () => assert.fail(`expected ${code}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof MillraceError)) throw error;
  assert.equal(error.code, code);
  return error;
}

/** A process that carries out commands; see `holder-child.ts`. It is killed after the test. */
export class LockChild {
  readonly #process: ChildProcess;

  constructor(t: TestContext, options: ForkOptions = {}, args: readonly string[] = []) {
    this.#process = fork(childPath, args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...options,
    });
    t.after(() => this.#process.kill('SIGKILL'));
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  /** Resolves to `acquired` or to the code of the error. */
  acquire(directory: string, mutexMsMax?: number): Promise<unknown> {
    return this.#ask({ acquire: directory, mutexMsMax });
  }

  release(): Promise<unknown> {
    return this.#ask({ release: true });
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.exited();
  }

  /** The exit code, or the signal that ended it. */
  async exited(): Promise<unknown> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await once(this.#process, 'exit');
    }
    return this.#process.signalCode ?? this.#process.exitCode;
  }

  /** The next message of a child that speaks without being asked. */
  async heard(): Promise<unknown> {
    const [message]: unknown[] = await once(this.#process, 'message');
    return message;
  }

  #ask(command: {
    acquire?: string;
    mutexMsMax?: number | undefined;
    release?: true;
  }): Promise<unknown> {
    this.#process.send(command);
    return this.heard();
  }
}
