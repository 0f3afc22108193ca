/** `millrace serve` in a process of its own, that can be killed and started again. */

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type ChildProcesses, readOutput } from './child-processes.js';

const READY_MS_MAX = 30_000;
const PROBE_MS = 50;
const LIFETIME_MS_MAX = 10 * 60_000;

const commandPath = fileURLToPath(new URL('../src/cli/millrace.js', import.meta.url));

export interface ServeOptions {
  readonly address?: string;
  /** Further options of the command. */
  readonly more?: readonly string[];
}

export class ServedBroker {
  readonly bootstrap: string;
  /** Of its process. */
  readonly pid: number;
  readonly #exit: Promise<unknown>;

  private constructor(bootstrap: string, pid: number, exit: Promise<unknown>) {
    this.bootstrap = bootstrap;
    this.pid = pid;
    this.#exit = exit;
  }

  /** Resolves once it is ready. `address`: where one before was, so that its clients find it. */
  static async start(
    children: ChildProcesses,
    folder: string,
    { address = '127.0.0.1:0', more = [] }: ServeOptions = {},
  ): Promise<ServedBroker> {
    const given = ['serve', folder, '--kafka', address, '--json', ...more];
    const child = children.start('serve', LIFETIME_MS_MAX, process.execPath, commandPath, ...given);
    if (child.pid === undefined) throw new Error('the server could not be started');
    for (let left = READY_MS_MAX / PROBE_MS; left > 0; left -= 1) {
      const [line = ''] = readOutput(child.stdoutFile).split('\n');
      if (line.endsWith('}')) {
        const { host, port } = JSON.parse(line);
        return new ServedBroker(`${host}:${port}`, child.pid, child.exit);
      }
      await sleep(PROBE_MS);
    }
    throw new Error(`the server was not ready in ${READY_MS_MAX} ms`);
  }

  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    process.kill(this.pid, signal);
    await this.#exit;
  }
}
