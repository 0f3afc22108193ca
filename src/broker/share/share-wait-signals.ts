/**
 * Signals that end waits: each is listened to once, however many waits it ends.
 *
 * Consumers often give one signal to all their calls, and to add and remove a listener costs more
 * the more of them a signal has.
 */

/** What a signal ends. */
export interface Abortable {
  abort(reason: unknown): void;
}

export class WaitSignals<Wait extends Abortable> {
  readonly #waits = new Map<AbortSignal, Set<Wait>>();
  readonly #ended: () => void;
  readonly #abort = (event: Event): void => {
    const signal = event.currentTarget;
    if (!(signal instanceof AbortSignal)) return;
    for (const wait of this.#waits.get(signal) ?? []) wait.abort(signal.reason);
    this.#ended();
  };

  /** `ended` is called after a signal has ended its waits. */
  constructor(ended: () => void) {
    this.#ended = ended;
  }

  /** The wait hears of the signal, which has not aborted, until it is removed. */
  add(signal: AbortSignal, wait: Wait): void {
    const known = this.#waits.get(signal);
    if (known !== undefined) {
      known.add(wait);
      return;
    }
    this.#waits.set(signal, new Set([wait]));
    signal.addEventListener('abort', this.#abort);
  }

  remove(signal: AbortSignal, wait: Wait): void {
    const known = this.#waits.get(signal);
    if (known?.delete(wait) !== true || known.size > 0) return;
    this.#waits.delete(signal);
    signal.removeEventListener('abort', this.#abort);
  }
}
