/**
 * One attempt at a record: its value is decoded, its handler called, and it ends in one way, once.
 *
 * It ends by itself, or by its timeout, whichever is first; what a handler does after that is
 * nobody's any more. A handler that throws and one that rejects are the same.
 */

import { createError } from '../../base/errors.js';
import type { LogRecord } from '../../storage/main.js';
import type { Codec } from '../topic/codec.js';
import type { RunningAttempt } from './process-held.js';
import {
  decodeRecord,
  type ProcessContext,
  type ProcessHandler,
  type ProcessRecord,
} from './process-record.js';
import type { AttemptTimeouts, Timed } from './process-timeouts.js';

export interface AttemptTask<Output> {
  readonly codec: Codec<Output, never>;
  readonly handler: ProcessHandler<Output>;
  readonly topic: string;
  readonly partition: number;
  readonly timeouts: AttemptTimeouts;
}

export type AttemptEnd =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly error: unknown }
  /** The codec cannot read the value: trying again does not help. */
  | { readonly kind: 'unreadable'; readonly error: unknown };

const SUCCESS: AttemptEnd = Object.freeze({ kind: 'success' });

export class Attempt<Output> implements ProcessContext, RunningAttempt, Timed {
  readonly attempt: number;
  readonly topic: string;
  readonly partition: number;
  readonly #task: AttemptTask<Output>;
  readonly #ended: (end: AttemptEnd) => void;
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

  /** `attempt` is its number, from 1; `ended` is called once, perhaps within `run`. */
  constructor(task: AttemptTask<Output>, attempt: number, ended: (end: AttemptEnd) => void) {
    this.#task = task;
    this.#ended = ended;
    this.attempt = attempt;
    this.topic = task.topic;
    this.partition = task.partition;
  }

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

  run(record: LogRecord): void {
    let decoded: ProcessRecord<Output> | Promise<ProcessRecord<Output>>;
    try {
      decoded = decodeRecord(record, this.#task, this.#task.codec);
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

  #signalEnd(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }

  #call(record: ProcessRecord<Output>): void {
    if (this.#isOver) return;
    let waited: Promise<unknown> | undefined;
    try {
      const result = this.#task.handler(record, this);
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

  timeOut(): void {
    const { topic, partition } = this;
    const error = createError('ATTEMPT_TIMED_OUT', { topic, partition, attempt: this.attempt });
    this.#signalEnd(error);
    this.#end({ kind: 'failure', error });
  }

  /** From the first moment on that something is waited for. */
  #limit(): void {
    if (this.#isTimed || this.#isOver) return;
    this.#isTimed = true;
    this.#task.timeouts.add(this);
  }

  #end(end: AttemptEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    if (this.#isTimed) this.#task.timeouts.remove(this);
    this.#ended(end);
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if (typeof value !== 'object' || value === null) return false;
  return 'then' in value && typeof value.then === 'function';
}
