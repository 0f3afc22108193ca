/**
 * One attempt at something: it is decoded, a handler is called, and it ends in one way, once.
 *
 * It ends by itself, or by its timeout, whichever is first; what a handler does after that is
 * nobody's any more. A handler that throws and one that rejects are the same. Whoever extends it
 * says what is decoded, which handler is called, and what follows from the end.
 */

import type { AttemptTimeouts, Timed } from './process-timeouts.js';
import type { RunningAttempt } from './running-attempts.js';

export type AttemptEnd =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly error: unknown }
  /** The codec cannot read the value: trying again does not help. */
  | { readonly kind: 'unreadable'; readonly error: unknown };

const SUCCESS: AttemptEnd = Object.freeze({ kind: 'success' });

export abstract class Attempt<Decoded> implements RunningAttempt, Timed {
  readonly #timeouts: AttemptTimeouts;
  #controller: AbortController | undefined;
  #abortReason: unknown;
  #isAborted = false;
  #isToldToEnd = false;
  #isOver = false;
  #isTimed = false;
  slot = 0;
  dueMs = 0;
  before: Timed | undefined;
  after: Timed | undefined;

  constructor(timeouts: AttemptTimeouts) {
    this.#timeouts = timeouts;
  }

  /** What the handler gets; throws or rejects when it cannot be read. */
  protected abstract decode(): Decoded | Promise<Decoded>;

  /** Calls the handler. */
  protected abstract call(decoded: Decoded): unknown;

  /** Called once, perhaps within `run`. */
  protected abstract ended(end: AttemptEnd): void;

  /** The error of an attempt that took too long. */
  protected abstract timedOut(): unknown;

  /** Made when it is first asked for: most handlers never do. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  /** Whether it ends because nobody wants it to go on: that is no failure. */
  get isToldToEnd(): boolean {
    return this.#isToldToEnd;
  }

  run(): void {
    let decoded: Decoded | Promise<Decoded>;
    try {
      decoded = this.decode();
    } catch (error) {
      this.#end({ kind: 'unreadable', error });
      return;
    }
    if (!(decoded instanceof Promise)) {
      this.#call(decoded);
      return;
    }
    this.#limit();
    decoded.then(
      (settled) => this.#call(settled),
      (error: unknown) => this.#end({ kind: 'unreadable', error }),
    );
  }

  /** Tells the handler to end; the attempt goes on until it does. */
  abort(reason: unknown): void {
    if (this.#isOver) return;
    this.#isToldToEnd = true;
    this.#signalEnd(reason);
  }

  timeOut(): void {
    const error = this.timedOut();
    this.#signalEnd(error);
    this.#end({ kind: 'failure', error });
  }

  #signalEnd(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  #call(decoded: Decoded): void {
    if (this.#isOver) return;
    let waited: Promise<unknown> | undefined;
    try {
      const result = this.call(decoded);
      if (isThenable(result)) waited = Promise.resolve(result);
    } catch (error) {
      this.#end({ kind: 'failure', error });
      return;
    }
    if (waited === undefined) {
      this.#end(SUCCESS);
      return;
    }
    this.#limit();
    waited.then(
      () => this.#end(SUCCESS),
      (error: unknown) => this.#end({ kind: 'failure', error }),
    );
  }

  /** From the first moment on that something is waited for. */
  #limit(): void {
    if (this.#isTimed || this.#isOver) return;
    this.#isTimed = true;
    this.#timeouts.add(this);
  }

  #end(end: AttemptEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isTimed) this.#timeouts.remove(this);
    this.ended(end);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return 'then' in value && typeof value.then === 'function';
}
