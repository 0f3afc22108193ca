/**
 * The baseline of all appends: finished bytes in shared memory, written and synced by a thread of
 * its own with synchronous calls of `node:fs`.
 *
 * Calls are queued, made visible by `submit`, carried out in order and answered by a counter: the
 * hand-over of the product's writer worker, so a ratio shows what the log costs, not what threads
 * cost.
 */

import { Worker } from 'node:worker_threads';
import {
  CALL_COUNT,
  CALL_FILE,
  CALL_INTS,
  CALL_KIND,
  CALL_POSITION,
  CALL_START,
  CALLS,
  CONTROL_COMPLETED,
  CONTROL_FAILED,
  CONTROL_PUBLISHED,
  KIND_CLOSE,
  KIND_EXIT,
  KIND_OPEN,
  KIND_SYNC,
  KIND_WRITE,
  RAW_CHANNEL_BYTES,
  type RawThreadData,
  viewRawChannel,
} from './raw-channel.js';

/** Calls that are made after one look at the room. */
const CALLS_PER_GROUP = 8;

export class RawWriter {
  readonly #worker: Worker;
  readonly #control: Int32Array;
  readonly #calls: Int32Array;
  #filled = 0;

  constructor(memory: SharedArrayBuffer, paths: readonly string[]) {
    const channel = new SharedArrayBuffer(RAW_CHANNEL_BYTES);
    const { control, calls } = viewRawChannel(channel);
    this.#control = control;
    this.#calls = calls;
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const workerData: RawThreadData = { channel, memory, paths };
    this.#worker = new Worker(new URL(`./raw-writer-thread.${extension}`, import.meta.url), {
      name: 'raw-writer',
      workerData,
      execArgv: [],
    });
  }

  /** Whether a group of calls (open, write, sync, close) must wait for {@link room}. */
  get isFull(): boolean {
    const waiting = this.#filled - Atomics.load(this.#control, CONTROL_COMPLETED);
    return waiting + CALLS_PER_GROUP > CALLS;
  }

  /** Makes the file, or empties it. */
  open(file: number): void {
    this.#call(KIND_OPEN, file, 0, 0, 0);
  }

  write(file: number, start: number, count: number, position: number): void {
    this.#call(KIND_WRITE, file, start, count, position);
  }

  sync(file: number): void {
    this.#call(KIND_SYNC, file, 0, 0, 0);
  }

  close(file: number): void {
    this.#call(KIND_CLOSE, file, 0, 0, 0);
  }

  submit(): void {
    Atomics.store(this.#control, CONTROL_PUBLISHED, this.#filled);
    Atomics.notify(this.#control, CONTROL_PUBLISHED);
  }

  /** Resolves when the ring takes a call again. */
  async room(): Promise<void> {
    await this.#until(() => !this.isFull);
  }

  /** Resolves when everything submitted was carried out. */
  async settled(): Promise<void> {
    await this.#until((completed) => completed === this.#filled);
    if (this.#control[CONTROL_FAILED] !== 0) throw new Error('a raw call failed');
  }

  async end(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#worker.once('exit', () => resolve()));
    this.#call(KIND_EXIT, 0, 0, 0, 0);
    this.submit();
    await ended;
  }

  async #until(isDone: (completed: number) => boolean): Promise<void> {
    for (;;) {
      const completed = Atomics.load(this.#control, CONTROL_COMPLETED);
      if (isDone(completed)) return;
      const wait = Atomics.waitAsync(this.#control, CONTROL_COMPLETED, completed);
      if (wait.async) await wait.value;
    }
  }

  #call(kind: number, file: number, start: number, count: number, position: number): void {
    const at = (this.#filled % CALLS) * CALL_INTS;
    this.#calls[at + CALL_KIND] = kind;
    this.#calls[at + CALL_FILE] = file;
    this.#calls[at + CALL_START] = start;
    this.#calls[at + CALL_COUNT] = count;
    this.#calls[at + CALL_POSITION] = position;
    this.#filled += 1;
  }
}
