/**
 * The threads that clean: one pool for all logs of the process, made with the first task.
 *
 * Tasks wait here, first come, first served, and a thread gets one when it is free, so logs that
 * clean at the same time take turns. Threads end when they were idle for a while, and with the last
 * log. Nothing here keeps the process alive, unless a caller asks for it. A thread that dies, hangs
 * or runs out of memory takes its one task with it, and the next task gets a new thread.
 *
 * This is the only file that knows Piscina. What it must not be trusted with is kept out of its
 * hands: its queue stands still when a thread dies and nobody calls `run` again, and it answers
 * for a thread that it ended before that thread has stopped.
 */

import { fileURLToPath } from 'node:url';
import { MessagePort, type Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { assert } from '../base/assert.js';
import { type Cancel, type Clock, systemClock } from '../base/clock.js';
import { createError } from '../base/errors.js';
import type { CleanerAnswer, CleanerMessage } from './cleaner-answer.js';
import { CleanerJob, type CleanerThreads } from './cleaner-job.js';
import { SpareMemory } from './cleaner-spare.js';
import {
  type CleanerRunOptions,
  type CleanerTask,
  isResultOf,
  type ResultOf,
} from './cleaner-task.js';
import type { CleanerPoolStats, LogCleaner } from './log-cleaner.js';

export interface CleanerPoolOptions {
  readonly clock: Clock;
  /** Most threads at a time. */
  readonly threads: number;
  /** The module that a thread loads; exports `runTask`. */
  readonly threadFile: URL;
  /** A task without a heartbeat for so long is given up, with its thread. */
  readonly stallMs: number;
  /** How long a cancelled task may take to end, before its thread is ended. */
  readonly cancelMs: number;
  /** How long a thread without work stays. */
  readonly idleMs: number;
  /** Heap of one thread, in MiB; buffers and shared memory do not count. */
  readonly heapMebibytes: number;
}

/** Tasks that wait, at most: a log has one or two at a time. */
const QUEUE_MAX = 16_384;
/** How often a timer that holds the process is set again: any length will do. */
const HOLD_MS = 60_000;

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

const cleanerPoolDefaults: CleanerPoolOptions = Object.freeze({
  clock: systemClock,
  threads: 1,
  threadFile: new URL(`./cleaner-thread.${extension}`, import.meta.url),
  stallMs: 30_000,
  cancelMs: 2_000,
  idleMs: 10_000,
  heapMebibytes: 256,
});

export class CleanerPool {
  readonly #options: CleanerPoolOptions;
  readonly #onEnd: () => void;
  readonly #queue: CleanerJob[] = [];
  readonly #running = new Set<CleanerJob>();
  /** Threads that have started and not ended yet. */
  readonly #workers = new Set<Worker>();
  /** What would hold the process while a task runs. */
  readonly #ports = new Set<MessagePort>();
  readonly #threads: CleanerThreads;
  readonly spare = new SpareMemory();
  #piscina: Promise<Piscina<CleanerMessage, CleanerAnswer>> | undefined;
  #uses = 0;
  #completed = 0;
  #failed = 0;
  #cancelled = 0;
  #restarts = 0;

  /** `onEnd` is called when the last user has left; the pool is not used again. */
  constructor(options: Partial<CleanerPoolOptions> = {}, onEnd: () => void = () => undefined) {
    this.#options = { ...cleanerPoolDefaults, ...options };
    this.#onEnd = onEnd;
    this.#threads = {
      run: (message, kill) => this.#runOnThread(message, kill),
      ended: (threadId) => this.#ended(threadId),
    };
  }

  /** A cleaner for one more log. */
  acquire(): LogCleaner {
    this.#uses += 1;
    return new PooledCleaner(this, this.#options.clock);
  }

  add(task: CleanerTask, bytesPerSecond: number | undefined): CleanerJob {
    if (this.#queue.length >= QUEUE_MAX) {
      const message = 'too many cleanings wait';
      throw createError('CLEANER_FAILED', { message, path: task.directory, expected: QUEUE_MAX });
    }
    const job = new CleanerJob(task, bytesPerSecond, this.#options);
    this.#queue.push(job);
    this.#next();
    return job;
  }

  cancel(job: CleanerJob, reason: unknown): void {
    if (this.#running.has(job)) {
      job.cancel(reason);
      return;
    }
    const index = this.#queue.indexOf(job);
    if (index === -1) return;
    this.#queue.splice(index, 1);
    this.#cancelled += 1;
    job.abandon(reason);
  }

  stats(): CleanerPoolStats {
    return {
      threads: this.#workers.size,
      threadsMax: this.#options.threads,
      queued: this.#queue.length,
      running: [...this.#running].map((job) => job.describe()),
      completed: this.#completed,
      failed: this.#failed,
      cancelled: this.#cancelled,
      restarts: this.#restarts,
    };
  }

  /** One user less; with the last one, resolves when all threads have ended. */
  async release(): Promise<void> {
    assert(this.#uses > 0, 'a cleaner is released once');
    this.#uses -= 1;
    if (this.#uses > 0) return;
    assert(this.#queue.length === 0, 'no task waits when nobody uses the pool');
    this.#onEnd();
    const piscina = await this.#piscina?.catch(() => undefined);
    await piscina?.destroy();
    await Promise.all([...this.#workers].map((worker) => worker.terminate()));
  }

  #next(): void {
    while (this.#running.size < this.#options.threads) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      this.#running.add(job);
      void this.#carryOut(job);
    }
  }

  async #carryOut(job: CleanerJob): Promise<void> {
    const outcome = await job.run(this.#threads);
    this.#running.delete(job);
    if (outcome === 'completed') this.#completed += 1;
    else if (outcome === 'cancelled') this.#cancelled += 1;
    else this.#failed += 1;
    if (outcome === 'lost') this.#restarts += 1;
    this.#next();
  }

  async #runOnThread(message: CleanerMessage, kill: AbortSignal): Promise<CleanerAnswer> {
    this.#piscina ??= this.#makePiscina();
    const piscina = await this.#piscina;
    const answer = piscina.run(message, { signal: kill });
    for (const port of this.#ports) port.unref();
    return await answer;
  }

  /** Loading Piscina takes tens of milliseconds, which only those who clean shall pay. */
  async #makePiscina(): Promise<Piscina<CleanerMessage, CleanerAnswer>> {
    const { threads, threadFile, idleMs, heapMebibytes } = this.#options;
    const { Piscina } = await import('piscina');
    const piscina = new Piscina<CleanerMessage, CleanerAnswer>({
      filename: fileURLToPath(threadFile),
      name: 'runTask',
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: idleMs,
      atomics: 'disabled',
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: heapMebibytes },
      recordTiming: false,
    });
    // Of a thread that had no task: one that could not load its module, or died while idle.
    piscina.on('error', (error: unknown) => {
      for (const job of this.#running) job.threadFailed(error);
    });
    piscina.on('workerCreate', (thread: object) => {
      this.#noteWorkers(piscina);
      const port = portOf(thread);
      if (port === undefined) return;
      this.#ports.add(port);
      // The task that waited for this thread is handed over right after this event.
      queueMicrotask(() => port.unref());
    });
    piscina.on('workerDestroy', (thread: object) => {
      const port = portOf(thread);
      if (port !== undefined) this.#ports.delete(port);
      // Threads end when they are idle: nobody cleans any more.
      this.spare.drop();
    });
    return piscina;
  }

  #noteWorkers(piscina: Piscina): void {
    for (const worker of piscina.threads) {
      if (this.#workers.has(worker)) continue;
      this.#workers.add(worker);
      worker.once('exit', () => this.#workers.delete(worker));
    }
  }

  async #ended(threadId: number): Promise<void> {
    for (const worker of this.#workers) {
      if (worker.threadId === threadId) await worker.terminate();
    }
  }
}

/** One log's door to the pool. */
class PooledCleaner implements LogCleaner {
  readonly #pool: CleanerPool;
  readonly #clock: Clock;
  readonly #jobs = new Set<CleanerJob>();
  #isReleased = false;

  constructor(pool: CleanerPool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
  }

  async run<Task extends CleanerTask>(
    task: Task,
    options: CleanerRunOptions,
  ): Promise<ResultOf<Task>> {
    assert(!this.#isReleased, 'a released cleaner is not used');
    const { signal, bytesPerSecond, hold } = options;
    signal?.throwIfAborted();
    const job = this.#pool.add(task, bytesPerSecond);
    const cancel = (): void => this.#pool.cancel(job, signal?.reason);
    signal?.addEventListener('abort', cancel, { once: true });
    const letGo = hold === 'keep-alive' ? holdProcess(this.#clock) : undefined;
    this.#jobs.add(job);
    try {
      const result = await job.result;
      assert(isResultOf(task, result), 'a task is answered in its kind');
      return result;
    } finally {
      this.#jobs.delete(job);
      letGo?.();
      signal?.removeEventListener('abort', cancel);
    }
  }

  stats(): CleanerPoolStats {
    return this.#pool.stats();
  }

  takeMemory(bytes: number, bytesMax: number): SharedArrayBuffer {
    return this.#pool.spare.take(bytes, bytesMax);
  }

  giveMemory(memory: SharedArrayBuffer): void {
    this.#pool.spare.give(memory);
  }

  async release(): Promise<void> {
    assert(!this.#isReleased, 'a cleaner is released once');
    this.#isReleased = true;
    const jobs = [...this.#jobs];
    const message = 'the cleaner was released';
    for (const job of jobs) {
      const path = job.task.directory;
      this.#pool.cancel(job, createError('CLEANER_FAILED', { message, path }));
    }
    await Promise.allSettled(jobs.map(({ result }) => result));
    await this.#pool.release();
  }
}

/** Keeps the process alive until it is called off. */
function holdProcess(clock: Clock): Cancel {
  const again = (): void => {
    cancel = clock.schedule(HOLD_MS, again, 'keep-alive');
  };
  let cancel = clock.schedule(HOLD_MS, again, 'keep-alive');
  return () => cancel();
}

/**
 * The port over which Piscina talks to a thread. Piscina holds the process while a task runs, and
 * has no option for that; the port lies behind a symbol of its own. Where it is not found, all that
 * changes is that the process outlives its last task.
 */
function portOf(thread: object): MessagePort | undefined {
  for (const symbol of Object.getOwnPropertySymbols(thread)) {
    const inner: unknown = Reflect.get(thread, symbol);
    if (typeof inner !== 'object' || inner === null || !('port' in inner)) continue;
    const { port } = inner;
    if (port instanceof MessagePort) return port;
  }
  return undefined;
}

let shared: CleanerPool | undefined;

/** A cleaner for one log, on the threads that all logs of this process share. */
export function acquireCleaner(): LogCleaner {
  if (shared === undefined) {
    const pool: CleanerPool = new CleanerPool({}, () => {
      if (shared === pool) shared = undefined;
    });
    shared = pool;
  }
  return shared.acquire();
}
