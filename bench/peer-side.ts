/**
 * A side of the comparison with peers, as its parent sees it: a process that prepares its work
 * once and then does a round whenever it is told to.
 */

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { RoundResult, WorkOrder } from './peer-work.js';

export type SideMessage = 'round' | 'end';

export type SideAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'round'; readonly result: RoundResult; readonly peakBytes: number }
  | { readonly kind: 'ended' }
  | { readonly kind: 'failed'; readonly reason: string };

/** A peer that has not answered by then is not measured. */
const ANSWER_MS_MAX = 120_000;

/** None outlives this process, however it ends. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

export class PeerSide {
  readonly name: string;
  /** The most memory that its process has held; the server of a peer is not in it. */
  peakBytes = 0;
  readonly #child: ChildProcess;
  #answered: (answer: SideAnswer) => void = () => undefined;
  #failure: SideAnswer | undefined;

  private constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#child = child;
    child.on('message', (answer: SideAnswer) => this.#answered(answer));
    child.once('exit', (code, signal) => {
      this.#failure = { kind: 'failed', reason: `the process ended with ${signal ?? code}` };
      this.#answered(this.#failure);
    });
  }

  /** Throws when the work cannot be prepared. */
  static async start(order: WorkOrder): Promise<PeerSide> {
    const entry = fileURLToPath(new URL('./peer-process.js', import.meta.url));
    const environment = { ...process.env };
    delete environment['MILLRACE_DEBUG'];
    const child = fork(entry, [JSON.stringify(order)], {
      execArgv: ['--expose-gc'],
      env: environment,
      // What a peer prints is no row.
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    const side = new PeerSide(order.side, child);
    await side.#answer();
    return side;
  }

  async round(): Promise<RoundResult> {
    const answer = await this.#ask('round');
    if (answer.kind !== 'round') throw new Error('a round has a result');
    this.peakBytes = answer.peakBytes;
    return answer.result;
  }

  async end(): Promise<void> {
    await this.#ask('end');
    this.#child.disconnect();
  }

  /** It ends its servers, too. */
  kill(): void {
    this.#child.kill('SIGTERM');
  }

  async #ask(message: SideMessage): Promise<SideAnswer> {
    const answer = this.#answer();
    if (this.#failure === undefined) this.#child.send(message);
    return await answer;
  }

  async #answer(): Promise<SideAnswer> {
    const answer =
      this.#failure ??
      (await new Promise<SideAnswer>((resolve) => {
        const reason = `no answer in ${ANSWER_MS_MAX} ms`;
        const timer = setTimeout(() => resolve({ kind: 'failed', reason }), ANSWER_MS_MAX);
        this.#answered = (given) => {
          clearTimeout(timer);
          resolve(given);
        };
      }));
    if (answer.kind === 'failed') throw new Error(`${this.name}: ${answer.reason}`);
    return answer;
  }
}
