/**
 * What a transaction began in the name of the program, and has not come to its end: its commit
 * waits for that. What fails ends the transaction, whether the program looks at it or not.
 */

export class TrackedWork {
  readonly #failed: (error: unknown) => void;
  readonly #open = new Set<Promise<void>>();

  constructor(failed: (error: unknown) => void) {
    this.#failed = failed;
  }

  /** Gives the promise back. */
  add<T>(work: Promise<T>): Promise<T> {
    const tracked = work.then(
      () => undefined,
      (error: unknown) => this.#failed(error),
    );
    const ended = tracked.then(() => void this.#open.delete(ended));
    this.#open.add(ended);
    return work;
  }

  /** Resolves when all of it has ended, what it began meanwhile too. */
  async settled(): Promise<void> {
    while (this.#open.size > 0) await Promise.all(this.#open);
  }
}
