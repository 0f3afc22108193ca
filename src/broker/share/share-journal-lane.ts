/**
 * Appends of one kind to the journal, joined: what is asked for while one is on its way goes with
 * the next one. Everybody who asked shares one promise.
 */

export class JournalLane<Entry> {
  readonly #append: (entries: readonly Entry[]) => Promise<void>;
  #entries: Entry[] = [];
  #waiting: Waiting | undefined;
  #isBusy = false;

  /** `append` stores entries, in one step as far as they fit; it never throws at once. */
  constructor(append: (entries: readonly Entry[]) => Promise<void>) {
    this.#append = append;
  }

  /** Resolves when all that was added until now is stored. */
  add(entry: Entry): Promise<void> {
    if (this.#entries.at(-1) !== entry) this.#entries.push(entry);
    return this.settle();
  }

  /** The same without something new. */
  settle(): Promise<void> {
    if (this.#waiting !== undefined) return this.#waiting.promise;
    const waiting = makeWaiting();
    this.#waiting = waiting;
    if (!this.#isBusy) {
      this.#isBusy = true;
      // What is asked for in this turn goes together.
      queueMicrotask(() => void this.#run());
    }
    return waiting.promise;
  }

  async #run(): Promise<void> {
    for (let waiting = this.#waiting; waiting !== undefined; waiting = this.#waiting) {
      const entries = this.#entries;
      this.#entries = [];
      this.#waiting = undefined;
      await this.#append(entries).then(waiting.resolve, waiting.reject);
    }
    this.#isBusy = false;
  }
}

interface Waiting {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: unknown): void;
}

function makeWaiting(): Waiting {
  let resolve = (): void => {};
  let reject = (_error: unknown): void => {};
  const promise = new Promise<void>((resolved, rejected) => {
    resolve = resolved;
    reject = rejected;
  });
  // Whoever does not wait for it is told by the next append.
  promise.catch(() => undefined);
  return { promise, resolve, reject };
}
