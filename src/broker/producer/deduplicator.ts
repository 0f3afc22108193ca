/**
 * Runs a handler once for each id, for effects outside of the broker: mails, payments, calls.
 *
 * An id is noted as processed in a compacted log, within a window. What is promised follows from
 * when that is done, because no order of two steps in two systems survives every crash:
 *
 *     at-least-once   handler, then note     a crash in between runs the handler again
 *     at-most-once    note, then handler     a crash in between never runs it (again)
 *
 * Without a crash both run a handler that succeeds once, however often and by whomever it is asked
 * for: of calls with one id one runs at a time, and the others wait for it. A handler that fails is
 * not noted, or its note is taken back, and whoever comes next runs again.
 *
 * What lies in the broker itself needs none of this: a transaction makes it exactly once.
 */

import { abortable } from '../../base/abortable.js';
import { createError } from '../../base/errors.js';
import { limits } from '../../base/limits.js';
import { checkDeduplicationId } from './deduplication-header.js';
import type { DeduplicatorConfig } from './deduplicator-options.js';
import type { ProcessedIds } from './processed-ids.js';

export type Once<Result> =
  | { readonly isDuplicate: false; readonly result: Result }
  | { readonly isDuplicate: true };

export interface OnceOptions {
  /** Ends the wait for another run of the id, with the signal's reason; a run is not ended. */
  readonly signal?: AbortSignal | undefined;
}

export class Deduplicator {
  readonly name: string;
  readonly config: DeduplicatorConfig;
  readonly #ids: ProcessedIds;
  readonly #checkOpen: () => void;
  readonly #running = new Map<string, Promise<unknown>>();
  #waitingCount = 0;

  /** @internal `checkOpen` throws once the broker is closed. */
  constructor(name: string, config: DeduplicatorConfig, ids: ProcessedIds, checkOpen: () => void) {
    this.name = name;
    this.config = config;
    this.#ids = ids;
    this.#checkOpen = checkOpen;
  }

  /** Ids in memory, bounded by `idsMax`. */
  get count(): number {
    return this.#ids.count;
  }

  /** Whether the id was processed within the window. */
  has(id: string): boolean {
    checkDeduplicationId(id);
    return this.#ids.look(id) !== 'unknown';
  }

  /**
   * Runs the handler unless the id was processed within the window; resolves once that is durable.
   *
   * Rejects with what the handler throws; with the log's error when the note could not be stored:
   * then, until the broker is closed, the handler is not run again, and the next call only stores
   * the note. OPTION_INVALID for what is no id (1 to 256 UTF-8 bytes), BUFFER_FULL when too many
   * calls run or wait, BROKER_CLOSED. A handler that waits for its own id waits for ever.
   */
  async run<Result>(
    id: string,
    handler: () => Result | Promise<Result>,
    { signal }: OnceOptions = {},
  ): Promise<Once<Result>> {
    checkDeduplicationId(id);
    for (;;) {
      this.#checkOpen();
      signal?.throwIfAborted();
      const running = this.#running.get(id);
      if (running === undefined) break;
      await this.#wait(running, signal);
    }
    if (this.#ids.look(id) === 'processed') return { isDuplicate: true };
    if (this.#running.size >= limits.deduplicatorCallsMax) throw this.#full();
    // Not within this call: a handler finds that it is running.
    const turn = Promise.resolve().then(() => this.#carryOut(id, handler));
    const over = (): void => void this.#running.delete(id);
    this.#running.set(id, turn.then(over, over));
    return await turn;
  }

  /**
   * The handler for `topic.process` and loops: runs it once for each id that `idOf` finds, and
   * resolves to undefined for what was processed before.
   */
  handler<Message, Rest extends readonly unknown[], Result>(
    idOf: (message: Message) => string,
    handler: (message: Message, ...rest: Rest) => Result | Promise<Result>,
  ): (message: Message, ...rest: Rest) => Promise<Result | undefined> {
    return async (message, ...rest) => {
      const once = await this.run(idOf(message), () => handler(message, ...rest));
      return once.isDuplicate ? undefined : once.result;
    };
  }

  /** The id counts as not processed; durable when it resolves. Waits for a run of it. */
  async forget(id: string): Promise<void> {
    checkDeduplicationId(id);
    await this.#running.get(id);
    this.#checkOpen();
    await this.#ids.forget(id);
  }

  async #carryOut<Result>(
    id: string,
    handler: () => Result | Promise<Result>,
  ): Promise<Once<Result>> {
    if (this.#ids.look(id) === 'not-stored') {
      await this.#ids.note(id);
      return { isDuplicate: true };
    }
    if (this.config.promise === 'at-most-once') return await this.#noteFirst(id, handler);
    const result = await handler();
    await this.#ids.note(id);
    return { isDuplicate: false, result };
  }

  async #noteFirst<Result>(
    id: string,
    handler: () => Result | Promise<Result>,
  ): Promise<Once<Result>> {
    try {
      await this.#ids.note(id);
    } catch (error) {
      // Stored or not: the handler did not run, and in this process it still may.
      this.#ids.drop(id);
      throw error;
    }
    try {
      return { isDuplicate: false, result: await handler() };
    } catch (error) {
      // A note that cannot be taken back stays: then it never runs again.
      await this.#ids.forget(id).catch(() => undefined);
      throw error;
    }
  }

  async #wait(running: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    if (this.#waitingCount >= limits.deduplicatorCallsMax) throw this.#full();
    this.#waitingCount += 1;
    try {
      await abortable(running, signal);
    } finally {
      this.#waitingCount -= 1;
    }
  }

  #full(): Error {
    const expected = `at most ${limits.deduplicatorCallsMax} calls that run, and that wait`;
    return createError('BUFFER_FULL', { deduplicator: this.name, expected });
  }
}
