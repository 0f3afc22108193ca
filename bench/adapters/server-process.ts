/**
 * A server that a peer needs: started from its own folder on a free port of loopback, ready when it
 * takes a connection, and stopped by its process id.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { findProgram } from './peer-package.js';

const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 20_000;
const PROBE_MS = 20;

/** Killed with the process that started them, however it ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) killGroup(child, 'SIGKILL');
});

export interface ServerCommand {
  readonly program: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it listens when it is ready. */
  readonly port: number;
}

export class ServerProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<void>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
  }

  static async start(command: ServerCommand): Promise<ServerProcess> {
    const path = findProgram(command.program);
    if (path === undefined) throw new Error(`${command.program} is not installed`);
    const child = spawn(path, command.args, {
      stdio: 'ignore',
      // A group of its own: what it starts ends with it.
      detached: true,
      env: { ...process.env, ...command.environment },
    });
    running.add(child);
    const server = new ServerProcess(child);
    try {
      await server.#ready(command);
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  }

  /** Bytes of memory that it holds now, as Linux counts them; 0 where nobody says. */
  residentBytes(): number {
    try {
      const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
      return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    } catch {
      return 0;
    }
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS_MAX);
    await this.#ended;
    clearTimeout(timer);
    killGroup(this.#child, 'SIGKILL');
    running.delete(this.#child);
  }

  async #ready({ program, port }: ServerCommand): Promise<void> {
    for (let left = READY_MS_MAX / PROBE_MS; left > 0; left -= 1) {
      if (this.#child.exitCode !== null) throw new Error(`${program} ended at once`);
      if (await accepts(port)) return;
      await sleep(PROBE_MS);
    }
    throw new Error(`${program} does not listen after ${READY_MS_MAX} ms`);
  }
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('a server has no port');
  return address.port;
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const answer = (isReady: boolean): void => {
      socket.destroy();
      resolve(isReady);
    };
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nothing of it is left.
  }
}
