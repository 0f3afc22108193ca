/**
 * Letting handlers end: first in peace, then told to, and then nobody waits for them any more.
 */

import type { Cancel, Clock } from '../../base/clock.js';
import type { RunningAttempts } from './running-attempts.js';

/** A moment that may be moved nearer. */
export class Deadline {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #atMs = Number.POSITIVE_INFINITY;
  #isReached = false;
  #cancel: Cancel | undefined;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.shorten(ms);
  }

  /** Is reached in so many milliseconds at the latest. */
  shorten(ms: number): void {
    const atMs = this.#clock.monotonicMs() + ms;
    if (!(atMs < this.#atMs)) return;
    this.#atMs = atMs;
    this.cancel();
    if (ms <= 0) this.#reach();
    else this.#cancel = this.#clock.schedule(ms, () => this.#reach(), 'keep-alive');
  }

  /** Calls `act` when it is reached, now if it is; what comes back takes that back. */
  whenReached(act: () => void): () => void {
    if (this.#isReached) act();
    else this.#listeners.add(act);
    return () => this.#listeners.delete(act);
  }

  /** Resolves when it is reached, or when `done` resolves. */
  async wait(done: Promise<unknown>): Promise<void> {
    let forget = (): void => undefined;
    const reached = new Promise<void>((resolve) => {
      forget = this.whenReached(resolve);
    });
    await Promise.race([done, reached]);
    forget();
  }

  /** Ends the timer. */
  cancel(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #reach(): void {
    this.#isReached = true;
    for (const act of this.#listeners) act();
    this.#listeners.clear();
  }
}

/** Handlers that run, together. */
export type Draining = Pick<RunningAttempts, 'runningCount' | 'idle' | 'abort'>;

export interface DrainOptions {
  /** Until then handlers end in peace. */
  readonly deadline: Deadline;
  /** How long they have after they were told to. */
  readonly graceMs: number;
  /** What they are told. */
  readonly reason: () => unknown;
}

/** Resolves when no handler of these runs, or those that do have had their time. */
export async function drainHandlers(
  running: readonly Draining[],
  clock: Clock,
  { deadline, graceMs, reason }: DrainOptions,
): Promise<void> {
  const idle = Promise.all(running.map((some) => some.idle()));
  await deadline.wait(idle);
  if (running.every(({ runningCount }) => runningCount === 0)) return;
  const why = reason();
  for (const some of running) some.abort(why);
  const grace = new Deadline(clock, graceMs);
  await grace.wait(idle);
  grace.cancel();
}
