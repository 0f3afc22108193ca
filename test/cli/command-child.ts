/**
 * A process that carries out one command after the other for a test file, so that the program is
 * loaded once. Each command has streams of its own; nothing else is kept between two of them.
 */

import { Readable, Writable } from 'node:stream';
import { runCommand } from '../../src/cli/run-command.js';
import type { Ended } from './command-process.js';

/** What the test asks for; `number` comes back with the answer. */
export interface CommandRequest {
  readonly number: number;
  readonly given: readonly string[];
  readonly input: string | Uint8Array;
}

export interface CommandAnswer {
  readonly number: number;
  readonly ended: Ended;
}

process.on('message', (request: CommandRequest) => {
  void answer(request).then((one) => process.send?.(one));
});
process.on('disconnect', () => process.exit());

async function answer({ number, given, input }: CommandRequest): Promise<CommandAnswer> {
  const [stdout, stderr] = [new Collected(), new Collected()];
  const stdin = Readable.from([Buffer.from(input)], { objectMode: false });
  // Nobody sends signals here: who tests them starts a process.
  const stop = { signal: new AbortController().signal, exitCode: undefined };
  const code = await runCommand(given, { stdin, stdout, stderr }, stop);
  return { number, ended: { code, stdout: stdout.text(), stderr: stderr.text() } };
}

class Collected extends Writable {
  readonly #pieces: Buffer[] = [];

  override _write(piece: Buffer, _encoding: string, done: () => void): void {
    this.#pieces.push(piece);
    done();
  }

  text(): string {
    return Buffer.concat(this.#pieces).toString();
  }
}
