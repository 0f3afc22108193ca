/**
 * One attempt at a record: its value is decoded, and the handler of the worker is called with it.
 *
 * How it begins, takes too long and ends is the same for all attempts, in `attempt.ts`.
 */

import { createError } from '../../base/errors.js';
import type { LogRecord } from '../../storage/main.js';
import type { Codec } from '../topic/codec.js';
import { Attempt, type AttemptEnd } from './attempt.js';
import {
  decodeRecord,
  type ProcessContext,
  type ProcessHandler,
  type ProcessRecord,
} from './process-record.js';
import type { AttemptTimeouts } from './process-timeouts.js';

export interface AttemptTask<Output> {
  readonly codec: Codec<Output, never>;
  readonly handler: ProcessHandler<Output>;
  readonly topic: string;
  readonly partition: number;
  readonly timeouts: AttemptTimeouts;
}

export class ProcessAttempt<Output>
  extends Attempt<ProcessRecord<Output>>
  implements ProcessContext
{
  readonly attempt: number;
  readonly topic: string;
  readonly partition: number;
  readonly #task: AttemptTask<Output>;
  readonly #record: LogRecord;
  readonly #ended: (end: AttemptEnd) => void;

  /** `attempt` is its number, from 1; `ended` is called once, perhaps within `run`. */
  constructor(
    task: AttemptTask<Output>,
    record: LogRecord,
    attempt: number,
    ended: (end: AttemptEnd) => void,
  ) {
    super(task.timeouts);
    this.#task = task;
    this.#record = record;
    this.#ended = ended;
    this.attempt = attempt;
    this.topic = task.topic;
    this.partition = task.partition;
  }

  protected override decode(): ProcessRecord<Output> | Promise<ProcessRecord<Output>> {
    return decodeRecord(this.#record, this.#task, this.#task.codec);
  }

  protected override call(record: ProcessRecord<Output>): unknown {
    return this.#task.handler(record, this);
  }

  protected override ended(end: AttemptEnd): void {
    this.#ended(end);
  }

  protected override timedOut(): unknown {
    const { topic, partition, attempt } = this;
    return createError('ATTEMPT_TIMED_OUT', { topic, partition, attempt });
  }
}
