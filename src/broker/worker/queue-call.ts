/**
 * One call of a handler, with its message: what the handler does to the message itself goes through
 * here, so that it is not done a second time when the handler returns.
 *
 *     open          the message is the handler's
 *     acknowledged, released, rejected     by the handler, or by the worker when it had returned
 *     lost          its delivery is over: whatever the handler does counts for nothing
 */

import { createError } from '../../base/errors.js';
import { Attempt, type AttemptEnd } from '../process/attempt.js';
import type { CallPermit } from '../process/circuit-breaker.js';
import type { AttemptTimeouts } from '../process/process-timeouts.js';
import { DELIVERY_TIME_MS_MAX } from '../share/share-deadlines.js';
import { receiptRefused } from '../share/share-errors.js';
import type { QueueHandler, QueueHandlerContext } from './queue-handler.js';
import type { WorkerEndings } from './queue-worker-endings.js';
import type { MessageEndings, WorkMessage } from './queue-worker-source.js';

/** What all calls of a worker have in common. */
export interface CallTask<Message extends WorkMessage> {
  readonly queue: string;
  readonly handler: QueueHandler<Message>;
  readonly timeouts: AttemptTimeouts;
  readonly endings: WorkerEndings<Message>;
  ended(call: QueueCall<Message>, end: AttemptEnd): void;
}

export type CallEnding = 'open' | 'acknowledged' | 'released' | 'rejected' | 'lost';

export class QueueCall<Message extends WorkMessage>
  extends Attempt<Message>
  implements QueueHandlerContext, MessageEndings
{
  readonly message: Message;
  readonly permit: CallPermit;
  readonly #task: CallTask<Message>;
  #ending: CallEnding = 'open';
  #stored: Promise<void> | undefined;

  constructor(task: CallTask<Message>, message: Message, permit: CallPermit) {
    super(task.timeouts);
    this.#task = task;
    this.message = message;
    this.permit = permit;
  }

  get attempt(): number {
    return this.message.failures + 1;
  }

  get ending(): CallEnding {
    return this.#ending;
  }

  /** Whether the lease is to go on while the handler runs. */
  get isLeased(): boolean {
    return this.#ending === 'open';
  }

  /** A function by itself: handlers take it out of the context. */
  get extend(): (leaseMs: number) => Promise<void> {
    return (leaseMs) => quiet(this.#extend(leaseMs));
  }

  acknowledge(): Promise<void> {
    return this.#end('acknowledged', () => this.#task.endings.acknowledge(this.message));
  }

  release({ delayMs }: { readonly delayMs: number }): Promise<void> {
    return this.#end('released', () => {
      return this.#task.endings.release([this.message], { delayMs, isFailure: false });
    });
  }

  reject({ reason }: { readonly reason: string | undefined }): Promise<void> {
    return this.#end('rejected', () => this.#task.endings.reject(this.message, { reason }));
  }

  /** It ends, or has ended, by the worker: nobody may end it otherwise any more. */
  settle(ending: Exclude<CallEnding, 'open'>): void {
    this.#ending = ending;
  }

  /** Its delivery is over, and the handler is told. */
  lose(): void {
    this.#ending = 'lost';
    this.abort(this.#stale());
  }

  protected override decode(): Message {
    this.message.endBy(this);
    return this.message;
  }

  protected override call(message: Message): unknown {
    return this.#task.handler(message, this);
  }

  protected override ended(end: AttemptEnd): void {
    this.#task.ended(this, end);
  }

  protected override timedOut(): unknown {
    const { queue } = this.#task;
    return createError('ATTEMPT_TIMED_OUT', { queue, id: this.message.id, attempt: this.attempt });
  }

  /** What is done twice is done once. */
  #end(ending: CallEnding, store: () => Promise<readonly Message[]>): Promise<void> {
    if (this.#ending === ending) return this.#stored ?? Promise.resolve();
    if (this.#ending !== 'open') return quiet(Promise.reject(this.#stale()));
    this.#ending = ending;
    this.#stored = quiet(this.#unlessRefused(store()));
    return this.#stored;
  }

  async #extend(leaseMs: number): Promise<void> {
    if (!(leaseMs >= 1 && leaseMs <= DELIVERY_TIME_MS_MAX)) {
      const expected = `1 to ${DELIVERY_TIME_MS_MAX} milliseconds`;
      throw createError('OPTION_INVALID', { option: 'leaseMs', expected, actual: leaseMs });
    }
    if (this.#ending !== 'open') throw this.#stale();
    await this.#unlessRefused(this.#task.endings.extend(this.message, leaseMs));
  }

  async #unlessRefused(answer: Promise<readonly Message[]>): Promise<void> {
    if (!(await answer).includes(this.message)) return;
    const isHeld = this.#task.endings.isHeld(this.message);
    throw isHeld ? receiptRefused('frozen', this.#facts()) : this.#stale();
  }

  #stale(): Error {
    return receiptRefused('stale', this.#facts());
  }

  #facts() {
    return { queue: this.#task.queue, id: this.message.id };
  }
}

/** Whoever does not look at it is not to die of it. */
function quiet(promise: Promise<void>): Promise<void> {
  promise.catch(() => undefined);
  return promise;
}
