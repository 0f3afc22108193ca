/**
 * Shared memory between a cleaner task and whoever waits for it: cancelling, heartbeat, progress.
 *
 * A task makes synchronous calls only, so no message reaches its thread while it runs. Instead both
 * sides look at a few words:
 *
 *     0  cancel   1 asks the task to end; a task that sleeps is woken
 *     1  thread   id of the thread that has the task; 0 until it begins
 *     2  beats    rises with every chunk of work, and while the task sleeps to keep its rate
 *     4  bytes    read and written so far, 64 bits
 *
 * The thread writes its id before it looks at the cancel word; the other side sets cancel before it
 * looks at the id. So after a cancel one of them knows: the task does nothing, or its thread is
 * known and can be waited for.
 */

import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { ByteRate } from './cleaner-rate.js';
import { CleanerCancelled, type CleanerControl } from './cleaner-task.js';

const WORD_CANCEL = 0;
const WORD_THREAD = 1;
const WORD_BEATS = 2;
const BYTES_POSITION = 16;
const CONTROL_BYTES = 24;

/** A sleep to keep the rate beats this often, well below any time after which a task has hung. */
const SLEEP_MS_MAX = 100;

/** The side of whoever waits for a task. */
export class CleanerMonitor {
  /** Goes to the thread with the task. */
  readonly memory = new SharedArrayBuffer(CONTROL_BYTES);
  readonly #words = new Int32Array(this.memory, 0, BYTES_POSITION / 4);
  readonly #bytes = new BigInt64Array(this.memory, BYTES_POSITION, 1);

  /** Asks the task to end; it does at its next chunk. */
  cancel(): void {
    Atomics.store(this.#words, WORD_CANCEL, 1);
    Atomics.notify(this.#words, WORD_CANCEL);
  }

  /** The thread that has begun the task, or 0. */
  get threadId(): number {
    return Atomics.load(this.#words, WORD_THREAD);
  }

  /** Differs from an earlier value when the task was alive in between. */
  get beats(): number {
    return Atomics.load(this.#words, WORD_BEATS);
  }

  get bytes(): number {
    return Number(Atomics.load(this.#bytes, 0));
  }
}

/** The side of the task. */
export class ThreadControl implements CleanerControl {
  readonly #words: Int32Array;
  readonly #bytes: BigInt64Array;
  readonly #clock: Clock;
  readonly #rate: ByteRate | undefined;

  /** Throws CleanerCancelled when the task was cancelled before it began. */
  constructor(
    memory: SharedArrayBuffer,
    threadId: number,
    bytesPerSecond: number | undefined,
    clock: Clock,
  ) {
    assert(memory.byteLength === CONTROL_BYTES, 'the control memory has its size');
    assert(threadId > 0, 'a task runs on a worker thread');
    this.#words = new Int32Array(memory, 0, BYTES_POSITION / 4);
    this.#bytes = new BigInt64Array(memory, BYTES_POSITION, 1);
    this.#clock = clock;
    this.#rate =
      bytesPerSecond === undefined ? undefined : new ByteRate(bytesPerSecond, clock.monotonicMs());
    Atomics.store(this.#words, WORD_THREAD, threadId);
    this.#beat();
  }

  progress(bytes: number): void {
    assert(bytes >= 0, 'progress does not go back');
    Atomics.add(this.#bytes, 0, BigInt(bytes));
    this.#beat();
    if (this.#rate === undefined) return;
    const nowMs = this.#clock.monotonicMs();
    const untilMs = nowMs + this.#rate.spend(bytes, nowMs);
    let leftMs = untilMs - nowMs;
    while (leftMs > 0) {
      Atomics.wait(this.#words, WORD_CANCEL, 0, Math.min(leftMs, SLEEP_MS_MAX));
      this.#beat();
      leftMs = untilMs - this.#clock.monotonicMs();
    }
  }

  #beat(): void {
    Atomics.add(this.#words, WORD_BEATS, 1);
    if (Atomics.load(this.#words, WORD_CANCEL) !== 0) throw new CleanerCancelled();
  }
}
